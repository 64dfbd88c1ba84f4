"""The store of a search, shared by its workers: a journal on one machine, PostgreSQL on many."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import optuna

from study.config.schema import Stores, StudyConfig
from study.core.outages import Result
from study.search.optuna_internals import check_version
from study.search.storage.local import has_workers, hold_local, open_local, read_local
from study.search.storage.postgresql import (
    are_alive,
    hold_postgresql,
    open_postgresql,
    read_postgresql,
    wait_for_postgresql,
)


class SearchStorage(Protocol):
    """The store of a search, as one of the study's workers sees it."""

    @property
    def optuna(self) -> optuna.storages.BaseStorage:
        """Optuna's storage."""
        ...

    @property
    def worker(self) -> str:
        """This worker's name."""
        ...

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation; while the store is away, call it again.

        Args:
            operation: The operation, which may be called again after it failed anywhere.
        """
        ...

    def creating(self) -> AbstractContextManager[None]:
        """Keep the workers of all studies from opening one during the block."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep the study's other workers from asking and telling during the block."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Turn an error that a broken entry causes into a StoreError."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Write the entries of the block together, where that is quicker."""
        ...

    def watch(self, trial_id: int) -> None:
        """Begin to show the other workers that this one trains a trial.

        Args:
            trial_id: Id of the trial in the storage.
        """
        ...

    def unwatch(self, trial_id: int) -> None:
        """Stop showing that this worker trains a trial.

        Args:
            trial_id: Id of the trial in the storage.
        """
        ...

    def lost(self) -> frozenset[int]:
        """Return the ids of watched trials that another worker took over, since it got no heartbeat of this one."""
        ...

    def abandoned(self, running: Mapping[int, str | None]) -> set[int]:
        """Return those of the other workers' running trials whose worker is dead; call this inside `alone`.

        Args:
            running: Names of the workers, by id of the trial; None: the worker died before it gave its name.
        """
        ...

    def appear(self, study_id: int) -> None:
        """Show the other workers of a study from now on that this one is alive, whether or not it trains trials.

        Args:
            study_id: Id of the study in the storage.
        """
        ...

    def dead(self, workers: Collection[str], study_id: int) -> set[str]:
        """Return those of the other workers that are dead, of those that appeared; call this inside `alone`.

        Args:
            workers: Names of the workers.
            study_id: Id of the study in which they appeared.
        """
        ...

    def worker_text(self, worker: str | None) -> str:
        """Return the process of a worker in words, such as `process 4711 on node3`, and whether it is stopped.

        Args:
            worker: Name of the worker; None: it has not given its name.
        """
        ...


class Repeats(Protocol):
    """An object whose operations wait for a server that is away."""

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation; while the server is away, call it again."""
        ...


Owner = TypeVar("Owner", bound=Repeats)
Arguments = ParamSpec("Arguments")


def repeated(
    method: Callable[Concatenate[Owner, Arguments], Result],
) -> Callable[Concatenate[Owner, Arguments], Result]:
    """Have a method that only reads wait for a server that is away, and read again.

    Args:
        method: The method.
    """

    @functools.wraps(method)
    def call(owner: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return owner.repeat(lambda: method(owner, *args, **kwargs))

    return call


def open_storage(config: StudyConfig) -> AbstractContextManager[SearchStorage]:
    """Open the store of a study's search as another of its workers.

    Args:
        config: The study's config.

    Raises:
        StoreError: The store cannot be used.
        StudyError: The installed version of Optuna is not the one that the search was written for.
    """
    check_version()
    stores = config.stores
    if stores.optuna_url is not None:
        return open_postgresql(
            stores.optuna_url,
            study=config.digest,
            stale_after_s=stores.stale_after_s,
            patience_s=stores.server_patience_s,
        )
    assert stores.optuna_journal is not None
    return open_local(stores.optuna_journal, study=config.digest)


def wait_for_storage(stores: Stores, operation: Callable[[], Result]) -> Result:
    """Call an operation of a command that begins; while the server of the search is away, call it again.

    Args:
        stores: The places of results.
        operation: The operation.

    Raises:
        StoreAwayError: The server is still away.
    """
    if stores.optuna_url is None:
        return operation()
    return wait_for_postgresql(operation, patience_s=stores.server_patience_s)


def hold_storage(stores: Stores) -> AbstractContextManager[None]:
    """Keep all workers from opening a study during a block.

    Args:
        stores: The places of results.

    Raises:
        StoreError: The server failed in the block.
    """
    if stores.optuna_url is not None:
        return hold_postgresql(stores.optuna_url)
    assert stores.optuna_journal is not None
    return hold_local(stores.optuna_journal) if stores.optuna_journal.exists() else contextlib.nullcontext()


def is_open(stores: Stores, *, digest: str, running: Collection[int], claiming: tuple[int, Collection[str]]) -> bool:
    """Return whether a living worker has a study open.

    Args:
        stores: The places of results.
        digest: The study's digest.
        running: Ids of the trials that have not ended, and of such claims of an earlier version.
        claiming: Id of the study, and the names of the workers that hold its claims.

    Raises:
        StoreError: The server cannot be reached.
    """
    if stores.optuna_url is not None:
        if not running and not claiming[1]:
            return False
        return are_alive(stores.optuna_url, running, claiming=claiming, stale_after_s=stores.stale_after_s)
    assert stores.optuna_journal is not None
    return has_workers(stores.optuna_journal, study=digest)


def read_storage(stores: Stores) -> optuna.storages.BaseStorage | None:
    """Return Optuna's storage without writing anything; None if there is no store yet.

    Args:
        stores: The places of results.

    Raises:
        StoreError: The store cannot be read.
        StudyError: The installed version of Optuna is not the one that the search was written for.
    """
    check_version()
    if stores.optuna_url is not None:
        return read_postgresql(stores.optuna_url)
    assert stores.optuna_journal is not None
    return read_local(stores.optuna_journal) if stores.optuna_journal.exists() else None
