"""A file of entries on their way to a server, so that none is lost while it is away or when we are killed."""

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
    """A study ended while records of it wait for their server; nothing is wrong with the config."""

    exit_status = 1

    def __init__(self, where: str, path: Path | None, n_records: int) -> None:
        super().__init__(
            f"tracking_uri={where}: the server is away; the study's last {n_records} records wait in {path}. "
            "Nothing is lost: when it is back, `study sync` delivers them, and so does the same command."
        )


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the entries of a spool go.

    Attributes:
        tracking_uri: The server, its password hidden.
        experiment_id: The experiment's id there.
        experiment: Its name.
        study: The study's name.
        run_id: The study's run.
    """

    tracking_uri: str
    experiment_id: str
    experiment: str
    study: str
    run_id: str


class Spool:
    """An open spool; it is this process's as long as it is open.

    Attributes:
        path: The file: one line of JSON says where to, each other one is an entry.
    """

    def __init__(self, path: Path, lock: FileLock, address: Address) -> None:
        self.path = path
        self._lock = lock
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._write(json.dumps(asdict(address)) + "\n")
        self._start = os.fstat(self._file).st_size
        os.fsync(self._file)

    def append(self, entries: Sequence[RunEntry]) -> None:
        """Append entries; they survive the end of this process, and after `sync` that of the machine."""
        self._write("".join(map(to_line, entries)))

    def sync(self) -> None:
        """Return when everything so far is on the disk."""
        os.fsync(self._file)

    def clear(self) -> None:
        """Forget the entries, which have all been delivered."""
        os.ftruncate(self._file, self._start)

    def close(self, *, remove: bool) -> None:
        """Close the spool, and remove its file when nothing waits in it."""
        os.close(self._file)
        if remove:
            self.path.unlink(missing_ok=True)
        self._lock.release()

    def _write(self, text: str) -> None:
        data = text.encode()
        while data:  # a disk that is nearly full takes a part
            data = data[os.write(self._file, data) :]


def open_spool(folder: Path, digest: str, address: Address) -> Spool:
    """Open a spool of our own for a study.

    Raises:
        StoreError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index in itertools.count():
            path = folder / f"{digest}-{index}.jsonl"
            if path.exists():  # another's, or one that a dead process left to be delivered
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
    """Return the spools that wait in a folder, of one study or of all, those of living processes included."""
    return sorted(folder.glob(f"{digest}-*.jsonl"))


@contextlib.contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Take a spool for delivery; false when a living process holds it, or when it has gone meanwhile."""
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
    """Read where a spool's entries go, and the entries; a last line that was cut off is left out.

    Raises:
        StoreError: The file is none of ours, or damaged.
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
