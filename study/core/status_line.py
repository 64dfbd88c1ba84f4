"""One line of a terminal that says what a command is doing before it has something to show."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from study.core.interrupt import told_through
from study.core.readable_output import in_one_line, shown
from study.core.terminal import terminal_of_errors, width_of
from study.core.wrapped_text import n_cells

# Seconds are counted from here on; a shorter wait needs none.
_COUNTS_AFTER_S = 1.0
_REFRESH_S = 0.25
_CLEAR = "\r\x1b[2K"


@contextlib.contextmanager
def status_line(text: str) -> Iterator[None]:
    """Show a line on the terminal at once, with the seconds that pass, and remove it at the end of the block.

    Without a terminal, and in a notebook, nothing is shown.

    Args:
        text: The line, without its end.
    """
    terminal = terminal_of_errors()
    if terminal is None:
        yield
        return
    try:
        # A descriptor of its own: while libraries are loaded, that of standard error goes to a log.
        descriptor = os.dup(terminal.fileno())
    except (OSError, ValueError):
        yield
        return
    line = _Line(descriptor, text, width=width_of(terminal))
    with told_through(line.tell):
        line.start()
        try:
            yield
        finally:
            line.stop()
            os.close(descriptor)


class _Line:
    """The line, drawn by the calling thread at first and by a thread of its own afterwards.

    Args:
        descriptor: The terminal.
        text: The line.
        width: Width of the terminal, in cells.
    """

    def __init__(self, descriptor: int, text: str, *, width: int) -> None:
        self._descriptor, self._text, self._width = descriptor, in_one_line(text), width
        self._started = time.monotonic()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._count, name="status line", daemon=True)

    def start(self) -> None:
        """Show the line."""
        with self._lock:
            self._draw()
        self._thread.start()

    def stop(self) -> None:
        """Remove the line."""
        self._ended.set()
        with self._lock:
            self._write(_CLEAR)
        self._thread.join()

    def tell(self, text: str) -> None:
        """Write a line that remains above."""
        with self._lock:
            self._write(f"{_CLEAR}{shown(text)}\n")
            if not self._ended.is_set():
                self._draw()

    def _count(self) -> None:
        while not self._ended.wait(_REFRESH_S):
            with self._lock:
                if not self._ended.is_set():
                    self._draw()

    def _draw(self) -> None:
        seconds = time.monotonic() - self._started
        counted = f": {seconds:.0f} s" if seconds >= _COUNTS_AFTER_S else ""
        text, room = self._text, self._width - 1 - len(counted)
        while n_cells(text) > max(room, 0):  # a line that goes on in the next one could not be removed
            text = text[:-1]
        self._write(f"{_CLEAR}{text}{counted}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed
            os.write(self._descriptor, text.encode())
