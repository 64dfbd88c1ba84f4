"""The display of a running study in a notebook: one output of the cell, updated in place.

A study in a process of its own sends its lines and its progress to the kernel, which shows them.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, BinaryIO, Protocol

from study.core.readable_output import in_one_line
from study.pipeline.live_text import Progress

# A browser draws each update: at most this many in a second, and half of them for progress, so that a line finds a
# place between them.
_PER_SECOND = 4
_PROGRESS_S = 2 / _PER_SECOND

Bundle = Mapping[str, str]


# The display of the kernel that started this process; None in a process that shows its studies itself.
_kernels_display: ContextVar[Display | None] = ContextVar("_kernels_display", default=None)


class Display(Protocol):
    """A place for the lines and the progress of a study."""

    def line(self, text: str) -> None:
        """Add a line that remains."""

    def draw(self, progress: Progress | None) -> None:
        """Show the progress; None: the study has ended."""


class Handle(Protocol):
    """An output of a cell, as `IPython.display` returns it."""

    def update(self, obj: Any, **arguments: Any) -> None:
        """Replace the output."""


@contextmanager
def open_display(show: Callable[[Bundle], Handle] | None = None) -> Iterator[NotebookDisplay]:
    """Open a display for a study, which appears with its first line or progress.

    Args:
        show: Shows an output of a bundle of MIME types and returns its handle. None (the default): IPython does.

    Yields:
        The display. At the end its lines remain.
    """
    display = NotebookDisplay(show or _shown_by_ipython)
    try:
        yield display
    finally:
        display.close()


@contextmanager
def sent_through(descriptor: int) -> Iterator[None]:
    """Send the display of studies in the block to the kernel that started this process.

    Args:
        descriptor: The end of a pipe whose other end `show_events` reads.
    """
    os.set_inheritable(descriptor, False)  # a process that outlives this one would keep the pipe open
    stream = os.fdopen(descriptor, "wb")
    token = _kernels_display.set(_SentDisplay(stream))
    try:
        yield
    finally:
        _kernels_display.reset(token)
        with suppress(BrokenPipeError):
            stream.close()


def kernels_display() -> Display | None:
    """Return the display of the kernel that started this process; None without one."""
    return _kernels_display.get()


def show_events(stream: BinaryIO, *, show: Callable[[Bundle], Handle] | None = None) -> None:
    """Show what a child process sends until it closes its end of the pipe, or is killed.

    Args:
        stream: The pipe. It is read with pickle: its other end belongs to a child of this process.
        show: As of `open_display`. None (the default): IPython shows.
    """
    with open_display(show) as display, suppress(EOFError, pickle.UnpicklingError):
        while True:
            name, value = pickle.load(stream)
            display.line(value) if name == "line" else display.draw(value)


class _SentDisplay:
    """A display in another process.

    Args:
        stream: The pipe to that process.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sent = -1.0
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        self._send("line", text)

    def draw(self, progress: Progress | None) -> None:
        now = time.monotonic()
        if progress is None or now >= self._sent + 1 / _PER_SECOND:
            self._sent = now
            self._send("progress", progress)

    def _send(self, name: str, value: object) -> None:
        with self._lock, suppress(BrokenPipeError):  # the kernel has ended, and this process ends with it
            pickle.dump((name, value), self._stream)
            self._stream.flush()


class NotebookDisplay:
    """Lines and the progress below them, drawn by the thread that opened the display when something has changed.

    Args:
        show: Shows an output of a bundle of MIME types and returns its handle.
    """

    def __init__(self, show: Callable[[Bundle], Handle]) -> None:
        self._show = show
        self._handle: Handle | None = None
        self._shown: Bundle = {}
        self._lines: list[str] = []
        self._progress: Progress | None = None
        self._thread = threading.get_ident()
        self._drawn: deque[float] = deque([-1.0] * _PER_SECOND, maxlen=_PER_SECOND)

    def line(self, text: str) -> None:
        """Add a line that remains; one of another thread appears with the next change.

        Args:
            text: The line; control characters are written out.
        """
        self._lines.append(in_one_line(text))
        self._draw(since=self._drawn[0] + 1.0)

    def draw(self, progress: Progress | None) -> None:
        """Show the progress, unless an update has just been shown.

        Args:
            progress: The progress; None: the study has ended.
        """
        self._progress = progress
        if progress is not None:
            self._draw(since=self._drawn[-1] + _PROGRESS_S)

    def close(self) -> None:
        """Leave the lines alone, with one more for a study that was stopped."""
        if self._progress is not None:
            self._lines.append(in_one_line(f"{self._progress.named}: stopped; {self._progress.best_text()}"))
        if self._lines:
            self._update(_bundle(self._lines, None, time.monotonic()))

    def _draw(self, *, since: float) -> None:
        now = time.monotonic()
        if now < since or threading.get_ident() != self._thread:
            return
        self._drawn.append(now)
        self._update(_bundle(self._lines, self._progress, now))

    def _update(self, bundle: Bundle) -> None:
        if bundle == self._shown:
            return
        self._shown = bundle
        if self._handle is None:
            self._handle = self._show(bundle)
        else:
            self._handle.update(bundle, raw=True)


def _bundle(lines: list[str], progress: Progress | None, now: float) -> Bundle:
    """Return the state as HTML, and as plain text for programs that show no HTML."""
    from study.report.html.templates import fill_template

    told: list[str] = []
    if progress is not None:
        told = [*progress.told_text(), progress.time_text(now)]
    html = fill_template(
        "pipeline/notebook_view.html.j2",
        lines=lines,
        name=in_one_line(progress.named) if progress else "",
        told=[in_one_line(line) for line in told],
        done=progress.done if progress else 0,
        n_steps=max(progress.n_left, 1) if progress else 1,
    )
    name = [in_one_line(progress.named)] if progress else []
    text = "\n".join([*lines, *name, *(f"  {in_one_line(line)}" for line in told)])
    return {"text/html": html, "text/plain": text}


def _shown_by_ipython(bundle: Bundle) -> Handle:
    from IPython.display import display

    handle: Handle = display(dict(bundle), raw=True, display_id=True)
    return handle
