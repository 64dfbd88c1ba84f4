"""Claims in the store of searches: system attributes of the study that they belong to.

Other programs that read the store, such as optuna-dashboard, list the studies in it and do not show such attributes.
Earlier versions kept the claims of a study as the trials of a second study, `claims of <study>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.core.errors import StudyError
from study.core.trainer_interface import ConfirmationConfig
from study.search.optuna_internals import trial_id
from study.search.storage.interface import SearchStorage

_ATTRIBUTE = "claim "
_PREFIX = "claims of "
# Attributes of a claim in the second study of an earlier version. The key was written last: a worker that died before
# it had claimed left none.
_KEY, _WORKER = "key", "worker"

State = Literal["held", "done", "left"]
_STATES: dict[TrialState, State] = {TrialState.COMPLETE: "done", TrialState.FAIL: "left"}


@dataclass(frozen=True, kw_only=True)
class StoredClaim:
    """A claim of a worker on a key.

    Attributes:
        number: Place of the claim among those of its study, from 0.
        key: Name of the work.
        worker: Name of the worker.
        state: `held`, then `done`, or `left` by a worker that died.
    """

    number: int
    key: str
    worker: str
    state: State = "held"

    def write(self, storage: optuna.storages.BaseStorage, study_id: int) -> None:
        """Write the claim in one step, in place of an earlier state.

        Args:
            storage: Optuna's storage.
            study_id: Id of the study that the claim belongs to.
        """
        value = {key: each for key, each in asdict(self).items() if key != "number"}
        storage.set_study_system_attr(study_id, f"{_ATTRIBUTE}{self.number}", value)


def read_claims(storage: optuna.storages.BaseStorage, study_id: int) -> list[StoredClaim]:
    """Return the claims of a study in their order.

    Args:
        storage: Optuna's storage.
        study_id: Id of the study.
    """
    attrs = storage.get_study_system_attrs(study_id)
    return sorted(
        (
            StoredClaim(number=int(name.removeprefix(_ATTRIBUTE)), **value)
            for name, value in attrs.items()
            if name.startswith(_ATTRIBUTE)
        ),
        key=lambda claim: claim.number,
    )


def all_claims(storage: optuna.storages.BaseStorage, study_name: str) -> list[StoredClaim]:
    """Return the claims of a study in their order, those that an earlier version wrote first.

    Args:
        storage: Optuna's storage.
        study_name: Name of the Optuna study.
    """
    earlier = _as_claims(_earlier_trials(storage, study_name))
    return [*earlier, *read_claims(storage, storage.get_study_id_from_name(study_name))]


def take_over_earlier(storage: SearchStorage, study_name: str) -> None:
    """Move the claims that an earlier version wrote; call this while no other worker opens the study.

    A process that is killed in between has moved some; the next one moves them again, to the same places.

    Args:
        storage: The store of the search.
        study_name: Name of the Optuna study.

    Raises:
        StudyError: A living worker of an earlier version holds claims.
    """
    trials = _earlier_trials(storage.optuna, study_name)
    running = {trial_id(trial): trial for trial in trials if trial.state == TrialState.RUNNING}
    workers = {i: t.user_attrs.get(_WORKER) if _KEY in t.user_attrs else None for i, t in running.items()}
    if living := workers.keys() - (storage.abandoned(workers) if workers else set()):
        told = ", ".join(sorted({storage.worker_text(workers[i]) for i in living}))
        raise StudyError(
            f"{study_name}: {told} trains confirmations of this study with an earlier version, which cannot work "
            "beside this one. Wait until it ends, or stop it, and start again."
        )
    study_id = storage.optuna.get_study_id_from_name(study_name)
    for claim in _as_claims(trials):
        moved = replace(claim, state="left") if claim.state == "held" else claim
        moved.write(storage.optuna, study_id)
    if (earlier := _earlier_id(storage.optuna, study_name)) is not None:
        storage.optuna.delete_study(earlier)


def confirmed_last(claims: Sequence[StoredClaim]) -> tuple[str, ...]:
    """Return the keys of the confirmations that workers have trained, for each setting those of its last point.

    Args:
        claims: A study's claims, in their order.
    """
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for claim in claims:
        kind, _, rest = claim.key.partition(" ")
        if claim.state == "done" and kind in get_args(ConfirmationConfig):
            by_kind.setdefault(kind, []).append((rest.partition(" ")[2], claim.key))
    return tuple(dict.fromkeys(key for known in by_kind.values() for point, key in known if point == known[-1][0]))


def claims_of(study_name: str) -> str:
    """Return the name of the Optuna study in which an earlier version kept the claims of another.

    Args:
        study_name: Name of the Optuna study that the claims belong to.
    """
    return f"{_PREFIX}{study_name}"


def is_of_claims(study_name: str) -> bool:
    """Return whether an Optuna study holds claims of an earlier version instead of trials.

    Args:
        study_name: Name of the Optuna study.
    """
    return study_name.startswith(_PREFIX)


def _earlier_id(storage: optuna.storages.BaseStorage, study_name: str) -> int | None:
    try:
        return storage.get_study_id_from_name(claims_of(study_name))
    except KeyError:
        return None


def _earlier_trials(storage: optuna.storages.BaseStorage, study_name: str) -> list[FrozenTrial]:
    study_id = _earlier_id(storage, study_name)
    return [] if study_id is None else storage.get_all_trials(study_id, deepcopy=False)


def _as_claims(trials: Sequence[FrozenTrial]) -> list[StoredClaim]:
    return [
        StoredClaim(
            number=trial.number,
            key=trial.user_attrs[_KEY],
            worker=trial.user_attrs[_WORKER],
            state=_STATES.get(trial.state, "held"),
        )
        for trial in trials
        if _KEY in trial.user_attrs
    ]
