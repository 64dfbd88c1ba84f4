"""An index of the trials of a search by number. It reads each trial until the trial has ended, and never again.

Optuna's own `get_trials` reads all of them, which at 10 000 trials takes longer than the training of a small network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.search.optuna_internals import storage_of, study_id, trial_id

# Our own attributes of an Optuna trial.
NUMBER, RUN_SEED, STATE, WORKER, TAKEN_OVER = "trial_number", "run_seed", "state", "worker", "taken_over"
ERROR = "error"


class TrialIndex:
    """The trials of a search by our own trial number, as of the last `refresh`.

    Args:
        optuna_study: The search. Other workers may add trials to it.

    Attributes:
        numbered: The trials that have a trial number, running or ended, by this number.
        failed: The numbered trials that failed.
        left: Points of trials that were taken over from dead workers, by trial number.
        best: The best completed trial, the first of equals; None: no trial has completed.
        unended: The trials that have not ended, with or without a number, in Optuna's order.
    """

    def __init__(self, optuna_study: optuna.Study) -> None:
        self.numbered: dict[int, FrozenTrial] = {}
        self.failed: dict[int, FrozenTrial] = {}
        self.left: dict[int, Mapping[str, Any]] = {}
        self.best: FrozenTrial | None = None
        self.unended: list[FrozenTrial] = []
        self._storage, self._study_id = storage_of(optuna_study), study_id(optuna_study)
        self._sign = 1.0 if optuna_study.direction == optuna.study.StudyDirection.MAXIMIZE else -1.0
        self._unended: list[int] = []
        self._n_read = self._first_free = 0

    def refresh(self) -> None:
        """Read the trials that were added or changed since the last call."""
        self._unended += self._added()
        self.unended = []
        for frozen in map(self._storage.get_trial, self._unended):
            self._count(frozen)
            if not frozen.state.is_finished():
                self.unended.append(frozen)
        self._unended = [trial_id(frozen) for frozen in self.unended]

    def free(self, n_trials: int) -> Iterator[int]:
        """Return the trial numbers that no trial has, in order.

        Args:
            n_trials: Number of trials of the study; all numbers are below it.
        """
        while self._first_free in self.numbered:
            self._first_free += 1
        return (number for number in range(self._first_free, n_trials) if number not in self.numbered)

    def _added(self) -> Iterator[int]:
        while True:
            try:
                yield self._storage.get_trial_id_from_study_id_trial_number(self._study_id, self._n_read)
            except KeyError:
                return
            self._n_read += 1

    def _count(self, frozen: FrozenTrial) -> None:
        number = frozen.user_attrs.get(NUMBER)
        if number is None:
            return
        if TAKEN_OVER not in frozen.user_attrs:
            self.numbered[number] = frozen
            self.failed.pop(number, None)  # a failed trial leaves its number to its retry
            if frozen.state == TrialState.FAIL:
                self.failed[number] = frozen
            if frozen.state.is_finished() and frozen.user_attrs.get(STATE) == "complete":
                self.best = frozen if self.best is None else max(self.best, frozen, key=self._rank)
            return
        self.left[number] = frozen.params
        # This covers a retry of a failed trial: the worker that retried it is dead.
        if number in self.numbered and trial_id(self.numbered[number]) <= trial_id(frozen):
            del self.numbered[number]
            self.failed.pop(number, None)
            self._first_free = min(self._first_free, number)

    def _rank(self, frozen: FrozenTrial) -> tuple[float, int]:
        return self._sign * (frozen.value or 0.0), -frozen.user_attrs[NUMBER]
