"""A store in memory: a search that is written nowhere, and has no other workers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

import optuna

from study.core.outages import Result


class ScratchStorage:
    """A new, empty store of a search in this process's memory.

    Attributes:
        optuna: Optuna's storage.
        worker: Name of the only worker.
    """

    def __init__(self) -> None:
        self.optuna: optuna.storages.BaseStorage = optuna.storages.InMemoryStorage()
        self.worker = "scratch"

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation once.

        Args:
            operation: The operation.
        """
        return operation()

    def creating(self) -> AbstractContextManager[None]:
        """Do nothing: there are no other workers."""
        return contextlib.nullcontext()

    def alone(self) -> AbstractContextManager[None]:
        """Do nothing: there are no other workers."""
        return contextlib.nullcontext()

    def reading(self) -> AbstractContextManager[None]:
        """Do nothing: no entry can be broken."""
        return contextlib.nullcontext()

    def together(self) -> AbstractContextManager[None]:
        """Do nothing: no entry is written to a disk."""
        return contextlib.nullcontext()

    def watch(self, trial_id: int) -> None:
        """Do nothing: there are no other workers.

        Args:
            trial_id: Id of the trial in the storage.
        """

    def unwatch(self, trial_id: int) -> None:
        """Do nothing: there are no other workers.

        Args:
            trial_id: Id of the trial in the storage.
        """

    def lost(self) -> frozenset[int]:
        """Return the trials that another worker took over: none."""
        return frozenset()

    def abandoned(self, running: Mapping[int, str | None]) -> set[int]:
        """Return the trials whose worker is dead: none.

        Args:
            running: Names of the workers, by id of the trial.
        """
        del running
        return set()

    def appear(self, study_id: int) -> None:
        """Do nothing: there are no other workers.

        Args:
            study_id: Id of the study in the storage.
        """

    def dead(self, workers: Collection[str], study_id: int) -> set[str]:
        """Return the workers that are dead: none.

        Args:
            workers: Names of the workers.
            study_id: Id of the study in the storage.
        """
        del workers, study_id
        return set()

    def worker_text(self, worker: str | None) -> str:
        """Return the process of a worker in words.

        Args:
            worker: Name of the worker.
        """
        del worker
        return "this process"
