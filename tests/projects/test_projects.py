"""Small projects with data of their own, run by command line: killed, resumed, reproduced, exported, compared."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long(reason="each test runs six commands of a user")]

HERE = Path(__file__).parent
PROJECTS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__")
# The projects that always run: a stream, and a model of several outputs. The tutorial's own file runs with its page.
SHORT = ("tf_data", "two_outputs")
CASES = [pytest.param(name, marks=() if name in SHORT else pytest.mark.full) for name in PROJECTS]
STUDY = "import sys; from study.cli import command_line; sys.exit(command_line())"
# Budget of a search that is quick, and long enough to be killed in.
BUDGET = ("budget=smoke", "budget.n_trials=3", "budget.n_epochs=2")


@pytest.fixture
def project(request, tmp_path):
    name = request.param
    folder = tmp_path / name
    shutil.copytree(HERE / name, folder)
    if name == "grain_data":
        pytest.importorskip("grain")
    make = folder / "make_files.py"
    if make.exists():
        subprocess.run([sys.executable, str(make)], cwd=folder, check=True, capture_output=True)
    words = (folder / "command.txt").read_text().splitlines() if (folder / "command.txt").exists() else []
    return folder, words or [f"dataset={name}", "model=net"]


def command(folder, *words):
    return [sys.executable, "-c", STUDY, *words], {"cwd": folder, "text": True, "env": environment()}


def environment():
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    return kept | {"PYTHONWARNINGS": "ignore"}


def run(folder, *words):
    arguments, how = command(folder, *words)
    ended = subprocess.run(arguments, **how, capture_output=True, check=False)
    assert ended.returncode == 0, f"{words}: {ended.stdout[-2000:]}{ended.stderr[-3000:]}"
    return ended.stdout + ended.stderr


def killed_after(folder, line, *words):
    """Run a command, and kill it with SIGKILL once it has printed a line that contains a text."""
    arguments, how = command(folder, *words)
    with subprocess.Popen(
        arguments, **how, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as started:
        printed = []
        for told in started.stdout:
            printed.append(told)
            if line in told:
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert line in printed[-1], "".join(printed)


@pytest.mark.parametrize("project", CASES, indirect=True)
def test_a_project_is_killed_resumed_reproduced_exported_and_compared(project):
    folder, words = project
    search = ["run", "-m", "optimizer=adam,sgd", "experiment_name=mine", *words, *BUDGET]
    killed_after(folder, "trial 1", *search)
    printed = run(folder, *search)
    assert "| adam" in printed
    assert "| sgd" in printed
    assert "3/3" in printed
    again = run(folder, *search)
    assert "3 trials, 3 of them already done" in again, again
    reproduced = run(folder, "reproduce", "mine/adam", *(["--tolerance", "10"] if "own stream" in printed else []))
    assert "reproduced" in reproduced
    run(folder, "export", "mine/adam", "-o", "best.yaml")
    assert "learning_rate" in (folder / "best.yaml").read_text()
    run(folder, "compare", "mine")
    page = next(folder.rglob("*.html")).read_text()
    assert "adam" in page
    assert ("own stream" in page) == ("own stream" in printed)
