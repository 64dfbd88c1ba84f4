"""Send random signals to workers of a study that train a stub, so that hundreds of signals take a minute."""

import collections
import random
import signal
import time

import pytest

from study.tracking.read_studies import read_studies
from tests.faults.crew import Crew, until
from tests.faults.test_trainer_signals import STATUS

pytestmark = pytest.mark.slow

N_TRIALS, N_CONFIRMATIONS = 6, 1


@pytest.fixture
def crew_in(program):
    """Makes the crew of a folder."""
    crews = []

    def crew_in(folder):
        crews.append(Crew(program, folder))
        return crews[-1]

    yield crew_in
    for crew in crews:
        crew.end()


def disturb(crew, draw, sent):
    """Run a study of three workers with one signal after the other, until a worker has ended it; return all faults."""
    wrong = []
    while True:
        pids = crew.start(3, n_trials=N_TRIALS, n_confirmations=N_CONFIRMATIONS, seconds_of=[0.02, 0.1])
        time.sleep(draw.uniform(0.0, 0.8))
        number, pid = draw.choice(list(STATUS)), draw.choice(pids)
        crew.send(pid, number)
        sent[number.name] += 1
        if number == signal.SIGSTOP:
            time.sleep(draw.uniform(0.0, 0.5))
            crew.send(pid, signal.SIGCONT)
        statuses = crew.join()
        # A signal before or after the handlers of the command ends it as the system does; one after its end, nothing.
        expected = {pid: {0, STATUS[number], -number if STATUS[number] else 0}}
        wrong += [f"{number.name}: {s}" for p, s in statuses.items() if s not in expected.get(p, {0})]
        if 0 in statuses.values():
            return wrong


def faults_of(crew):
    """Return what is wrong with the stores of a study that has ended."""
    (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
    runs = collections.Counter((run.kind, run.number) for run in (*record.trials, *record.confirmations))
    expected = {("trial", number): 1 for number in range(N_TRIALS)}
    expected |= {(kind, number): 1 for kind in ("best", "default") for number in range(N_CONFIRMATIONS)}
    wrong = [] if runs == expected else [f"runs {runs}"]
    statuses = {run.status for run in (record, *record.trials, *record.confirmations)}
    wrong += [] if statuses == {"FINISHED"} else [f"statuses {statuses}"]
    wrong += [] if record.tags["progress"] == f"{N_TRIALS}/{N_TRIALS}" else [f"progress {record.tags['progress']}"]
    return wrong + [f"{name} was trained again" for name in crew.trained_again()]


def disturb_studies(crew_in, new_folder, *, n_signals, seed):
    draw, sent, wrong = random.Random(seed), collections.Counter(), {}
    while sent.total() < n_signals:
        folder = new_folder(str(sent.total()))
        crew = crew_in(folder)
        if found := disturb(crew, draw, sent) + faults_of(crew):
            wrong[folder.name] = found
    return sent, wrong


def test_three_workers_end_a_study_after_some_random_signals(crew_in, new_folder):
    sent, wrong = disturb_studies(crew_in, new_folder, n_signals=3, seed=3)
    assert wrong == {}
    assert sent.total() >= 3


@pytest.mark.faults
def test_three_workers_end_a_study_after_a_hundred_random_signals(crew_in, new_folder, counted):
    sent, wrong = disturb_studies(crew_in, new_folder, n_signals=100, seed=4)
    counted(f"three workers: {', '.join(f'{n} {name}' for name, n in sorted(sent.items()))}, {len(wrong)} faults")
    assert wrong == {}


def test_a_worker_says_for_which_stopped_one_it_waits_and_since_when(crew_in, new_folder):
    crew = crew_in(new_folder("stopped"))
    options = {"n_trials": 2, "n_confirmations": 1, "hangs": 0, "patience_s": 0.3}
    (stopped,) = crew.start(1, **options)
    crew.pause(stopped)
    (waits,) = crew.start(1, **options)
    told = crew.folder / f"stderr-{waits}.txt"
    until(lambda: told.exists() and "waiting since" in told.read_text(), "the other says that it waits")
    crew.kill(stopped)
    assert crew.join() == {stopped: -9, waits: 0}
    assert f"for trial 0 of process {stopped} (stopped by a signal: kill -CONT {stopped}" in told.read_text()
