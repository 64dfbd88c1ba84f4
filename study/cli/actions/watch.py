"""Follow the studies of experiments in the stores until nothing runs, with the view of `study run`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Group, RenderableType
from rich.text import Text

from study.cli.actions.end_of_run import answer_of
from study.cli.actions.overview import ABANDONED, show_studies, state_of, with_worker
from study.cli.paragraphs import write_paragraphs
from study.cli.waiting import known_experiments, waiting_text
from study.config.schema import Stores
from study.core.errors import StoreError, StudyError
from study.core.interrupt import Stopped
from study.core.readable_output import in_one_line
from study.core.records import StudyRecord
from study.core.terminal import terminal_of_errors
from study.pipeline.live_text import Progress, rough_text
from study.pipeline.live_view import Fitting, drawn, drawn_below
from study.pipeline.stored_progress import progress_of, update
from study.search.stored_searches import list_searches
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies

# Time between two looks at the stores, in seconds. A look takes some tenths of a second.
_PAUSE_S = 1.5
# The next study of a command begins some seconds after the one before: longest wait for one, in seconds.
IDLE_S = 20.0
_MOST_FAILURES = 5
# Studies that are drawn; of further ones the names are shown.
_MOST_DRAWN = 3

Key = tuple[str, str]


def watch(
    stores: Stores,
    experiments: Sequence[str],
    *,
    knows_search: bool = True,
    waits: bool = False,
    idle_s: float = IDLE_S,
    pause_s: float = _PAUSE_S,
) -> None:
    """Show the progress of running studies until none runs, then the tables of their experiments.

    Args:
        stores: The places of results, which are only read.
        experiments: Names of experiments; empty: all.
        knows_search: The store of searches is that of these studies, so it knows whether one has a worker. Default
            True; otherwise a study runs as long as MLflow says so.
        waits: Wait for the first study of an experiment that has none. Default False: refuse its name.
        idle_s: Time without a running study after which this ends, in seconds. Default 20.
        pause_s: Time between two looks at the stores, in seconds. Default 1.5.

    Raises:
        StudyError: The store cannot be read, or, without `waits`, has no experiment of a given name.
    """
    watching = _Watching(stores, experiments, knows_search=knows_search, waits=waits)
    watching.look()
    if watching.missing:
        told = waiting_text(watching.missing, watching.known)
        write_paragraphs([f"study watch: {told}"], stream=sys.stderr, hanging="  ")
    if watching.running or watching.missing:
        try:
            with _screen(watching) as line:
                _follow(watching, line, idle_s, pause_s)
        except Stopped as stopped:
            if stopped.number != signal.SIGINT:
                raise
            goes_on = " The studies go on." if watching.running else ""
            sys.stderr.write(f"study watch: ended.{goes_on}\n")
            return
    else:
        sys.stderr.write(f"study watch: nothing runs in {', '.join(experiments) or 'these stores'} now.\n")
    watching.show_tables()


def _follow(watching: _Watching, line: Callable[[str], None], idle_s: float, pause_s: float) -> None:
    """Look at the stores again and again, and write what has changed."""
    failures, last = 0, time.monotonic()
    watching.tell(line)
    while True:
        time.sleep(pause_s)
        try:
            watching.look()
        except StoreError as error:  # a server may be away for a moment
            failures += 1
            if failures > _MOST_FAILURES:
                raise
            if failures == 1:
                line(f"study watch: the stores cannot be read now, and are tried again. {error}")
            continue
        failures = 0
        watching.tell(line)
        now = time.monotonic()
        if watching.running or watching.missing:
            last, watching.idle_until = now, None
        elif now - last >= idle_s:
            return
        else:
            watching.idle_until = last + idle_s


class _Watching:
    """The studies of some experiments, as the stores have them at each look.

    Args:
        stores: The places of results.
        experiments: Names of experiments; empty: all.
        knows_search: The store of searches is that of these studies.
        waits: Wait for the first study of an experiment that has none.

    Attributes:
        known: Names of the experiments with studies.
        missing: The chosen experiments that have no study yet.
        running: Progress of the studies that run, by experiment and name.
        idle_until: Time at which the watching ends, in seconds of the monotonic clock; None while a study runs.
    """

    def __init__(self, stores: Stores, experiments: Sequence[str], *, knows_search: bool, waits: bool) -> None:
        self._stores, self._chosen, self._waits = stores, [*experiments], waits
        self.known: list[str] = []
        self.missing: list[str] = []
        self._searches = [partial(list_searches, stores)] if knows_search else []
        self._connections = Connections()
        self.running: dict[Key, Progress] = {}
        self.idle_until: float | None = None
        self._seen: set[str] = set()
        self._told: dict[Key, str] = {}
        self._ended: list[tuple[StudyRecord, str]] = []
        self._doubtful: set[Key] = set()

    def look(self) -> None:
        """Read the stores.

        Raises:
            StudyError: The store has no experiment of a given name, or cannot be read.
        """
        uri = self._stores.tracking_uri
        self.known = known_experiments(uri, connections=self._connections)
        self.missing = [name for name in self._chosen if name not in self.known]
        if self.missing and not self._waits:
            there = ", ".join(self.known) or "(none yet)"
            raise StudyError(f"EXPERIMENT={self.missing[0]}: expected one of {there}. See study list --all.")
        names = [name for name in self._chosen if name in self.known] or ([] if self._chosen else self.known)
        records = {name: read_studies(uri, name, trials=False, connections=self._connections) for name in names}
        is_any = any(record.status == "RUNNING" for found in records.values() for record in found)
        has_worker = with_worker(self._searches) if is_any else {}
        before, self.running = self.running, {}
        for name, found in records.items():
            for record in found:
                self._note(name, record, state_of(record, has_worker), before)

    def _note(self, experiment: str, record: StudyRecord, state: str, before: Mapping[Key, Progress]) -> None:
        key, now = (experiment, record.name), time.monotonic()
        known = before.get(key)
        if state == ABANDONED and known is not None and key not in self._doubtful:
            # A worker closes its search just before its run: the next look tells.
            self._doubtful.add(key)
            self.running[key] = known
            return
        self._doubtful.discard(key)
        if state == "running":
            self._seen.add(experiment)
            if known is None or known.started < now - (time.time() - record.opened) - 1:  # continued meanwhile
                try:
                    known = progress_of(record, now=now, now_s=time.time())
                except StoreError:
                    return  # the study is just being opened, and its params are not written yet
            update(known, record, now=now)
            self.running[key] = known
        elif known is not None:
            self._ended.append((record, state))

    def tell(self, line: Callable[[str], None]) -> None:
        """Write a line for each study that has ended since the last call; without a screen for each change too."""
        for record, state in self._ended:
            progress = progress_of(record, now=0.0, now_s=record.opened)
            update(progress, record, now=0.0)
            took = rough_text((record.ended or time.time()) - record.opened)
            line(f"{progress.name}: {state}, {progress.best_text(has_ended=True)} after {took}")
        self._ended = []
        if terminal_of_errors() is None:
            for key, progress in self.running.items():
                counts = ", ".join(f"{bar.title} {bar.text()}" for bar in progress.bars())
                if self._told.get(key) != counts:
                    self._told[key] = counts
                    line(f"{progress.name}: {counts}; {progress.best_text()}")

    def render(self) -> RenderableType:
        """Draw the studies that run, each as `study run` draws it."""
        now, found = time.monotonic(), list(self.running.values())
        parts: list[RenderableType] = [drawn(progress, now) for progress in found[:_MOST_DRAWN]]
        if rest := [progress.name for progress in found[_MOST_DRAWN:]]:
            parts.append(Fitting(in_one_line(f"and {len(rest)} more: {', '.join(rest)}")))
        if self.missing:
            parts.append(Fitting(in_one_line(f"waiting for the first study of {', '.join(self.missing)}")))
        if self.idle_until is not None:
            left = rough_text(self.idle_until - now)
            parts.append(Text(f"nothing runs now; this waits another {left} for the next study", no_wrap=True))
        return Group(*parts, Text("study watch: Ctrl-C ends this view, not the studies", style="bright_black"))

    def show_tables(self) -> None:
        """Print the tables of the experiments, with the answer and the serious cautions under each."""
        uri, connections = self._stores.tracking_uri, self._connections
        names = self._chosen or sorted(self._seen) or self.known
        under = {
            (uri, name): answer_of(
                uri,
                name,
                read_studies(uri, name, trials=False, connections=connections),
                connections=connections,
                searches=self._searches,
            )
            for name in names
        }
        show_studies(under.keys(), searches=self._searches, connections=connections, under=under)


@contextmanager
def _screen(watching: _Watching) -> Iterator[Callable[[str], None]]:
    """Draw on the terminal, and yield a function that writes a line above; without a terminal only lines."""
    terminal = terminal_of_errors()
    if terminal is None:
        yield lambda text: write_paragraphs([text], stream=sys.stderr, hanging="  ")
        return
    with drawn_below(terminal, watching.render) as line:
        yield line
