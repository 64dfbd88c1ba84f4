"""A file of entries for a server, so that no entry is lost while the server is away or when the process is killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from study.core.errors import StoreError
from study.tracking.outbox.entries import RunEntry, from_line, to_line


class RecordsWaitError(StoreError):
    """A study ended while some of its records wait for their server; the config is not at fault.

    Args:
        where: Address of the server, without a password.
        path: Path of the spool; None: the study has none.
        n_records: Number of records that wait.
    """

    exit_status = 1

    def __init__(self, where: str, path: Path | None, n_records: int) -> None:
        super().__init__(
            f"tracking_uri={where}: the server is away; the study's last {n_records} records wait in {path}. "
            "Nothing is lost: when it is back, `study sync` delivers them, and so does the same command."
        )


@dataclass(frozen=True, kw_only=True)
class Address:
    """The destination of a spool's entries.

    Attributes:
        tracking_uri: Address of the server, with its password hidden.
        experiment_id: Id of the experiment on the server.
        experiment: Name of the experiment.
        study: Name of the study.
        run_id: Id of the study's run.
    """

    tracking_uri: str
    experiment_id: str
    experiment: str
    study: str
    run_id: str


class Spool:
    """An open spool, which belongs to this process as long as it is open.

    Args:
        path: Path of the file.
        lock: The lock of the file, which this process has acquired.
        address: The destination of the entries.

    Attributes:
        path: Path of the file. Its first line of JSON is the address, and each other line is an entry.
    """

    def __init__(self, path: Path, lock: FileLock, address: Address) -> None:
        self.path = path
        self._lock = lock
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._write(json.dumps(asdict(address)) + "\n")
        self._start = os.fstat(self._file).st_size
        os.fsync(self._file)

    def append(self, entries: Sequence[RunEntry]) -> None:
        """Append entries. They survive the end of this process, and after `sync` a crash of the machine.

        Args:
            entries: The entries.
        """
        self._write("".join(map(to_line, entries)))

    def sync(self) -> None:
        """Wait until all entries so far are on the disk."""
        os.fsync(self._file)

    def clear(self) -> None:
        """Remove the entries, which have all been delivered."""
        os.ftruncate(self._file, self._start)

    def close(self, *, remove: bool) -> None:
        """Close the spool.

        Args:
            remove: Remove its file.
        """
        os.close(self._file)
        if remove:
            self.path.unlink(missing_ok=True)
        self._lock.release()

    def _write(self, text: str) -> None:
        data = text.encode()
        while data:  # a disk that is nearly full accepts only a part
            data = data[os.write(self._file, data) :]


def open_spool(folder: Path, digest: str, address: Address) -> Spool:
    """Open a new spool for a study.

    Args:
        folder: Path of the folder of spools.
        digest: Digest of the study.
        address: The destination of the entries.

    Raises:
        StoreError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index in itertools.count():
            path = folder / f"{digest}-{index}.jsonl"
            if path.exists():  # another process's, or left by a dead process and still to be delivered
                continue
            lock = _lock_of(path)
            with contextlib.suppress(Timeout):
                lock.acquire(blocking=False)
                if not path.exists():
                    return Spool(path, lock, address)
                lock.release()
    except OSError as error:
        raise StoreError(f"{folder}: records for the server cannot be kept here ({error}).") from error
    raise AssertionError("unreachable")


def waiting(folder: Path, digest: str = "*") -> list[Path]:
    """Return the paths of the spools in a folder; those of living processes are included.

    Args:
        folder: Path of the folder.
        digest: Digest of the study. Default `*`: all studies.
    """
    return sorted(folder.glob(f"{digest}-*.jsonl"))


@contextlib.contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Take a spool for delivery; yield False if a living process holds it, or if it no longer exists.

    Args:
        path: Path of the spool.
    """
    lock = _lock_of(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield path.exists()
    finally:
        lock.release()


def read_spool(path: Path) -> tuple[Address, list[RunEntry]]:
    """Read the address and the entries of a spool; a last line that was cut off is left out.

    Args:
        path: Path of the spool.

    Raises:
        StoreError: The file is not a spool, or it is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        return Address(**json.loads(whole[0])), [from_line(line) for line in whole[1:]]
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise StoreError(
            f"{path}: expected records of a study, one line of JSON each, and it cannot be read "
            f"({type(error).__name__}: {error}). Restore the file, or move it away to go on without its records."
        ) from error


def _lock_of(path: Path) -> FileLock:
    return FileLock(f"{path}.lock")
