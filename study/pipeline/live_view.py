"""The display of a running study: a live view on a terminal or in a notebook, one line per event elsewhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.text import Text

from study.config.schema import Direction, Live
from study.core.interactive import in_kernel
from study.core.readable_output import in_one_line, own_sequences, readable, shown
from study.core.trainer_interface import BestTrial, Kind, State
from study.pipeline.live_text import MOST_SHOWN, Ended, Progress, Running, duration_text, number_text
from study.pipeline.notebook_view import kernels_display, open_display

__all__ = ["Ended", "View", "open_view"]

_REFRESHES_PER_SECOND = 4


@contextmanager
def open_view(mode: Live, *, stream: TextIO) -> Iterator[View]:
    """Open the view for a mode.

    Args:
        mode: `auto`: a live view if the stream is a terminal, or if this process is a notebook's kernel. True: a live
            view in any case. False: lines.
        stream: The stream to write to.

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
    is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    if mode is False or (mode == "auto" and not is_terminal):
        yield View(_line_writer(readable(stream)), each_trial=True)
        return
    console = Console(file=own_sequences(stream), force_terminal=True, highlight=False)
    view = View(lambda text: console.print(Text(shown(text)), soft_wrap=True), each_trial=False)
    with RichLive(
        console=console,
        get_renderable=view.render,
        refresh_per_second=_REFRESHES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    ):
        yield view


class View:
    """Display of the events of a study; an epoch costs microseconds.

    Args:
        write: Writes a line of text.
        each_trial: Write a line for each trial; otherwise only for a failed one, since `render` shows the others.
        changed: Draws the progress, or None after the study, whenever it has changed. None (the default): the view is
            drawn by calls of `render`.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        each_trial: bool,
        changed: Callable[[Progress | None], None] | None = None,
    ) -> None:
        self._write = write
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
        direction: Direction = "maximize",
        is_round: bool = False,
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
            direction: `maximize` if a large value is good. Default `maximize`.
            is_round: The study goes on with further confirmations, and gets a line for its end in a notebook alone.
                Default False.
        """
        self._is_round = is_round
        with self._changes():
            self._progress = Progress(
                name=f"{experiment}/{name}",
                metric=metric,
                direction=direction,
                n_trials=n_trials,
                n_left=n_trials - n_done + n_confirmations,
                started=time.monotonic(),
            )
        if is_round:
            if self._each_trial:
                self._write(f"{experiment}/{name}: {n_confirmations} further confirmations")
            return
        if self._changed and not n_done:
            return  # the display names the study
        done = f", {n_done} of them already done" if n_done else ""
        self._write(f"{experiment}/{name}: {n_trials} {'trial' if n_trials == 1 else 'trials'}{done}")

    def trial_started(self, kind: Kind, number: int) -> None:
        """Begin a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
        """
        with self._changes():
            if self._progress:
                self._progress.running[kind, number] = Running()

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
                self._progress.running[kind, number] = Running(epoch=epoch + 1, n_epochs=n_epochs, value=value)

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

    def trials_ended(self, kind: Kind, ended: Sequence[Ended], *, best: BestTrial | None) -> None:
        """End trials or confirmations, those of a batch together.

        Args:
            kind: `trial`, or the setting that is confirmed.
            ended: The ends, at least one.
            best: The best trial so far; None: no trial has completed.
        """
        with self._changes():
            progress = self._progress
            if progress is None:
                return
            for one in ended:
                progress.running.pop((kind, one.number), None)
            progress.n_ended += len(ended)
            progress.best = best
        best_text = f"; {progress.best_text()}" if kind == "trial" else ""
        each = self._each_trial and len(ended) <= MOST_SHOWN
        for one in ended:
            if each or one.state == "failed":
                value = f"{progress.metric} {number_text(one.objective)}"
                self._write(f"{progress.title(kind, one.number)} {one.state}: {value}{best_text}")
        if self._each_trial and not each:
            self._write(f"{progress.batch_text(kind, ended)}{best_text}")

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
                    n, seconds_text = progress.n_ended, duration_text(seconds)
                    self._write(f"{progress.name}: {n} further confirmations after {seconds_text}")
                return
            self._write(f"{progress.name}: {progress.best_text()} after {duration_text(seconds)}")

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
        """Draw the progress of the study; nothing between studies."""
        with self._lock:
            return _drawn(self._progress, time.monotonic()) if self._progress else Text()


def _drawn(progress: Progress, now: float) -> RenderableType:
    lines = [*progress.running_text(), progress.best_text(), progress.time_text(now)]
    bar = ProgressBar(total=max(progress.n_left, 1), completed=progress.done, width=40)
    return Group(
        Text(in_one_line(progress.name), style="bold"), *(Text(f"  {in_one_line(line)}") for line in lines), bar
    )


def _line_writer(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(f"{text}\n")
        stream.flush()

    return write
