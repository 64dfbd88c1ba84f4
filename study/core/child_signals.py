"""Signals between a process and its child processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

# Time between two looks for the parent where the system sends no signal at its end, in seconds.
_LOOK_S = 0.5
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, number: int = signal.SIGKILL, *, polls: bool = sys.platform != "linux") -> None:
    """Send this process a signal when its parent ends, even by `kill -9`.

    Args:
        parent: Process id of the parent.
        number: The signal. Default SIGKILL.
        polls: Look for the parent all the time, instead of asking the system for the signal. The system sends it also
            when the thread ends that started this process. Default: only where the system cannot send it.
    """
    if polls:
        threading.Thread(target=_poll, args=(parent, number), name="parent", daemon=True).start()
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it has ended before
        os.kill(os.getpid(), number)


def without_interrupts() -> AbstractContextManager[None]:
    """Start processes in the block that take no notice of SIGINT until they enter `with_interrupts`.

    The terminal sends Ctrl-C to a child too, in which Python would print a traceback while it starts. Python of this
    process takes notice as before.
    """
    return _masked("SIG_BLOCK")


def with_interrupts() -> AbstractContextManager[None]:
    """Take notice of SIGINT in the block, also of one that has come since `without_interrupts`."""
    return _masked("SIG_UNBLOCK")


def signal_children(number: int) -> None:
    """Send a signal to all child processes that handle it, and to theirs.

    Args:
        number: The signal.
    """
    import psutil  # takes longer than all the rest of `study --help`

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if _handles(child.pid, number):
                    child.send_signal(number)


@contextlib.contextmanager
def _masked(how: str) -> Iterator[None]:
    """Block or unblock SIGINT in the block, where the system has masks of signals."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(getattr(signal, how), [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handles(pid: int, number: int) -> bool:
    """Return whether a process has a handler of a signal, which would end it otherwise; True if that is unknown."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "f" * 16)
    return bool(int(caught, 16) >> (number - 1) & 1)


def _poll(parent: int, number: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), number)
