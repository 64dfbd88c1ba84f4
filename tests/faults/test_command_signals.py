"""Send signals to whole commands: nothing that they started may be left, and none may run on."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from study.tracking.read_studies import read_studies
from tests.faults.test_trainer_signals import STATUS, at_work_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="it starts whole commands in fresh processes"),
]

ROOT = Path(__file__).parents[2]
ENDING = [number for number in STATUS if number != signal.SIGSTOP]
SIGNALS = [pytest.param(number, marks=[] if number == signal.SIGKILL else [pytest.mark.faults]) for number in ENDING]


def start(folder, *words, **options):
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from study.cli import command_line; sys.exit(command_line())"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    places = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    command = [sys.executable, "-c", program, *words]
    return subprocess.Popen(command, cwd=folder, env={**kept, "PYTHONPATH": places}, **options)


def until(is_so, process=None):
    for _ in range(1200):
        if is_so():
            return
        assert process is None or process.poll() is None
        time.sleep(0.1)
    raise AssertionError("nothing happened within two minutes")


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
            return True
    except OSError:
        return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_server_of_study_ui_ends_with_it(new_folder, number):
    folder, port = new_folder("ui"), free_port()
    with (folder / "told.txt").open("w") as told:
        command = start(folder, "ui", "--port", str(port), stdout=told, stderr=told)
    until(lambda: answers(port), command)
    command.send_signal(number)
    assert command.wait(timeout=60) == STATUS[number]
    until(lambda: at_work_in(folder) == [])
    assert not answers(port)


SWEEP = ["run", "-m", "optimizer=adam", "dataset=digits", "model=mlp", "model.hidden=[8]", "budget.n_trials=200"]
SWEEP += ["budget.n_epochs=3", "budget.n_confirmations=2", "trainer=fit", "trainer.backend=jax,tensorflow"]


def n_trials(folder):
    if not (folder / "mlruns" / "optuna.journal").exists():
        return 0
    studies = read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "digits-mlp")
    return max((len(study.trials) for study in studies if "tensorflow" in study.name), default=0)


@pytest.mark.faults
@pytest.mark.parametrize("number", ENDING)
def test_the_child_process_of_a_sweep_over_two_backends_ends_with_its_parent(new_folder, number):
    folder = new_folder("sweep")
    words = [word.replace("n_trials=200", "n_trials=2") for word in SWEEP[:-1]]
    assert start(folder, *words, "trainer.backend=jax").wait() == 0
    with (folder / "told.txt").open("w") as told:
        command = start(folder, *SWEEP, stdout=told, stderr=told)
    until(lambda: len(psutil.Process(command.pid).children()) > 0 and n_trials(folder) > 2, command)
    command.send_signal(number)
    assert command.wait(timeout=60) == STATUS[number], (folder / "told.txt").read_text()
    until(lambda: at_work_in(folder) == [])
    before = n_trials(folder)
    time.sleep(2.0)
    assert n_trials(folder) == before
    if number != signal.SIGKILL:
        (study,) = (
            each
            for each in read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "digits-mlp")
            if "tensorflow" in each.name
        )
        assert study.status == "KILLED"
        assert "Run the same command again to continue." in (folder / "told.txt").read_text()


def of_joblib(command):
    """Return the processes in which joblib runs jobs."""
    children = psutil.Process(command.pid).children()
    return [child.pid for child in children if any("popen_loky" in word for word in child.cmdline())]


def start_joblib(folder, *, n_trials):
    words = ["run", "-m", "optimizer=sgd,adam", "dataset=digits", "model=mlp", "model.hidden=[8]", "trainer=fit"]
    words += [f"budget.n_trials={n_trials}", "budget.n_epochs=3", "budget.n_confirmations=1", "trainer.backend=jax"]
    with (folder / "told.txt").open("w") as told:
        command = start(folder, *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", stdout=told, stderr=told)
    until(lambda: (folder / "told.txt").read_text().count("complete") >= 4, command)
    return command


@pytest.mark.faults
@pytest.mark.parametrize("number", ENDING)
def test_the_processes_of_joblib_end_with_the_command(new_folder, number):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = new_folder("joblib")
    command = start_joblib(folder, n_trials=300)
    command.send_signal(number)
    assert command.wait(timeout=60) == STATUS[number], (folder / "told.txt").read_text()
    until(lambda: at_work_in(folder) == [])
    if number != signal.SIGKILL:
        studies = read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "digits-mlp")
        assert {study.status for study in studies} == {"KILLED"}


@pytest.mark.faults
def test_a_process_of_joblib_that_gets_a_signal_leaves_alone(new_folder):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = new_folder("joblib")
    command = start_joblib(folder, n_trials=30)
    os.kill(of_joblib(command)[0], signal.SIGTERM)
    assert command.wait(timeout=300) == 1
    assert "stopped by SIGTERM. Run the same command again" in (folder / "told.txt").read_text()
    studies = read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "digits-mlp")
    assert sorted(study.status for study in studies) == ["FINISHED", "KILLED"]
    assert at_work_in(folder) == []


@pytest.mark.faults
def test_a_study_whose_terminal_is_closed_ends_cleanly(new_folder):
    folder = new_folder("terminal")
    words = ["run", "optimizer=adam", "dataset=digits", "model=mlp", "model.hidden=[8]", "budget.n_trials=500"]
    words += ["budget.n_epochs=3", "trainer=fit", "trainer.backend=jax"]
    ours, theirs = pty.openpty()
    options = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    command = start(folder, *words, preexec_fn=lambda: _control(theirs), **options)
    os.close(theirs)
    seen = b""
    while b"best" not in seen:
        seen += os.read(ours, 65536)
    os.close(ours)  # the system sends SIGHUP
    assert command.wait(timeout=60) == 129
    (study,) = read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "digits-mlp")
    assert study.status == "KILLED"
    assert at_work_in(folder) == []


def _control(terminal):
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
