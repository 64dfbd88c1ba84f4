"""Hold file locks of this machine; a process that waits long for one says for whom."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from study.core.machine import holder_text

# Time after which a process that waits says so, in seconds.
PATIENCE_S = 10.0

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def acquired(path: Path) -> Iterator[None]:
    """Hold a lock during the block; a long wait for it is logged as a warning, with the process that holds it.

    Args:
        path: Path of the lock file.
    """
    lock, since = FileLock(path), time.localtime()
    try:
        lock.acquire(timeout=PATIENCE_S)
    except Timeout:
        _logger.warning("waiting since %s for %s, which holds %s", clock_text(since), holder_text(path), path)
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
