"""MLflow's pages by the links of `study ui`, in a real Chromium: `pytest -m browser`."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from study.core.entry_colors import entry_colors
from study.tracking.experiment_note import ExperimentNote, write_note
from study.tracking.study_summary import ConfirmedMean
from tests.report.html.test_browser import chromium

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from study.cli import command_line; sys.exit(command_line())"
# From left to right: MLflow's table adds them to the document in another order at times.
COLUMNS = """[...document.querySelectorAll('.ag-header-cell[col-id]')]
    .sort((one, other) => one.getBoundingClientRect().x - other.getBoundingClientRect().x)
    .map(cell => cell.getAttribute('col-id'))"""
NAMES = "[...document.querySelectorAll('.ag-pinned-left-cols-container .ag-row a')].map(link => link.textContent)"
CELL = 'document.querySelector(\'.ag-center-cols-container .ag-row[row-index="{}"] [col-id="{}"]\').textContent'
EXPANDER = ".ag-pinned-left-cols-container .ag-row [role=button], .ag-pinned-left-cols-container .ag-row button"
# What MLflow's own pages report on every visit.
OF_MLFLOW = ("users/current", "AG Grid", "ResizeObserver loop")
# The sections of charts, as `true` for an open one, its name and its number of charts.
SECTIONS = """[...document.querySelectorAll('[class$=collapse-header]')].map(each =>
    `${each.getAttribute('aria-expanded')} ${each.textContent.replace('Add chart', '')}`)"""
OPENED = "document.querySelector('[role=dialog], [aria-modal=true]')"


@pytest.fixture
def store(make_config, open_tracker, record, tmp_path):
    """Two studies without a training: adam, the better one, began first, so that the order is not that of times."""
    for optimizer, values, mean in (("adam", (0.5, 0.9, 0.7), 0.85), ("sgd", (0.2, 0.1, 0.4), 0.35)):
        config = make_config(optimizer=optimizer)
        with open_tracker(config) as tracker:
            for number, value in enumerate(values):
                record(tracker, "trial", number, values=(value / 2, value))
            for number in range(3):
                record(tracker, "best", number, values=(mean, mean))
            confirmed = ConfirmedMean(mean=mean, low=mean - 0.05, high=mean + 0.05, n=3, chosen_by=mean)
            tests = {"val_accuracy": confirmed, "test_accuracy": confirmed}
            tracker.summarize(best=1 if optimizer == "adam" else 2, tests=tests, untuned=tests)
    note = ExperimentNote(
        headline="adam is the best.", sentences=["By far."], table=[("study",), ("adam",)], below=[], colors={},
        ranges={"best_so_far": (0.1, 0.95)},
    )  # fmt: skip
    assert write_note(config.stores.tracking_uri, config.experiment_name, note)
    return tmp_path


@contextlib.contextmanager
def study_ui(folder):
    """Start the command, and yield its links by what they show, as they were printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, "ui", "--no-browser", "--port", str(port), "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".ci" / "editable")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            links = {}
            for line in child.stdout:
                if found := re.search(r"viewStateShareKey=(\w+)", line):
                    if not links:  # whoever clicks on the first link gets a page
                        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
                    links[found[1]] = line.strip()
                if "MLflow is ready" in line:
                    break
            assert "studies" in links
            yield f"http://127.0.0.1:{port}", links
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(timeout=60)


def opened(browser, address, *, until):
    browser.cdp("Page.navigate", url="about:blank")
    browser.cdp("Page.navigate", url=address)
    browser.wait(f"Boolean({until})", seconds=120)


def test_a_first_visit_shows_studies_best_first_and_the_charts_of_the_search_first(store, tmp_path):
    with study_ui(store) as (address, links), chromium(tmp_path / "profile") as browser:
        browser.cdp("Emulation.setDeviceMetricsOverride", width=1440, height=1000, deviceScaleFactor=1, mobile=False)
        opened(browser, links["studies"], until=f"{NAMES}.length >= 2")
        check_studies(browser)
        opened(browser, links["search"], until="document.body.innerText.includes('best_so_far')")
        browser.wait("document.querySelectorAll('.main-svg').length >= 2", seconds=120)
        ticks = browser.ask("[...document.querySelectorAll('.ytick')].map(tick => tick.textContent)")
        assert max(map(float, ticks)) > 0.5
        assert browser.ask(SECTIONS)[:3] == ["true Search(2)", "false Model metrics(12)", "false point(1)"]
        opened(browser, address, until="document.body.innerText.includes('tiny-mlp')")
        assert "#/experiments" in browser.ask("location.href")
        assert "adam is the best." in browser.ask("document.body.innerText")
        opened(browser, f"{address}/#/experiments/1", until=f"{NAMES}.length >= 2")
        assert browser.ask(NAMES) == ["adam", "sgd"]
        assert "shared view" not in browser.ask("document.body.innerText")
        opened(browser, links["runs"], until=f"{NAMES}.length >= 2")
        check_nested(browser)
        errors = [text for text in browser.errors() if not any(own in text for own in OF_MLFLOW)]
        assert errors == []


def check_studies(browser):
    assert browser.ask(NAMES) == ["adam", "sgd"]
    wanted = ["tags.`test`", "tags.`untuned`", "tags.`validation`", "tags.`best`", "tags.`progress`"]
    assert [column for column in browser.ask(COLUMNS) if "`" in column and "Run Name" not in column][:5] == wanted
    assert browser.ask(CELL.format(0, "tags.`test`")) == "0.8500 ± 0.0500"
    assert browser.ask(CELL.format(1, "tags.`best`")) == "learning_rate=0.3"
    told = browser.ask("document.body.innerText")
    assert "adam is the best." in told
    assert not [word for word in ("Agent versions", "Judges", "Ask questions about your", "Got it") if word in told]
    assert browser.ask(OPENED) is None
    colors = browser.ask("[...document.querySelectorAll('.ag-row *')].map(e => getComputedStyle(e).backgroundColor)")
    for color in entry_colors(["adam", "sgd"]):
        red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
        assert f"rgb({red}, {green}, {blue})" in colors


def check_nested(browser):
    assert browser.ask(NAMES) == ["sgd", "adam"]
    assert "tags.`test`" in browser.ask(COLUMNS)
    click = f"document.querySelector({json.dumps(EXPANDER)}).click()"
    browser.ask(click)
    browser.wait(f"{NAMES}.length > 6")
    assert {"sgd trial 0", "sgd confirmation 2 (tuned)"} <= set(browser.ask(NAMES))
    browser.ask(click)
    browser.wait(f"{NAMES}.length === 2")
