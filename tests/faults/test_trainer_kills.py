"""Kill real trainers at random moments; a resumed study must end with the numbers of an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.tracking.read_studies import read_histories, read_studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="it kills and resumes real trainings in fresh processes"),
]

ROOT = Path(__file__).parents[2]
N_TRIALS, N_CONFIRMATIONS, EXPERIMENT = 6, 2, "digits-mlp"
# The short form kills each trainer once, the full one a hundred times altogether.
TRAINERS = {
    "fit": ["trainer=fit", "trainer.backend=jax"],
    "vectorized": ["trainer=vectorized"],
}
OF_TIME = ("seconds_train", "seconds_compile", "seconds_evaluate")


def start(folder, trainer):
    folder.mkdir(parents=True, exist_ok=True)
    words = ["run", "optimizer=adam", "dataset=digits", "model=mlp", "model.hidden=[8]", *TRAINERS[trainer]]
    words += [f"budget.n_trials={N_TRIALS}", "budget.n_epochs=20", f"budget.n_confirmations={N_CONFIRMATIONS}"]
    words += ["trainer.checkpoint_every_n_epochs=3", "live=false", "tracking.log_model=false"]
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    command = [
        sys.executable,
        "-c",
        "import sys; from study.cli import command_line; sys.exit(command_line())",
        *words,
    ]
    environment = {**kept, "PYTHONPATH": str(ROOT)}
    with (folder / "told.txt").open("a") as told:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=told, text=True)


def came_to(folder):
    """Return the outcome of a study by run: state, numbers except seconds, and histories."""
    uri = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    (study,) = read_studies(uri, EXPERIMENT)
    runs = [*study.trials, *study.confirmations]
    assert study.status == "FINISHED"
    assert study.tags["progress"] == f"{N_TRIALS}/{N_TRIALS}"
    assert {run.status for run in runs} == {"FINISHED"}
    names = {name for run in runs for name in run.metrics}
    histories = read_histories(uri, [run.run_id for run in runs], names)
    found = {}
    for run in runs:
        assert (run.kind, run.number) not in found  # no number twice
        steps = {name: pair[0].tolist() for name, pair in histories[run.run_id].items()}
        assert all(len(of_metric) == len(set(of_metric)) for of_metric in steps.values())  # no metric twice
        values = {name: pair[1].tolist() for name, pair in histories[run.run_id].items() if name not in OF_TIME}
        found[run.kind, run.number] = (run.state, values, {name: steps[name] for name in values})
    return found


def kill_at_random(trainer, folder, *, n_kills, seed):
    """Kill and resume studies until there were `n_kills` kills; return the number of studies, and the wrong ones."""
    began = time.monotonic()
    assert start(folder / "whole", trainer).wait() == 0, (folder / "whole" / "told.txt").read_text()
    seconds, whole = time.monotonic() - began, came_to(folder / "whole")
    assert len(whole) == N_TRIALS + 2 * N_CONFIRMATIONS
    draw, killed, wrong, n_studies = random.Random(seed), 0, [], 0
    while killed < n_kills:
        n_studies += 1
        one, status = folder / str(n_studies), -signal.SIGKILL
        while status == -signal.SIGKILL:
            process, began = start(one, trainer), time.monotonic()
            if killed < n_kills:
                try:
                    # Imports take the first half; a kill during the imports cannot lose anything.
                    process.wait(timeout=seconds * draw.uniform(0.4, 1.0))
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
            status = process.wait()
        # The next study may run faster than the first one.
        seconds = min(seconds, time.monotonic() - began)
        if status != 0 or came_to(one) != whole:
            wrong.append(f"study {n_studies}: status {status}")
    return n_studies, wrong


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_killed_study_ends_like_an_uninterrupted_one(tmp_path, trainer):
    _, wrong = kill_at_random(trainer, tmp_path, n_kills=1, seed=1)
    assert wrong == []


@pytest.mark.faults
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_study_killed_again_and_again_ends_like_an_uninterrupted_one(tmp_path, trainer, counted):
    n_studies, wrong = kill_at_random(trainer, tmp_path, n_kills=50, seed=2)
    counted(f"{trainer}: killed 50 times in {n_studies} studies, {len(wrong)} of them wrong")
    assert wrong == []
