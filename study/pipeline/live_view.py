"""The display of a running study: a live view on a terminal or in a notebook, one line per event elsewhere."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live as RichLive
from rich.text import Text

from study.config.schema import Direction, Live
from study.core.interactive import in_kernel
from study.core.interrupt import told_through
from study.core.readable_output import in_one_line, own_sequences, readable, shown
from study.core.terminal import can_show, is_screen
from study.core.trainer_interface import BestTrial, Kind, State
from study.core.wrapped_text import wrapped
from study.pipeline.live_parts import Bar, Ended, LookPlace, Running
from study.pipeline.live_text import MOST_SHOWN, Progress, duration_text, rough_text
from study.pipeline.notebook_view import kernels_display, open_display

__all__ = ["Ended", "Fitting", "LookPlace", "View", "drawn", "drawn_below", "open_view"]

_REFRESHES_PER_SECOND = 4
_BAR = 30  # width of a bar, in cells
_ALL_BUT_LAST = re.compile(r"(.*)[;,] ")  # of the parts of a line
_SIGNS, _ASCII = ("━", "╸", "─"), ("#", "=", "-")  # a done cell, half of one, and the rest


@contextmanager
def open_view(mode: Live, *, stream: TextIO, study: str = "") -> Iterator[View]:
    """Open the view for a mode.

    Args:
        mode: `auto`: a live view if the stream is a terminal, or if this process is a notebook's kernel. True: a live
            view in any case. False: lines.
        stream: The stream to write to.
        study: Name of the study that is about to start. Default: none, and its start is not shown.

    Yields:
        The view. A live view leaves the screen at the end, except for its lines.
    """
    sent = kernels_display()
    if mode is not False and sent is not None:
        yield View(sent.line, each_trial=False, changed=sent.draw)
        return
    if mode is not False and in_kernel():
        with open_display() as display:
            yield View(display.line, each_trial=False, changed=display.draw)
        return
    if mode is False or (mode == "auto" and not is_screen(stream)):
        yield View(_line_writer(readable(stream)), each_trial=True)
        return
    with _drawn_on(own_sequences(stream), study=study) as view:
        yield view


@contextmanager
def _drawn_on(stream: TextIO, *, study: str) -> Iterator[View]:
    """Draw a view at the end of a terminal, below the lines that remain."""
    is_unicode = can_show(stream, "".join(_SIGNS))
    view = View(lambda text: line(text), each_trial=False, draws=True, study=study, is_unicode=is_unicode)
    with drawn_below(stream, view.render) as line:
        yield view


@contextmanager
def drawn_below(stream: TextIO, render: Callable[[], RenderableType]) -> Iterator[Callable[[str], None]]:
    """Draw at the end of a terminal, four times a second, below the lines that remain.

    Args:
        stream: The terminal, for our own sequences.
        render: Returns what to draw.

    Yields:
        A function that writes a line above what is drawn. At the end nothing but these lines is left on the screen.
    """
    console = Console(file=stream, force_terminal=True, highlight=False)

    def line(text: str) -> None:
        for each in wrapped(shown(text), width=console.width, hanging="  "):
            console.print(Text(each), soft_wrap=True)

    live = RichLive(
        console=console,
        get_renderable=render,
        refresh_per_second=_REFRESHES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
    with live, told_through(line):
        yield line


class View:
    """Display of the events of a study; an epoch costs microseconds.

    Args:
        write: Writes a line of text.
        each_trial: Write a line for each trial; otherwise only for a failed one, since `render` shows the others.
        changed: Draws the progress, or None after the study, whenever it has changed. None (the default): the view is
            drawn by calls of `render`.
        draws: The view is drawn by calls of `render`, so the study needs no line for its start. Default False.
        study: Name of the study that is about to start. Default: none, and its start is not drawn.
        is_unicode: The terminal shows more than ASCII. Default True.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        each_trial: bool,
        changed: Callable[[Progress | None], None] | None = None,
        draws: bool = False,
        study: str = "",
        is_unicode: bool = True,
    ) -> None:
        self._write, self._is_unicode = write, is_unicode
        self._starting, self._opened = study, time.monotonic()
        self._draws = draws or changed is not None
        self._each_trial = each_trial
        self._changed = changed
        self._progress: Progress | None = None
        self._is_round = False
        self._lock = threading.Lock()  # rich draws in a thread of its own

    def study_started(
        self,
        name: str,
        *,
        experiment: str,
        metric: str,
        n_trials: int,
        n_done: int,
        n_confirmations: int = 0,
        n_default: int = 0,
        look: LookPlace | None = None,
        direction: Direction = "maximize",
        is_round: bool = False,
        place: tuple[int, int] = (1, 1),
        compiles: bool = True,
        best: BestTrial | None = None,
    ) -> None:
        """Begin a study.

        Args:
            name: The study's name.
            experiment: Name of the experiment.
            metric: Name of the metric of `value`, `objective` and `best`.
            n_trials: Number of trials of the study, those done before included.
            n_done: Number of trials done before.
            n_confirmations: Number of confirmations of all settings that are still to run, for the time left. Default
                0.
            n_default: Number of these that are of the untuned optimizer. Default 0.
            look: The look at the confirmations for which they are trained. None (the default): no looks are planned.
            direction: `maximize` if a large value is good. Default `maximize`.
            is_round: The study goes on with further confirmations, and gets a line for its end in a notebook alone.
                Default False.
            place: The number of the study in its command, from 1, and the number of studies. Default: the only one.
            compiles: The trainer compiles programs. Default True.
            best: The best trial before. None (the default): no trial has completed.
        """
        progress = Progress(
            name=f"{experiment}/{name}",
            metric=metric,
            direction=direction,
            n_trials=n_trials,
            n_done=n_done,
            n_confirmations=n_confirmations,
            n_default=n_default,
            look=look,
            started=time.monotonic(),
            opened=self._opened,
            place=place,
            compiles=compiles,
            is_round=is_round,
            best=best,
        )
        self._is_round, self._starting = is_round, ""
        with self._changes():
            self._progress = progress
        self._tell_start(progress)

    def _tell_start(self, progress: Progress) -> None:
        if progress.is_round:
            if self._each_trial:
                at = f", {progress.look.text()}" if progress.look else ""
                self._write(f"{progress.name}: {progress.n_confirmations} further confirmations{at}")
            return
        if self._draws and not progress.n_done:
            return  # the display names the study
        done = f", {progress.n_done} of them already done" if progress.n_done else ""
        self._write(f"{progress.named}: {progress.n_trials} {'trial' if progress.n_trials == 1 else 'trials'}{done}")

    def trains(self) -> None:
        """Note that the device begins with an epoch, so the program of its batch is built."""
        with self._changes():
            if self._progress:
                self._progress.pace.trains(time.monotonic(), work=self._progress.done)

    def trial_started(self, kind: Kind, number: int) -> None:
        """Begin a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
        """
        with self._changes():
            if self._progress:
                self._progress.begin(kind, number, now=time.monotonic())

    def epoch(self, kind: Kind, number: int, *, epoch: int, n_epochs: int | None, value: float | None) -> None:
        """End an epoch of a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
            epoch: Index of the epoch, from 0.
            n_epochs: Number of epochs of the training; None: the budget counts steps.
            value: The objective's metric at this epoch; None: unknown.
        """
        with self._changes():
            if self._progress:
                progress = self._progress
                progress.running[kind, number] = Running(epoch=epoch + 1, n_epochs=n_epochs, value=value)
                progress.pace.trains(time.monotonic(), work=progress.done)

    def stopped(self, kind: Kind, number: int, state: State) -> None:
        """Note that a trial has stopped while its batch goes on.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
            state: The state in which it stopped.
        """
        with self._changes():
            if self._progress:
                known = self._progress.running.get((kind, number), Running())
                self._progress.running[kind, number] = replace(known, state=state)

    def trials_ended(
        self, kind: Kind, ended: Sequence[Ended], *, best: BestTrial | None, n_spent: int | None = None
    ) -> None:
        """End trials or confirmations, those of a batch together.

        Args:
            kind: `trial`, or the setting that is confirmed.
            ended: The ends, at least one.
            best: The best trial so far; None: no trial has completed.
            n_spent: Number of trials of the study that have ended, those of all workers. None (the default): those
                before the start and those ended here.
        """
        with self._changes():
            progress = self._progress
            if progress is None:
                return
            progress.end(kind, [one.number for one in ended], now=time.monotonic())
            progress.best = best
            if n_spent is not None:
                progress.n_others = max(n_spent - progress.n_done - progress.n_ended, 0)
        best_text = f"; {progress.best_text()}" if kind == "trial" else ""
        each = self._each_trial and len(ended) <= MOST_SHOWN
        of = f"{progress.name}: " if progress.place[1] > 1 else ""  # several may write to one terminal or file
        for one in ended:
            if each or one.state == "failed":
                self._write(f"{of}{progress.title(kind, one.number)} {one.text(progress.metric)}{best_text}")
        if self._each_trial and not each:
            self._write(f"{of}{progress.batch_text(kind, ended)}{best_text}")

    def study_ended(self, *, best: BestTrial | None, seconds: float) -> None:
        """End the study.

        Args:
            best: The best trial; None: no trial completed.
            seconds: Duration of the study, in seconds.
        """
        with self._changes():
            progress, self._progress = self._progress, None
        if progress:
            progress.best = best
            if self._is_round:
                if self._changed:  # a notebook's output keeps the last state that it was shown
                    n, seconds_text = progress.n_confirmed, duration_text(seconds)
                    self._write(f"{progress.name}: {n} further confirmations after {seconds_text}")
                return
            self._write(f"{progress.named}: {progress.best_text(has_ended=True)} after {duration_text(seconds)}")

    def message(self, text: str) -> None:
        """Show a line of text."""
        self._write(text)

    @contextmanager
    def _changes(self) -> Iterator[None]:
        """Hold the lock for a change of the progress, then draw it."""
        with self._lock:
            yield
            if self._changed:
                self._changed(self._progress)

    def render(self) -> RenderableType:
        """Draw the progress of the study, or what its start waits for; nothing after the study."""
        now = time.monotonic()
        with self._lock:
            if self._progress:
                return drawn(self._progress, now, is_unicode=self._is_unicode)
            if not self._starting:
                return Text()
        seconds = rough_text(now - self._opened)
        told = f": opening data and stores: {seconds}"
        return Text.assemble((in_one_line(self._starting), "bold"), told, no_wrap=True, overflow="ellipsis")


