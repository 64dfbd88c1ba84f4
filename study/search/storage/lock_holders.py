"""The processes that hold file locks of this machine, for messages to those who wait."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

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


def holder_text(path: Path) -> str:
    """Return `process 4711`, which holds a lock, and whether it is stopped; `another process` if it is unknown.

    Args:
        path: Path of the lock file.
    """
    holder = next((process for process in psutil.process_iter() if _has_open(process, path)), None)
    return "another process" if holder is None else process_text(holder)


def process_text(process: psutil.Process) -> str:
    """Return `process 4711`, and whether it is stopped.

    Args:
        process: A process of this machine.
    """
    text = f"process {process.pid}"
    with contextlib.suppress(psutil.Error):
        if process.status() == psutil.STATUS_STOPPED:
            pid = process.pid
            return f"{text} (stopped by a signal: kill -CONT {pid} lets it go on, kill -9 {pid} ends it)"
    return text


def clock_text(moment: time.struct_time) -> str:
    """Return the time of day, as 17:01:05.

    Args:
        moment: The moment, in local time.
    """
    return time.strftime("%H:%M:%S", moment)


def _has_open(process: psutil.Process, path: Path) -> bool:
    try:
        return any(file.path == str(path) for file in process.open_files())
    except psutil.Error:  # it has ended, or is another user's
        return False
