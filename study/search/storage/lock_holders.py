"""Hold file locks of this machine; a process that waits long for one says for whom."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from study.core.machine import holder_text
from study.core.outages import say

# Time after which a process that waits says so, in seconds.
PATIENCE_S = 10.0


@contextlib.contextmanager
def acquired(path: Path) -> Iterator[None]:
    """Hold a lock during the block; a long wait for it is said on the terminal, with the process that holds it.

    Args:
        path: Path of the lock file.
    """
    lock, since = FileLock(path), time.localtime()
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout:
        say(f"waiting since {clock_text(since)} for {holder_text(path)}, which holds {path}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def clock_text(moment: time.struct_time) -> str:
    """Return the time of day, as 17:01:05.

    Args:
        moment: The moment, in local time.
    """
    return time.strftime("%H:%M:%S", moment)
