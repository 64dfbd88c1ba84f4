"""A folder that someone hands on, with hostile modules beside its store: what commands read, write, run and start."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from study.cli import COMMANDS
from tests.cli import foreign_folder

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
TINY = (
    *("dataset=landscape", "optimizer=sgd", "optimizer.learning_rate=0.1", "trainer.backend=tensorflow"),
    *("budget.n_epochs=2", "budget.n_confirmations=1", "tracking.system_metrics=false", "live=false"),
)
QUICK = (*TINY, "tracking.log_model=false")
# Each row of the page's table, with the words that show what is in it. The first two make the stores of the others.
ROWS = [
    ("study run", ["run", "model=bowl", "experiment_name=e", *TINY]),
    ("study run, own module named", ["run", "model=named", "experiment_name=own", "study_name=s", *QUICK]),
    ("study run, questions", ["run", "--cfg", "job"]),
    ("study run, questions", ["run", "--cfg", "job", "model=unnamed", "model.width=1"]),
    ("study run, questions", ["run", "--info", "config", "model=unnamed"]),
    ("study run, questions", ["run", "--hydra-help"]),
    ("study run, questions", ["run", "--help"]),
    ("study -sc", ["-sc", "install=bash"]),
    ("study -sc", ["-sc", "query=bash"]),
    ("study list", ["list"]),
    ("study watch", ["watch"]),
    ("study compare", ["compare", "own"]),
    ("study plan", ["plan", "own"]),
    ("study export", ["export", "own/s"]),
    ("study register", ["register", "e/sgd"]),
    ("study export --script, own module named", ["export", "own/s", "--script"]),
    ("study gallery", ["gallery"]),
    ("study sync", ["sync"]),
    ("study reproduce", ["reproduce", "e/sgd", "--force"]),
    ("study reproduce, own module named", ["reproduce", "own/s", "--force"]),
    ("study rename", ["rename", "own/s", "second", "--yes"]),
    ("study delete", ["delete", "own/second", "--yes"]),
]
# Commands that train nothing and load nothing.
READING = ("list", "watch", "compare", "export", "register", "sync", "rename", "delete")
# Starts every backend in a child, which takes long.
DOCTOR = ("study doctor", ["doctor"])
OWN_RUNS = {"named_net.py", "named_part.py"}
# Programs that tell the processor's name on some platforms.
HARMLESS = {"uname"}


def told(name):
    """Return a command's name as a row of the table has it."""
    return re.sub(r"`", "", name).strip()


