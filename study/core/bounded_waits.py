"""Waits that end at a given time, for threads that must not wait for whoever they wait for."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable


def is_readable(descriptor: int, *, until: float) -> bool:
    """Wait for bytes, and return whether some have come.

    A busy machine may run this thread late. So bytes are also looked for once after the time.

    Args:
        descriptor: The end of a pipe that is read.
        until: Time of the monotonic clock at which the wait ends, in seconds.
    """
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(max(0.0, until - time.monotonic()) * 1000))


def is_called(function: Callable[[str], None], text: str, *, within_s: float) -> bool:
    """Call a function in another thread, and return whether it has returned in time; it goes on if not.

    Args:
        function: The function.
        text: Its argument.
        within_s: The longest wait, in seconds.
    """
    thread = threading.Thread(target=function, args=(text,), daemon=True)
    thread.start()
    thread.join(within_s)
    return not thread.is_alive()
