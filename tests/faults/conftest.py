"""The harness that injects faults: it kills real processes, stops real servers and fills real file systems.

`victims` (victims.py, a separate process) forks a process for every study that gets a fault. The test orders a study
by options and gets its exit status. An order may kill the study right before its n-th write to any store (`kill_at`),
hold it before a trial until a file `go-<number>` appears (`gates`), or put the spool before a local database
(`spooled`). The test reads the results of a study from outside, through `study/tracking/read_studies.py`.

Each fault has a short form in the default suite, and a full form with the marker `faults`. `counted` prints the number
of injected faults.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.crew import Crew

ROOT = Path(__file__).parents[2]


class Victims:
    """Studies in processes that may be killed, one at a time."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.faults.victims"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, folder, **options):
        """Start a study in a folder."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), **options}) + "\n")
        self._process.stdin.flush()

    def ended(self):
        """Wait for it and return its exit status, 128 and the signal's number when it was killed."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def live(self, folder, **options):
        """Run a study in a folder to its end."""
        self.order(folder, **options)
        return self.ended()

    def close(self):
        """End the process that forks them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="session")
def victims():
    opened = Victims()
    yield opened
    opened.close()


@pytest.fixture
def new_folder(tmp_path, empty_store):
    """Makes a folder for a study, with a prepared MLflow store, which saves half a second."""

    def new_folder(name):
        folder = tmp_path / name
        (folder / "mlruns").mkdir(parents=True)
        shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
        return folder

    return new_folder


@pytest.fixture
def counted(capsys):
    """Prints the number of injected faults, also if the test fails."""

    def counted(text):
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return counted


@pytest.fixture(scope="session")
def finished(compose_quick, tmp_path_factory, empty_store):
    """A folder with two finished studies."""
    from study.run import run_study

    folder = tmp_path_factory.mktemp("finished")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    for optimizer in ("adam", "sgd"):
        run_study(
            compose_quick(f"optimizer={optimizer}", f"study_name={optimizer}", "budget.n_trials=2", folder=folder)
        )
    return folder


@pytest.fixture
def crew(new_folder, program):
    """Workers of a study in a folder with a prepared MLflow store."""
    lent = Crew(program, new_folder("crew"))
    yield lent
    lent.end()
