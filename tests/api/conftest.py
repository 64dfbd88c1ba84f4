import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from study.api.open_experiment import open_experiment
from study.core.names import hydra_text
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset, Split
from study.tracking.study_tracker import open_study

ROOT = Path(__file__).parents[2]
SPLIT = Split(x=np.zeros((2000, 3), np.float32), y=np.zeros(2000, np.int64))
DATASET = Dataset(name="digits", source="made up", train=SPLIT, validation=SPLIT, test=SPLIT, n_outputs=2)
RUN = (
    *("run", "-m", "optimizer=sgd,adam", "model.hidden=[16]", "budget.n_trials=3", "budget.n_epochs=2"),
    *("budget.n_confirmations=3", "trainer=fit", "live=false", "tracking.system_metrics=false"),
)
START = "import sys; from study.cli import command_line; sys.exit(command_line())"


@pytest.fixture(scope="session")
def in_process():
    """Run Python in a folder, in a process of its own that finds our packages."""
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "COLUMNS")}
    environment = {**kept, "PYTHONPATH": str(ROOT / ".ci" / "editable")}

    def run(program, *arguments, cwd, **variables):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=cwd,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def ran(tmp_path_factory, in_process):
    """A folder with two small studies, which `study run` trained."""
    folder = tmp_path_factory.mktemp("ran")
    in_process(START, *RUN, cwd=folder)
    return folder


@pytest.fixture
def copied(ran, tmp_path):
    """A copy of the folder, whose stores a test may change."""
    shutil.copytree(ran, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def view(ran):
    return open_experiment("digits-mlp", folder=ran)


@pytest.fixture
def command(monkeypatch):
    """Call a command in this process, in a folder, and return its output."""
    from study.cli import main

    def call(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "path", [*sys.path])
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(arguments) == 0
        return out.getvalue()

    return call


@pytest.fixture
def compared(ran, command, tmp_path):
    """The numbers of `study compare --json`."""
    text = command("compare", "digits-mlp", "--json", "--no-log", "--output", str(tmp_path / "page.html"), cwd=ran)
    return json.loads(text)["experiments"][0]


@pytest.fixture
def empty_folder(tmp_path, empty_store):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path


def record(tracker, kind, number, score, *, rate=None, state="complete", hyperparameters=None):
    """Record a training with an invented score after each of two epochs."""
    point = {"learning_rate": 0.01 * (1 + number) if rate is None else rate, **(hyperparameters or {})}
    trial = Trial(number=number, hyperparameters=point, run_seed=number, order_seed=number)
    tracker.start(kind, trial)
    for epoch in range(2):
        metrics = {"loss": 1.0, "accuracy": score, "val_accuracy": score * (epoch + 1) / 2, "val_loss": 1.0}
        tracker.epoch(kind, trial, EpochReport(epoch=epoch, step=10 * epoch + 10, metrics=metrics))
    if state is None:
        return
    tested = {} if kind == "trial" else {"test_accuracy": score - 0.01}
    result = TrialResult(trial=trial, state=state, history={"val_accuracy": [score / 2, score]}, summary=tested)
    tracker.end(kind, result, objective=score)


@pytest.fixture
def record_study(compose_quick, empty_folder):
    """Write a study into MLflow with invented trials and confirmations: their scores by number."""

    def write(name, *overrides, trials=(), best=(), **more):
        config = compose_quick(f"study_name={hydra_text(name)}", *overrides, folder=empty_folder)
        with open_study(config, study_name=name, dataset=DATASET, environment={}) as tracker:
            for number, score in enumerate(trials):
                record(tracker, "trial", number, score, **more)
            for number, score in enumerate(best):
                record(tracker, "best", number, score, rate=0.01 * (1 + int(np.argmax(trials))), **more)
        return empty_folder

    return write
