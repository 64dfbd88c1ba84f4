"""Send random signals to real trainers at random moments; a study that goes on must end like an undisturbed one."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from study.tracking.read_studies import read_histories, read_studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="it ends and resumes real trainings in fresh processes"),
]

ROOT = Path(__file__).parents[2]
N_TRIALS, N_CONFIRMATIONS, EXPERIMENT = 6, 2, "digits-mlp"
STOPPING = ["trainer.early_stopping.patience=2", "schedule=plateau", "schedule.patience=1", "schedule.factor=0.5"]
JOINT = [
    *("search.model.dropout.low=0", "search.model.dropout.high=0.5", "schedule=warmup_cosine"),
    *("search.model.l2={low: 1e-6, high: 1e-2, scale: log}", "search.schedule.warmup_fraction={low: 0, high: 0.3}"),
    *("search.dataset.task.loss.label_smoothing={low: 0, high: 0.2}", "search.trainer.batch_size.choices=[32,64]"),
]
TRAINERS = {
    "fit": ["trainer=fit", "trainer.backend=jax"],
    "vectorized": ["trainer=vectorized", "trainer.capacity=2"],
    "fit, early stopping": ["trainer=fit", "trainer.backend=jax", *STOPPING],
    "vectorized, joint search": ["trainer=vectorized", "trainer.capacity=2", *JOINT],
    "vectorized, early stopping": ["trainer=vectorized", "trainer.capacity=2", *STOPPING],
}
OF_TIME = ("seconds_train", "seconds_compile", "seconds_evaluate")
# The exit status after each signal; a process that is stopped and goes on ends like any other.
STATUS = {signal.SIGINT: 1, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9, signal.SIGSTOP: 0}


def start(folder, trainer):
    folder.mkdir(parents=True, exist_ok=True)
    words = ["run", "optimizer=adam", "dataset=digits", "model=mlp", "model.hidden=[8]", *TRAINERS[trainer]]
    words += [f"budget.n_trials={N_TRIALS}", "budget.n_epochs=20", f"budget.n_confirmations={N_CONFIRMATIONS}"]
    words += ["trainer.checkpoint_every_n_epochs=3", "live=false", "tracking.log_model=false"]
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    command = [
        sys.executable,
        "-c",
        # A shell that runs this in the background lets its programs ignore Ctrl-C.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from study.cli import command_line; sys.exit(command_line())",
        *words,
    ]
    environment = {**kept, "PYTHONPATH": str(ROOT)}
    with (folder / "told.txt").open("a") as told:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=told, stderr=told, text=True, start_new_session=True
        )


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


def at_work_in(folder):
    """Return the processes whose working directory is a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


class Disturbed:
    """A study of workers, some of which get a signal.

    Attributes:
        sent: Number of signals sent, by name.
        wrong: Everything that was not as expected.
    """

    def __init__(self, trainer, *, n_workers, seed, of=tuple(STATUS)):
        self.sent, self.wrong = Counter(), []
        self._trainer, self._n_workers, self._of = trainer, n_workers, of
        self._draw = random.Random(seed)

    def disturb(self, folder, *, n_signals, seconds):
        """Send signals to the study of a folder, which runs for so many seconds, and let it go on until it ends."""
        while True:
            workers = [start(folder, self._trainer) for _ in range(self._n_workers)]
            due = self.sent.total() < n_signals
            sent_to = self._send(workers, seconds) if due else None
            for worker in workers:
                self._expect(folder, worker, sent_to)
            if left := at_work_in(folder):
                self.wrong.append(f"{folder.name}: {left} are left running")
            if any(worker.returncode == 0 for worker in workers):
                return

    def _send(self, workers, seconds):
        """Send one signal at a random moment to a worker that still runs; return the worker and the signal."""
        # Imports take the first half; a signal during the imports cannot lose anything.
        time.sleep(seconds * self._draw.uniform(0.4, 1.0))
        number, worker = self._draw.choice(self._of), self._draw.choice(workers)
        if worker.poll() is not None:
            return None
        worker.send_signal(number)
        self.sent[number.name] += 1
        if number == signal.SIGSTOP:
            time.sleep(self._draw.uniform(0.1, 3.0))
            worker.send_signal(signal.SIGCONT)
        return worker, number

    def _expect(self, folder, worker, sent_to):
        """Wait for the end of a worker, and check its exit status."""
        status = worker.wait(timeout=300)
        expected = STATUS[sent_to[1]] if sent_to is not None and sent_to[0] is worker else 0
        # A signal may also arrive in the last moment, before or after the handlers of the command.
        late = (0, -sent_to[1]) if expected else (0,)
        if status not in (expected, *late):
            told = (folder / "told.txt").read_text()[-2000:]
            self.wrong.append(f"{folder.name}: status {status} after {sent_to and sent_to[1].name}\n{told}")


def disturb_studies(trainer, folder, *, n_signals, n_workers, seed, of=tuple(STATUS)):
    """Disturb studies until so many signals were sent; return the number of studies, the signals and all faults."""
    began = time.monotonic()
    assert start(folder / "whole", trainer).wait() == 0, (folder / "whole" / "told.txt").read_text()
    seconds, whole = time.monotonic() - began, came_to(folder / "whole")
    assert len(whole) == N_TRIALS + 2 * N_CONFIRMATIONS
    disturbed = Disturbed(trainer, n_workers=n_workers, seed=seed, of=of)
    for n_studies in itertools.count(1):
        one, began = folder / str(n_studies), time.monotonic()
        n_before = disturbed.sent.total()
        disturbed.disturb(one, n_signals=n_signals, seconds=seconds)
        if came_to(one) != whole:
            disturbed.wrong.append(f"study {n_studies}: other numbers than the undisturbed study")
        if disturbed.sent.total() >= n_signals:
            return n_studies, disturbed.sent, disturbed.wrong
        if disturbed.sent.total() == n_before:  # it runs faster than the first one
            seconds *= 0.8


@pytest.mark.parametrize(
    ("trainer", "number"),
    [
        ("fit", signal.SIGTERM),
        ("vectorized, joint search", signal.SIGKILL),
        pytest.param("fit, early stopping", signal.SIGKILL, marks=pytest.mark.full),
        pytest.param("vectorized, early stopping", signal.SIGTERM, marks=pytest.mark.full),
    ],
)
def test_a_study_that_a_signal_ends_goes_on_like_an_undisturbed_one(tmp_path, trainer, number):
    _, sent, wrong = disturb_studies(trainer, tmp_path, n_signals=1, n_workers=1, seed=1, of=(number,))
    assert (sent, wrong) == ({number.name: 1}, [])
    if "stopping" in trainer:
        lengths = {len(values["loss"]) for _, values, _ in came_to(tmp_path / "1").values()}
        assert len(lengths) > 1


@pytest.mark.faults
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_study_after_random_signals_ends_like_an_undisturbed_one(tmp_path, trainer, n_workers, counted):
    n_studies, sent, wrong = disturb_studies(trainer, tmp_path, n_signals=25, n_workers=n_workers, seed=2)
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(sent.items()))
    counted(f"{trainer}, {n_workers} workers: {kinds} in {n_studies} studies, {len(wrong)} faults")
    assert wrong == []