def drawn(progress: Progress, now: float, *, is_unicode: bool = True) -> RenderableType:
    """Draw the progress of a study in a few lines, none wider than the terminal.

    Args:
        progress: The progress.
        now: The time, in seconds of the monotonic clock.
        is_unicode: The terminal shows lines of bars; otherwise they are of ASCII. Default True.
    """
    bars, place = progress.bars(), progress.place_text()
    room = max(len(bar.title) for bar in bars)
    head = Text.assemble((in_one_line(progress.name), "bold"), f"   {place}" if place else "")
    told = [
        Text.assemble(f"  {bar.title:<{room}}  ", *_bar(bar, is_unicode=is_unicode), f"  {bar.text()}") for bar in bars
    ]
    lines = [*progress.told_text(), progress.time_text(now)]
    for text in (head, *told):
        text.no_wrap, text.overflow = True, "ellipsis"
    return Group(head, *told, *(Fitting(f"  {in_one_line(line)}") for line in lines))


class Fitting:
    """A line that leaves out its last parts, after a semicolon or a comma, where a terminal has no room for them.

    Args:
        line: The line. If its first part does not fit either, it is cut.
    """

    def __init__(self, line: str) -> None:
        self._line = line

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line as far as it fits."""
        line = self._line
        while cell_len(line) > options.max_width and (found := _ALL_BUT_LAST.match(line)):
            line = found[1]
        yield Text(line, no_wrap=True, overflow="ellipsis")


def _bar(bar: Bar, *, is_unicode: bool) -> list[tuple[str, str]]:
    """Return a bar with its colors; without colors the done part is thicker."""
    halves = round(2 * _BAR * min(bar.done / max(bar.n, 1), 1.0))
    full, half, rest = _SIGNS if is_unicode else _ASCII
    done = full * (halves // 2) + half * (halves % 2)
    return [(done, "green" if bar.n_ended >= bar.n else "cyan"), (rest * (_BAR - len(done)), "bright_black")]


def _line_writer(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(f"{text}\n")
        stream.flush()

    return write
