"""Ctrl-C: once ends a command cleanly, twice at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

# As a shell counts a process that a signal ended.
STOPPED_AT_ONCE = 128 + signal.SIGINT


@contextlib.contextmanager
def two_stage_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C of the block raise KeyboardInterrupt, and the second end the process at once.

    What is written at an end takes time where a store is slow; whoever has none presses again. Nothing is lost by it
    that `kill -9` would not lose: the same command goes on from there.

    Signals reach the main thread alone; elsewhere, and where Ctrl-C is ignored, nothing changes.
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
            os.write(terminal.fileno(), b"\nstopped at once.\n")
            os._exit(STOPPED_AT_ONCE)
        os.write(terminal.fileno(), b"\nstopping: what has ended is written; Ctrl-C again stops at once.\n")
        signal.default_int_handler(number, frame)

    return handle
