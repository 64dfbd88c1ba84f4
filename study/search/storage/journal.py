"""Optuna's journal, with one wait for the disk for many entries."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from study.core.interrupt import uninterrupted
from study.core.outages import say

# No entry is longer, in bytes. An entry is a line of JSON about one trial or study.
_LONGEST_ENTRY = 1 << 20
# Time after which a lock that leads nowhere is removed, in seconds; Optuna waits as long for other locks.
_GRACE_S = 30.0


class Journal:
    """A journal file in the format of Optuna's own `JournalFileBackend`.

    Optuna's backend waits for the disk at every entry: 3 ms, nine times for each trial. Optuna's backend also appends
    to an entry that a crash has cut off, after which both entries are unreadable.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = JournalFileBackend(str(path))
        self._lock = _Lock(str(path))
        self._together = False

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the entries from a number onwards.

        Args:
            log_number_from: Number of the first entry, from 0.
        """
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, and wait for the disk unless more entries follow.

        Args:
            logs: The entries.
        """
        with uninterrupted():  # an exception in the middle would break the release of Optuna's lock file
            self._append(logs)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Wait for the disk once, at the end of the block; other processes see the entries immediately."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            with self._path.open("ab") as file:
                os.fsync(file.fileno())

    def check_end(self) -> None:
        """Check the last entry, unless it is cut off: Optuna skips such an entry, since its writer may still write.

        Raises:
            ValueError: The last entry is complete and not valid, so that later entries could not be read.
        """
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_ENTRY))
            *_, last, rest = [b"", *file.read().split(b"\n")]
        if size and not rest and not isinstance(json.loads(last), dict):
            raise ValueError("its last line is not an entry")

    def _append(self, logs: list[dict[str, Any]]) -> None:
        """Append entries after the last complete one, and wait for the disk unless more follow."""
        entries = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            with self._path.open("r+b") as file:
                _drop_torn(file)
                file.write(entries.encode())
                if not self._together:
                    file.flush()
                    os.fsync(file.fileno())
        finally:
            self._lock.release()


class _Lock(JournalFileSymlinkLock):
    """Optuna's lock of a journal, a link to it, with an end of the wait for a link that leads nowhere.

    A killed process leaves its link, and if the folder was moved since, the link leads to the old place. Optuna would
    wait for ever, without a pause. A living process on a machine with another path to the folder removes its own.
    """

    def acquire(self) -> bool:
        """Wait for the lock, and hold it. Return True."""
        link, seen, since = Path(self._lock_file), None, 0.0
        while link.is_symlink() and not link.exists():
            with contextlib.suppress(FileNotFoundError):
                found = link.lstat()
                if (now := (found.st_ino, found.st_mtime_ns)) != seen:
                    seen, since = now, time.monotonic()
            if time.monotonic() - since > _GRACE_S:
                say(f"{link}: removed, since the process that left it is gone")
                link.unlink(missing_ok=True)
            time.sleep(0.01)
        return super().acquire()


def _drop_torn(file: BinaryIO) -> None:
    """Remove an incomplete last entry, whose writer died while it held the lock, and go to the end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() not in (b"", b"\n"):
        file.seek(max(0, size - _LONGEST_ENTRY))
        file.truncate(size - len(file.read().rpartition(b"\n")[2]))
        file.seek(0, os.SEEK_END)
