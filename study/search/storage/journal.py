"""Optuna's journal, with one wait for the disk for many entries."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

# No entry is longer, in bytes: a line of JSON about one trial or study.
_LONGEST_ENTRY = 1 << 20


class Journal:
    """A journal file, as Optuna's own `JournalFileBackend` keeps it.

    That one waits for the disk at every entry, which is 3 ms, nine times a trial, and it writes on behind an entry
    that a crash has torn, after which nobody can read either.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = JournalFileBackend(str(path))
        self._lock = JournalFileSymlinkLock(str(path))
        self._together = False

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the entries from a number on."""
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, and wait until they are on the disk unless more are to follow."""
        with _uninterrupted():
            self._append(logs)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Wait for the disk once, at the end; other processes see the entries at once."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            with self._path.open("ab") as file:
                os.fsync(file.fileno())

    def check_end(self) -> None:
        """Check the last entry, which Optuna passes over in case somebody is writing it, unless it is cut off.

        Raises:
            ValueError: It is whole and no entry; what is written behind it could not be read.
        """
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_ENTRY))
            *_, last, rest = [b"", *file.read().split(b"\n")]
        if size and not rest and not isinstance(json.loads(last), dict):
            raise ValueError("its last entry is none")

    def _append(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, behind the last whole one, and wait for the disk unless more are to follow."""
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


def _drop_torn(file: BinaryIO) -> None:
    """Take away an entry that is not whole, whose writer held the lock and is dead, and stand at the end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() not in (b"", b"\n"):
        file.seek(max(0, size - _LONGEST_ENTRY))
        file.truncate(size - len(file.read().rpartition(b"\n")[2]))
        file.seek(0, os.SEEK_END)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off to the end of the block: in the middle, Optuna's lock file would be lost twice over.

    Signals reach the main thread alone, so elsewhere there is nothing to put off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, Any]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received and callable(before):
        before(*received[0])
