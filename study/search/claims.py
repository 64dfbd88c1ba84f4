"""Claims of a study's workers on work other than trials, such as confirmations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.core.trainer_interface import ConfirmationConfig
from study.search.optuna_internals import study_id, trial_id
from study.search.storage.interface import SearchStorage

_KEY, _WORKER = "key", "worker"
_PREFIX = "claims of "
_POLL_S = 0.2


class Claims:
    """Claims on keys; a claim ends when its worker dies.

    Claims are trials of a second Optuna study. So dead workers are found in the same way as for the study's own
    trials.

    Args:
        storage: The store of the search.
        study_name: Name of the Optuna study that the claims belong to.
    """

    def __init__(self, storage: SearchStorage, study_name: str) -> None:
        self._storage = storage
        claims = optuna.create_study(storage=storage.optuna, study_name=claims_of(study_name), load_if_exists=True)
        self._study_id = study_id(claims)
        self._n_before = len(self._trials())
        self._mine: dict[str, int] = {}

    def take(self, keys: Sequence[str], n: int) -> list[str]:
        """Claim the first keys that no living worker holds; a key can be claimed again later.

        Args:
            keys: The keys, in order of preference.
            n: The largest number of keys to claim.

        Returns:
            The keys that this worker now holds.
        """
        with self._storage.alone():
            held = self._held()
            taken = [key for key in keys if key not in held][:n]
            for key in taken:
                self._claim(key)
        return taken

    def finish(self, *, but: str | None = None) -> None:
        """Give back this worker's claims.

        Args:
            but: The key of a claim to keep. None (the default): give back all claims.
        """
        ended = [key for key in self._mine if key != but]
        if not ended:
            return
        with self._storage.alone():
            for key in ended:
                claim = self._mine.pop(key)
                self._storage.unwatch(claim)
                self._storage.optuna.set_trial_state_values(claim, TrialState.COMPLETE, [0.0])

    def once(self, key: str, *, ever: bool = False) -> bool:
        """Claim a key unless its work is done; wait while another worker holds it.

        Args:
            key: Name of the work. `finish` gives it back.
            ever: True for work that is done only once; False for work that is done once by workers who run at the same
                time. Default False.

        Returns:
            True if this worker has to do the work; False if another worker has done it.
        """
        while True:
            with self._storage.alone():
                if key not in self._held():
                    if any(self._is_done(trial, key, ever=ever) for trial in self._trials()):
                        return False
                    self._claim(key)
                    return True
            time.sleep(_POLL_S)

    def _claim(self, key: str) -> None:
        claim = self._storage.optuna.create_new_trial(self._study_id)
        self._storage.watch(claim)
        self._storage.optuna.set_trial_user_attr(claim, _WORKER, self._storage.worker)
        self._storage.optuna.set_trial_user_attr(claim, _KEY, key)
        self._mine[key] = claim

    def _held(self) -> set[str]:
        """Return the keys of living workers, and end the claims of dead ones."""
        mine = set(self._mine.values())
        others = {trial_id(t): t for t in self._trials() if t.state == TrialState.RUNNING and trial_id(t) not in mine}
        # The key is written last. Without one, the worker died before it had claimed.
        workers = {i: t.user_attrs.get(_WORKER) if _KEY in t.user_attrs else None for i, t in others.items()}
        for abandoned in self._storage.abandoned(workers) if workers else ():
            self._storage.optuna.set_trial_state_values(abandoned, TrialState.FAIL)
            del others[abandoned]
        return {*self._mine, *(trial.user_attrs[_KEY] for trial in others.values())}

    def _is_done(self, trial: FrozenTrial, key: str, *, ever: bool) -> bool:
        is_of_now = ever or trial.number >= self._n_before
        return is_of_now and trial.state == TrialState.COMPLETE and trial.user_attrs.get(_KEY) == key

    def _trials(self) -> list[FrozenTrial]:
        return self._storage.optuna.get_all_trials(self._study_id, deepcopy=False)


def confirmed_last(claims: Sequence[FrozenTrial]) -> tuple[str, ...]:
    """Return the keys of the confirmations that workers have trained, for each setting those of its last point.

    Args:
        claims: The trials of a study's claims, in their order.
    """
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for claim in claims:
        key = str(claim.user_attrs.get(_KEY, ""))
        kind, _, rest = key.partition(" ")
        if claim.state == TrialState.COMPLETE and kind in get_args(ConfirmationConfig):
            by_kind.setdefault(kind, []).append((rest.partition(" ")[2], key))
    return tuple(dict.fromkeys(key for known in by_kind.values() for point, key in known if point == known[-1][0]))


def claims_of(study_name: str) -> str:
    """Return the name of the Optuna study that holds the claims of another.

    Args:
        study_name: Name of the Optuna study that the claims belong to.
    """
    return f"{_PREFIX}{study_name}"


def is_of_claims(study_name: str) -> bool:
    """Return whether an Optuna study holds claims instead of trials.

    Args:
        study_name: Name of the Optuna study.
    """
    return study_name.startswith(_PREFIX)
