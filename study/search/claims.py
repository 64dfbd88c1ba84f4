"""Claims of a study's workers on work other than trials, such as confirmations."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from typing import get_args

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.core.errors import StudyError
from study.core.search_space import Value, text_of
from study.core.trainer_interface import ConfirmationConfig
from study.search.optuna_internals import study_id, trial_id
from study.search.storage.interface import SearchStorage
from study.search.waiting import Wait

_KEY, _WORKER = "key", "worker"
_PREFIX = "claims of "


class LostTrialsError(StudyError):
    """Trials of this worker were taken over by others; the same command lets the worker take part again.

    Args:
        n: Number of the trials.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.
    """

    exit_status = 1

    def __init__(self, n: int, *, stale_after_s: float) -> None:
        super().__init__(
            f"{n} of this worker's trials were taken over by others, which got no heartbeat from it for "
            f"storage.stale_after_s={stale_after_s:g} seconds: it was paused, or disconnected from the server. Start "
            "it again, and it takes part again."
        )


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
        before, attempts = frozenset(self._mine), itertools.count()

        def take() -> list[str]:
            with self._storage.alone():
                held = self._held(again=next(attempts) > 0)
                new = self._mine.keys() - before  # claimed by an attempt that lost its connection
                taken = [key for key in keys if key in new or key not in held][:n]
                for key in taken:
                    if key not in new:
                        self._claim(key)
            return taken

        return self._storage.repeat(take)

    def finish(self, *, but: str | None = None) -> None:
        """Give back this worker's claims.

        Args:
            but: The key of a claim to keep. None (the default): give back all claims.
        """
        ended = [key for key in self._mine if key != but]

        def finish() -> None:
            with self._storage.alone():
                while ended:
                    claim = self._mine[ended[0]]
                    # A claim that has ended: the answer of an earlier attempt was lost, or others took it over.
                    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                        self._storage.optuna.set_trial_state_values(claim, TrialState.COMPLETE, [0.0])
                    self._storage.unwatch(claim)
                    del self._mine[ended.pop(0)]

        if ended:
            self._storage.repeat(finish)

    def once(self, key: str, *, ever: bool = False) -> bool:
        """Claim a key unless its work is done; wait while another worker holds it.

        Args:
            key: Name of the work. `finish` gives it back.
            ever: True for work that is done only once; False for work that is done once by workers who run at the same
                time. Default False.

        Returns:
            True if this worker has to do the work; False if another worker has done it.
        """
        attempts, wait = itertools.count(), Wait(self.others_text)

        def is_to_do() -> bool | None:
            with self._storage.alone():
                held = self._held(again=next(attempts) > 0)
                if key in self._mine:
                    return True
                if key in held:
                    return None
                if any(self._is_done(trial, key, ever=ever) for trial in self._trials()):
                    return False
                self._claim(key)
                return True

        while (found := self._storage.repeat(is_to_do)) is None:
            attempts = itertools.count()
            wait.pause()
        return found

    def others_text(self) -> str:
        """Return the processes of the other living workers that hold claims, in words; empty without any."""

        def look() -> set[str]:
            with self._storage.alone():
                return self._held(again=False)

        held, mine = self._storage.repeat(look), set(self._mine.values())
        others = [t for t in self._trials() if t.state == TrialState.RUNNING and trial_id(t) not in mine]
        workers = sorted({t.user_attrs[_WORKER] for t in others if t.user_attrs.get(_KEY) in held})
        texts = ", ".join(self._storage.worker_text(worker) for worker in workers)
        return f"the confirmations of {texts}" if texts else ""

    def _claim(self, key: str) -> None:
        claim = self._storage.optuna.create_new_trial(self._study_id)
        self._storage.watch(claim)
        try:
            self._storage.optuna.set_trial_user_attr(claim, _WORKER, self._storage.worker)
            self._storage.optuna.set_trial_user_attr(claim, _KEY, key)
        except BaseException:
            self._storage.unwatch(claim)
            raise
        self._mine[key] = claim

    def _held(self, *, again: bool) -> set[str]:
        """Return the keys of living workers, and end the claims of dead ones.

        `again`: an earlier attempt may have claimed a key without getting the answer. Such a claim is this worker's.
        """
        mine = set(self._mine.values())
        others = {trial_id(t): t for t in self._trials() if t.state == TrialState.RUNNING and trial_id(t) not in mine}
        for claim, trial in list(others.items()) if again else ():
            if trial.user_attrs.get(_WORKER) == self._storage.worker and _KEY in trial.user_attrs:
                self._storage.watch(claim)
                self._mine[trial.user_attrs[_KEY]] = claim
                del others[claim]
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


def confirmation_key(kind: str, number: int, point: Mapping[str, Value]) -> str:
    """Return the key under which workers claim a confirmation of a point.

    Args:
        kind: The setting that is confirmed.
        number: The confirmation's repetition, from 0.
        point: Values of the optimizer's arguments, by name; an optimizer may have none.
    """
    return f"{kind} {number} " + " ".join(f"{key}={text_of(point[key])}" for key in sorted(point))


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
