"""Ctrl-C: the first one ends a command cleanly, the second one immediately."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

# The exit status that shells give to a process ended by this signal.
STOPPED_AT_ONCE = 128 + signal.SIGINT


@contextlib.contextmanager
def two_stage_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C of the block raise KeyboardInterrupt, and the second end the process immediately.

    A slow store takes long for the last writes; a second Ctrl-C skips them. This loses no more than `kill -9` does:
    the same command continues the study.

    Signals reach the main thread alone. In other threads, and where Ctrl-C is ignored, nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return
    # The terminal itself: while a study runs, what is written to standard error goes to its log.
    with open(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", encoding="utf-8") as terminal:
        signal.signal(signal.SIGINT, _first(terminal))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _first(terminal: TextIO) -> Callable[[int, FrameType | None], None]:
    pressed = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            os.write(terminal.fileno(), b"\nstopped immediately.\n")
            os._exit(STOPPED_AT_ONCE)
        os.write(terminal.fileno(), b"\nstopping: writing finished results; press Ctrl-C again to stop immediately.\n")
        signal.default_int_handler(number, frame)

    return handle
