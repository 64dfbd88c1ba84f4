"""The action of `study compare --serve`: the page of experiments, made again while their studies run."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from study.cli.actions.live_page import LivePage, MadePage
from study.cli.actions.liveness import listed_once
from study.cli.actions.overview import ABANDONED, state_of, with_worker
from study.cli.actions.page_server import PageServer
from study.cli.actions.read_comparison import make_page, read_comparison
from study.cli.browser import open_browser
from study.cli.paragraphs import write_paragraphs
from study.cli.stores import check_folder, local_stores
from study.cli.waiting import known_experiments, waiting_text
from study.core.database_address import sqlite_file
from study.core.errors import StudyError
from study.core.records import StudyRecord, n_to_come
from study.report.across_workloads import across
from study.report.html.live_state import LiveState, live_state
from study.report.html.page import render_waiting, time_text
from study.search.stored_searches import Searches, list_searches
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies

# A store that is no file is read at most this often, in seconds.
_PERIOD_S = 10.0


def serve_comparison(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Serve the page until Ctrl-C; the stores are read, and nothing is written into them.

    An experiment without a study is waited for, so that the page can be opened before the first study begins. The
    terminal and the page name the experiments that are there, in case the name is misspelled.

    Args:
        options: The parsed options of `study compare`.
        arguments: The words after `study compare`, which the page shows.

    Returns:
        The exit status.

    Raises:
        StudyError: The folder does not exist, studies cannot be compared, or the port is taken.
    """
    if not options.folder.is_dir():
        check_folder(options.folder, tracking_uri=options.tracking_uri)
    stores, connections = local_stores(options), Connections()
    uri, names = stores.tracking_uri, list(dict.fromkeys(options.experiments))
    command = shlex.join(["study", "compare", *arguments])
    # Another store of MLflow may belong to another search than that of the folder.
    knows_search = options.tracking_uri is None or options.optuna_url is not None
    searches = [partial(list_searches, stores)] if knows_search else []
    make = partial(
        _make,
        uri,
        names,
        command=command,
        ui=options.ui,
        force=options.force,
        where=options.where,
        searches=searches,
        connections=connections,
        seen=set(),
    )
    page = LivePage(make, stamp_of(uri))
    with PageServer(page, port=options.port) as server:
        write_paragraphs([_first_line(uri, names, page.look().text, connections)], stream=sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.write(f"Open the page:  {server.address}\nIt follows the studies. Ctrl-C ends it.\n")
        if not knows_search:
            sys.stdout.write("A study whose process has died is shown as running, unless --optuna-url is given.\n")
        sys.stdout.flush()
        if not options.no_browser:
            open_browser(server.address)
        with contextlib.suppress(KeyboardInterrupt), _at_once():
            server.serve_forever(poll_interval=0.1)
    return 0


def _first_line(uri: str, names: Sequence[str], state: str, connections: Connections) -> str:
    known = known_experiments(uri, connections=connections)
    missing = [name for name in names if name not in known]
    if not missing:
        return f"{', '.join(names)}: {state}."
    there = [name for name in names if name in known]
    return " ".join([waiting_text(missing, known), *([f"{', '.join(there)}: {state}."] if there else [])])


@contextlib.contextmanager
def _at_once() -> Iterator[None]:
    """Let a signal end the block, or the process, at once: there are no results to write, so no words and no grace."""
    handlers: dict[int, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.getsignal(number) for number in handlers}
    ours = [number for number in handlers if callable(before[number])]  # not where a signal is ignored
    watcher = signal.set_wakeup_fd(-1)
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(watcher)


def stamp_of(tracking_uri: str) -> Callable[[], object]:
    """Return a function whose value changes when a store does.

    Args:
        tracking_uri: Address of the store. Of a file it is when it was changed; of another store it changes every ten
            seconds, since nothing cheaper tells.
    """
    path = sqlite_file(tracking_uri)
    if path is None:
        return lambda: int(time.monotonic() / _PERIOD_S)
    return lambda: (_changed(path), _changed(path.with_name(f"{path.name}-wal")))


def _changed(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _make(
    uri: str,
    names: Sequence[str],
    *,
    command: str,
    ui: str,
    force: bool,
    where: Sequence[str],
    searches: Sequence[Searches],
    connections: Connections,
    seen: set[str],
) -> MadePage:
    """Read the experiments and make their page, of those that have a trial; without one, a page that waits.

    Raises:
        StudyError: An experiment has no study any more, or its studies cannot be compared.
    """
    known = known_experiments(uri, connections=connections)
    missing = [name for name in names if name not in known]
    records = {name: read_studies(uri, name, connections=connections) for name in names if name in known}
    if lost := [name for name in names if name in seen and not records.get(name)]:
        raise StudyError(
            f"EXPERIMENT={lost[0]}: its studies are no longer in the store, since they were deleted or renamed. This "
            "is how they were before. See study list --all."
        )
    seen.update(name for name, found in records.items() if found)
    begun = {name: found for name, found in records.items() if any(_has_begun(record) for record in found)}
    searches = listed_once(searches)  # for the state and for the cautions
    state = _state([record for found in records.values() for record in found], searches)
    made = time_text()
    if not begun:
        note = waiting_text(missing, known) if missing else ""
        return _made(render_waiting(names, live=state, note=note), state, made)
    read = [
        read_comparison(uri, name, connections=connections, force=force, where=where, records=found, searches=searches)
        for name, found in begun.items()
    ]
    workloads = across([each.comparison for each in read])
    html = make_page(read, command=command, ui=ui, workloads=workloads, live=state, made=made)
    return _made(html, state, made)


def _state(records: Sequence[StudyRecord], searches: Sequence[Searches]) -> LiveState:
    has_worker = with_worker(searches) if any(record.status == "RUNNING" for record in records) else {}
    alive = [record for record in records if state_of(record, has_worker) != ABANDONED]
    coming = n_to_come(alive, begun=records, now_s=time.time())
    return live_state(records, n_abandoned=len(records) - len(alive), n_to_come=coming)


def _made(html: str, state: LiveState, made: str) -> MadePage:
    return MadePage(html=html, kind=state.kind, text=state.text, passing=made)


def _has_begun(record: StudyRecord) -> bool:
    return bool(record.trials or record.confirmations)
