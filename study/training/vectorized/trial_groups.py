"""Trials that wait for training, in groups that one program can train."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study.core.errors import StudyError
from study.core.failure_text import failure_text
from study.core.trainer_interface import Trial, TrialResult
from study.training.vectorized.lane import Lane
from study.training.vectorized.structure import VectorizedStructure

# The trials of a group share the structure, and are all evaluated on the test split, or none of them is.
GroupKey = tuple[VectorizedStructure, bool]


class TrialGroups:
    """Trials that wait for training, by group.

    Args:
        prepare: Returns the lane of a trial and the structure that can train it.
    """

    def __init__(self, prepare: Callable[[Trial], tuple[Lane, VectorizedStructure]]) -> None:
        self._failures: list[TrialResult] = []
        self._prepare = prepare
        self._groups: dict[GroupKey, list[Lane]] = {}

    def add(self, trials: Sequence[Trial]) -> None:
        """Add trials to the groups that they belong to.

        Args:
            trials: The trials.

        Raises:
            StudyError: The trials need too many programs.
        """
        for trial in trials:
            try:
                lane, structure = self._prepare(trial)
            except StudyError:
                raise
            except Exception as error:
                self._failures.append(failed(trial, failure_text(error)))
            else:
                self._groups.setdefault((structure, trial.test), []).append(lane)

    def next_key(self) -> GroupKey | None:
        """Return the key of the group that has waited longest; None if no trial waits."""
        return next(iter(self._groups), None)

    def take(self, key: GroupKey) -> list[Lane]:
        """Remove and return the lanes of a group; empty if no lane waits.

        Args:
            key: The key of the group.
        """
        return self._groups.pop(key, [])

    def take_failures(self) -> list[TrialResult]:
        """Remove and return the results of the trials that could not be prepared."""
        failures, self._failures = self._failures, []
        return failures


def failed(trial: Trial, error: str, lane: Lane | None = None, *, n_examples: int = 0) -> TrialResult:
    """Return the result of a trial that an exception ended.

    Args:
        trial: The trial.
        error: The traceback.
        lane: The trial's lane. None (the default): its training has not begun.
        n_examples: Number of examples seen. Default 0.
    """
    history = {} if lane is None else lane.history
    counts = {"n_steps": float(0 if lane is None else lane.step), "n_examples": float(n_examples)}
    return TrialResult(trial=trial, state="failed", history=history, summary=counts, error=error)
