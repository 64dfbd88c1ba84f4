"""The store on one machine: Optuna's journal, and file locks that show which workers are alive."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import optuna
from filelock import FileLock, Timeout

from study.core.errors import StoreError, limit_advice
from study.core.machine import holder_text
from study.core.machine_limits import is_write_protected
from study.core.outages import Result
from study.search.storage.journal import Journal
from study.search.storage.lock_holders import acquired


class LocalStorage:
    """The journal, as one of the study's workers sees it.

    Args:
        path: Path of the journal.
        journal: The journal.
        optuna_storage: The journal as Optuna's storage.
        lock: Path of the lock file that this worker holds; its name becomes the worker's name.

    Attributes:
        optuna: The journal as Optuna's storage.
        worker: Name of this worker.
    """

    def __init__(self, path: Path, journal: Journal, optuna_storage: optuna.storages.BaseStorage, lock: Path) -> None:
        self.optuna = optuna_storage
        self.worker = lock.name
        self._journal, self._path, self._locks = journal, path, lock.parent
        self._asking = lock.with_name(f"{lock.name.rpartition('-')[0]}.ask")

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation once: there is no server that could be away.

        Args:
            operation: The operation.
        """
        return operation()

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Keep all workers from opening a study during the block.

        Raises:
            StoreError: The journal cannot be written.
        """
        try:
            with acquired(self._path.with_name(f"{self._path.name}.create")):
                yield
        except OSError as error:
            raise _unusable(self._path, error) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the study's other workers from asking and telling during the block, and write its entries together.

        Raises:
            StoreError: The lock file cannot be written.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(acquired(self._asking))
            except OSError as error:
                raise _unusable(self._path, error) from error
            held.enter_context(self.together())
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Turn an error that a broken entry causes into a StoreError.

        Raises:
            StoreError: The journal cannot be read.
        """
        try:
            yield
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise _unusable(self._path, error) from error

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Wait for the disk once, for all entries."""
        with self._journal.together():
            yield

    def watch(self, trial_id: int) -> None:
        """Do nothing: the lock shows that the worker is alive.

        Args:
            trial_id: Id of the trial in the storage.
        """

    def unwatch(self, trial_id: int) -> None:
        """Do nothing.

        Args:
            trial_id: Id of the trial in the storage.
        """

    def lost(self) -> frozenset[int]:
        """Return the trials that another worker took over: none, while this worker holds its lock."""
        return frozenset()

    def abandoned(self, running: Mapping[int, str | None]) -> set[int]:
        """Return those of the other workers' running trials whose worker is dead.

        Args:
            running: Names of the workers, by id of the trial; None: the worker died before it gave its name.
        """
        dead = {worker for worker in set(running.values()) if worker is None or not self._is_alive(worker)}
        return {trial_id for trial_id, worker in running.items() if worker in dead}

    def appear(self, study_id: int) -> None:
        """Do nothing: the lock shows that the worker is alive.

        Args:
            study_id: Id of the study in the storage.
        """

    def dead(self, workers: Collection[str], study_id: int) -> set[str]:
        """Return those of the other workers that are dead.

        Args:
            workers: Names of the workers.
            study_id: Id of the study in the storage.
        """
        del study_id
        return {worker for worker in workers if not self._is_alive(worker)}

    def worker_text(self, worker: str | None) -> str:
        """Return the process of a worker in words, and whether it is stopped.

        Args:
            worker: Name of the worker; None: it has not given its name.
        """
        return "another process" if worker is None else holder_text(self._locks / worker)

    def _is_alive(self, worker: str) -> bool:
        if worker == self.worker:
            return False  # a dead worker of the same name left these trials
        lock = FileLock(self._locks / worker)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False


@contextlib.contextmanager
def open_local(path: Path, *, study: str) -> Iterator[LocalStorage]:
    """Open a journal, new or existing, under the first free worker name of a study.

    Args:
        path: Path of the journal.
        study: The study's digest.

    Raises:
        StoreError: The journal cannot be read or written.
    """
    locks = path.parent / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        with acquired(path.with_name(f"{path.name}.create")):
            journal = Journal(path)
            optuna_storage = read_local(path, journal)
        lock = _first_free(locks, study)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        yield LocalStorage(path, journal, optuna_storage, Path(lock.lock_file))
    finally:
        lock.release()


def read_local(path: Path, journal: Journal | None = None) -> optuna.storages.BaseStorage:
    """Return a journal as Optuna's storage.

    Args:
        path: Path of the journal.
        journal: The journal, if it is open already. None (the default): open the journal.

    Raises:
        StoreError: The journal cannot be read.
    """
    try:
        journal = journal or Journal(path)
        journal.check_end()
        return optuna.storages.JournalStorage(journal)  # type: ignore[arg-type]
    except Exception as error:  # a broken line leads Optuna to errors of any kind
        raise _unusable(path, error) from error


@contextlib.contextmanager
def hold_local(path: Path) -> Iterator[None]:
    """Keep all workers from opening a study of a journal during the block.

    Args:
        path: Path of the journal, which exists.
    """
    with acquired(path.with_name(f"{path.name}.create")):
        yield


def has_workers(path: Path, *, study: str) -> bool:
    """Return whether a living worker has a study open.

    Args:
        path: Path of the journal.
        study: The study's digest.
    """
    for lock in sorted((path.parent / "locks").glob(f"{study}-*")):
        try:
            with FileLock(lock).acquire(blocking=False):
                continue
        except Timeout:
            return True
        except OSError as error:  # a folder that cannot be written has no workers, unless it became so later
            if is_write_protected(error) and _is_held(lock):
                return True
    return False


def _is_held(lock: Path) -> bool:
    """Return whether a process holds a lock file that this one may only read, as on a read-only disk."""
    with contextlib.suppress(ImportError), lock.open("rb") as file:
        import fcntl  # not on Windows

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _first_free(locks: Path, study: str) -> FileLock:
    for index in itertools.count():
        lock = FileLock(locks / f"{study}-{index}")
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            break
    return lock


def _unusable(journal: Path, error: Exception) -> StoreError:
    if (told := limit_advice(error)) is not None:
        return told.error(f"storage.optuna_journal={journal}: it cannot be used ({error}). {told.advice}")
    if isinstance(error, OSError) and error.filename and Path(error.filename) != journal:
        return StoreError(
            f"storage.optuna_journal={journal}: {error.filename} beside it cannot be used ({error.strerror}). Move "
            "away what is in its place, or allow writing there; no result is in it."
        )
    return StoreError(
        f"storage.optuna_journal={journal}: the Optuna journal cannot be used "
        f"({type(error).__name__}: {error}). Name a journal that Optuna wrote, in a folder that can be written to, "
        "or move the file away to begin anew: ended trials are then read back from MLflow."
    )