def rows_of_page():
    """Return the cells of the table, by its first column."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `study")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {told(first): rest for first, *rest in cells}


class Folder:
    """The folder after all commands ran in it.

    Attributes:
        path: The folder.
        marks: The folder where planted modules leave their marks.
        statuses: The exit statuses of `ROWS`.
        noted: What was noted, by row and kind.
        output: What the commands printed.
    """

    def __init__(self, base, environment):
        self.path, self.marks = base / "folder", base / "marks"
        self.path.mkdir()
        self.marks.mkdir()
        foreign_folder.plant(self.path, self.marks)
        variables = foreign_folder.watching(self.path, base / "watcher")
        places = os.pathsep.join((variables["PYTHONPATH"], environment["PYTHONPATH"]))
        program = [sys.executable, "-P", str(Path(foreign_folder.__file__)), str(self.path), json.dumps(ROWS)]
        self.environment = {**environment, **variables, "PYTHONPATH": places, "KERAS_BACKEND": "tensorflow"}
        self.environment["COMP_LINE"] = "study run model=unn"
        ended = subprocess.run(
            program, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert ended.returncode == 0, ended.stderr
        self.statuses, self.output = json.loads(ended.stdout.splitlines()[-1]), ended.stdout + ended.stderr
        self.noted = foreign_folder.events(base / "watcher")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, environment):
    return Folder(tmp_path_factory.mktemp("foreign"), environment)


@pytest.mark.slow
def test_every_command_is_here():
    assert {words[0] for _, words in (*ROWS, DOCTOR)} | {"ui"} == {*COMMANDS, "-sc"}


@pytest.mark.slow
def test_the_shell_completes_names_of_the_folder(folder):
    assert "model=unnamed" in folder.output


@pytest.mark.slow
def test_no_planted_module_runs_but_those_that_a_config_names(folder):
    expected = [0] * len(ROWS)
    expected[[words for _, words in ROWS].index(["gallery"])] = 2  # no experiment of the gallery was run
    expected[[words for _, words in ROWS].index(["plan", "own"])] = 2  # a single study: there is no pilot of two
    assert folder.statuses == expected, folder.output
    assert {path.name for path in folder.marks.iterdir()} == {name.removesuffix(".py") for name in OWN_RUNS}


@pytest.mark.slow
def test_a_reproduction_and_a_script_say_first_which_files_they_run(folder):
    files = ", ".join(str(folder.path / name) for name in sorted(OWN_RUNS))
    assert folder.output.count(f"runs code that its config names: {files}\n") == 2


@pytest.mark.slow
def test_the_page_lists_exactly_what_commands_read_write_run_and_start(folder):
    measured = {name: _cells(folder.noted[name]) for name, _ in ROWS}
    page = rows_of_page()
    assert page.keys() == {*measured, "study ui", "study doctor"}
    assert {name: page[name] for name in measured} == measured


def _cells(noted):
    """Return the cells of a row of the table."""
    reads = {_place(path) for path in noted["reads"] if path != "matplotlibrc"}
    writes = {"a script" if path.endswith(".py") else _place(path) for path in noted["writes"]}
    starts = {re.sub(r"python[\d.]*", "Python", name) for name in noted["starts"]} - HARMLESS
    runs = "modules that its config names" if noted["runs"] else "nothing"
    assert noted["runs"] <= OWN_RUNS
    return [_listed(reads), _listed(writes), runs, _listed(starts)]


def _place(path):
    top, _, rest = path.partition("/")
    if top.endswith(".py"):
        return "text of modules"
    kinds = {".html": "a page", ".yaml": "a file", ".json": "a page", ".npz": "its data"}
    return f"`{top}/`" if rest else kinds[Path(path).suffix]


def _listed(names):
    return ", ".join(sorted(names, key=lambda name: name.strip("`").lower())) or "nothing"


@pytest.mark.slow
def test_nothing_of_a_store_is_unpickled(folder):
    reading = [name for name, words in ROWS if words[0] in READING]
    assert reading
    for name in reading:
        assert folder.noted[name]["unpickles"] == set()
    # The registry's command only sees that the archive is whole.
    others = [noted for name, noted in folder.noted.items() if name != "study register"]
    assert not [path for noted in others for path in noted["reads"] if path.endswith((".pkl", ".keras"))]


@pytest.mark.slow
def test_the_server_of_the_ui_runs_no_planted_module(folder, program):
    before = {path.name for path in folder.marks.iterdir()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**folder.environment, "WATCHED_COMMAND": "study ui"}
    command = [str(program), "ui", "--port", str(port)]
    child = subprocess.Popen(
        command,
        cwd=folder.path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert _answer(child, f"http://127.0.0.1:{port}/version")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)  # as a terminal sends Ctrl-C
        child.communicate(timeout=60)
    assert {path.name for path in folder.marks.iterdir()} == before
    noted = foreign_folder.events(Path(folder.environment["WATCHED_TO"]).parent)["study ui"]
    assert not noted["runs"]
    page = rows_of_page()["study ui"]
    assert [page[0], *page[2:]] == ["`mlruns/`", "nothing", "Python"]
    assert {_place(path) for path in noted["reads"]} == {"`mlruns/`"}


def _answer(child, address):
    """Wait for a server's answer."""
    for _ in range(600):
        if child.poll() is not None:
            raise AssertionError(child.communicate()[0].decode())
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no answer")


@pytest.mark.faults
def test_the_doctor_runs_no_module_of_the_folder(folder, program):
    before = {path.name for path in folder.marks.iterdir()}
    environment = {**folder.environment, "WATCHED_COMMAND": "study doctor"}
    ended = subprocess.run(
        [str(program), "doctor"], cwd=folder.path, env=environment, capture_output=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in folder.marks.iterdir()} == before
    noted = foreign_folder.events(Path(folder.environment["WATCHED_TO"]).parent)["study doctor"]
    assert rows_of_page()["study doctor"] == _cells(noted)


@pytest.mark.faults
@pytest.mark.parametrize("row", range(2, len(ROWS)))
def test_each_command_in_a_process_of_its_own(row, folder, program):
    _, words = ROWS[row]
    before = {mark.name for mark in folder.marks.iterdir()}
    ended = subprocess.run(
        [str(program), *words], cwd=folder.path, env=folder.environment, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in ended.stderr
    assert {mark.name for mark in folder.marks.iterdir()} == before
