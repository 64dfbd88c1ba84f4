"""The display of a running study in a notebook: one output of the cell, updated in place."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from study.core.readable_output import in_one_line
from study.pipeline.live_text import Progress

# A browser draws each update: at most this many in a second, and half of them for progress, so that a line finds a
# place between them.
_PER_SECOND = 4
_PROGRESS_S = 2 / _PER_SECOND

Bundle = Mapping[str, str]


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
            self._lines.append(in_one_line(f"{self._progress.name}: stopped; {self._progress.best_text()}"))
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
        told = [*progress.running_text(), progress.best_text(), progress.time_text(now)]
    html = fill_template(
        "pipeline/notebook_view.html.j2",
        lines=lines,
        name=in_one_line(progress.name) if progress else "",
        told=[in_one_line(line) for line in told],
        done=progress.done if progress else 0,
        n_steps=max(progress.n_left, 1) if progress else 1,
    )
    name = [in_one_line(progress.name)] if progress else []
    text = "\n".join([*lines, *name, *(f"  {in_one_line(line)}" for line in told)])
    return {"text/html": html, "text/plain": text}


def _shown_by_ipython(bundle: Bundle) -> Handle:
    from IPython.display import display

    handle: Handle = display(dict(bundle), raw=True, display_id=True)
    return handle
