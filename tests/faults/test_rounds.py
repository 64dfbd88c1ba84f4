"""Kill commands that confirm in rounds, between and within looks; and go on: the decisions must not change."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.report.pairing import decide_outcome
from study.report.studies import gather
from study.tracking.read_studies import read_histories, read_studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="it ends and resumes real trainings of several studies in fresh processes"),
]

ROOT = Path(__file__).parents[2]
EXPERIMENT, OPTIMIZERS, N_TRIALS, MOST = "digits-mlp", ("adam", "lion", "sgd"), 2, 20
LOOKS = (5, 10, 20)
OF_TIME = ("seconds_train", "seconds_compile", "seconds_evaluate")
LOOK = re.compile(r"look at (\d+) seeds")
TRAINED = re.compile(r"^(?:\S+: )?(?:(\d+) confirmations|confirmation \d+) \(tuned\)", re.MULTILINE)


def start(folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = ["run", "-m", f"optimizer={','.join(OPTIMIZERS)}", "dataset=digits", "model=mlp", "model.hidden=[8]"]
    words += ["trainer=vectorized", "trainer.capacity=2", f"budget.n_trials={N_TRIALS}", "budget.n_epochs=4"]
    words += ["budget.confirm=sequential", f"budget.n_confirmations={MOST}", "live=false", "tracking.log_model=false"]
    command = [sys.executable, "-c", "import sys; from study.cli import command_line; sys.exit(command_line())"]
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    told = folder / f"told-{len(list(folder.glob('told-*')))}.txt"
    with told.open("w") as stream:
        process = subprocess.Popen(
            [*command, *words],
            cwd=folder,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    process.told = told
    return process


def wait_for(process, pattern, *, times=1):
    """Wait until a process has said something so many times."""
    ends = time.monotonic() + 240
    while len(re.findall(pattern, process.told.read_text(), re.MULTILINE)) < times:
        assert process.poll() is None, process.told.read_text()
        assert time.monotonic() < ends, process.told.read_text()
        time.sleep(0.01)


def came_to(folder):
    """Return every run of every study with its seeds and numbers, the plans of looks, and the decisions."""
    uri = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    records = read_studies(uri, EXPERIMENT)
    assert sorted(record.name for record in records) == sorted(OPTIMIZERS)
    assert {record.status for record in records} == {"FINISHED"}
    runs = {(record.name, run.kind, run.number): run for record in records for run in record.trials}
    confirmations = [(record.name, run) for record in records for run in record.confirmations]
    runs |= {(name, run.kind, run.number): run for name, run in confirmations}
    assert len(runs) == sum(len(record.trials) + len(record.confirmations) for record in records)  # no number twice
    histories = read_histories(
        uri, [run.run_id for run in runs.values()], {n for r in runs.values() for n in r.metrics}
    )
    found = {}
    for key, run in runs.items():
        values = {name: pair[1].tolist() for name, pair in histories[run.run_id].items() if name not in OF_TIME}
        found[key] = (run.state, run.params["run_seed"], run.params["order_seed"], values)
    plans = {record.name: record.tags["looks"] for record in records}
    outcome = decide_outcome(gather(EXPERIMENT, records, digests={}, read_histories=lambda *_: {}))
    return found, plans, outcome.decisions, outcome.due


def n_of(found, kind):
    return {name: sum(key[:2] == (name, kind) for key in found) for name in OPTIMIZERS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The results of an undisturbed command, and what it said."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder)
    assert process.wait(timeout=300) == 0, process.told.read_text()
    return came_to(folder), process.told.read_text()


def test_a_command_confirms_in_rounds_until_nothing_is_due(whole):
    (found, plans, decisions, due), told = whole
    looks = [int(n) for n in LOOK.findall(told)]
    assert looks == list(LOOKS[: len(looks)])
    assert not due
    assert len(set(plans.values())) == 1
    assert n_of(found, "default") == dict.fromkeys(OPTIMIZERS, LOOKS[0])
    n_best = n_of(found, "best")
    assert max(n_best.values()) == looks[-1]
    assert set(n_best.values()) <= set(LOOKS)
    assert decisions.n_looks_made == len(looks)
    assert len(looks) > 1, "planted: the contenders must differ by little enough for a second look"


MOMENTS = {
    "before the first look": (r"confirmation 0 \(tuned\)", 1),
    "between looks": (r"look at 5 seeds", 1),
    "within a look": (r"confirmation 5 \(tuned\)", 1),
    "between studies of a look": (r"further confirmations", 2),
    "at the end": (r"further confirmations", 3),
}


@pytest.mark.parametrize(
    "moment",
    [
        "within a look",
        *(pytest.param(each, marks=pytest.mark.full) for each in ("between looks", "between studies of a look")),
    ],
)
def test_a_command_that_was_killed_goes_on_to_the_decisions_of_an_undisturbed_one(tmp_path, whole, moment):
    kill_once(tmp_path, moment)
    process = start(tmp_path)
    assert process.wait(timeout=300) == 0, process.told.read_text()
    assert came_to(tmp_path) == whole[0]


def kill_once(folder, moment, *, after=0.0):
    process = start(folder)
    pattern, times = MOMENTS[moment]
    wait_for(process, pattern, times=times)
    time.sleep(after)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_two_workers_of_one_command_train_each_confirmation_once(tmp_path, whole):
    workers = [start(tmp_path) for _ in range(2)]
    for worker in workers:
        assert worker.wait(timeout=300) == 0, worker.told.read_text()
    assert came_to(tmp_path) == whole[0]
    trained = sum(int(n or 1) for worker in workers for n in TRAINED.findall(worker.told.read_text()))
    assert trained == sum(n_of(whole[0][0], "best").values())


@pytest.mark.faults
@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_command_after_random_kills_comes_to_the_decisions_of_an_undisturbed_one(
    tmp_path, whole, n_workers, counted
):
    draw, n_kills = random.Random(25), 0
    for number in range(6):
        folder = tmp_path / str(number)
        for _ in range(3):
            workers = [start(folder) for _ in range(n_workers)]
            time.sleep(draw.uniform(3.0, 25.0))
            victim = draw.choice(workers)
            n_kills += victim.poll() is None
            victim.kill()
            for worker in workers:
                assert worker.wait(timeout=300) in (0, -signal.SIGKILL), worker.told.read_text()
        last = start(folder)
        assert last.wait(timeout=300) == 0, last.told.read_text()
        assert came_to(folder) == whole[0]
    counted(f"{n_workers} workers: {n_kills} kills in 6 experiments, none with other decisions")
