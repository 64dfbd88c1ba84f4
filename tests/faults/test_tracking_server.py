import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import optuna
import pytest
from mlflow.tracking import MlflowClient

from study.cli import main
from study.search.storage.journal import Journal
from study.search.stored_claims import is_of_claims
from study.tracking.read_studies import read_studies
from tests.faults.crew import until
from tests.faults.looking import faults_of
from tests.faults.victims import KILLED

pytestmark = pytest.mark.slow


class Server:
    """A real MLflow server on a folder's database, which can be frozen, killed and started again."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlruns/mlflow.db", "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "served")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.txt").open("a") as log:
            # A separate process group, so that the server's workers are stopped with it.
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, "the server starts")

    def send(self, number):
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def _answers(self):
        assert self._process.poll() is None, (self._folder / "server.txt").read_text()[-2000:]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
            return True
        return False


@pytest.fixture
def folder(new_folder):
    return new_folder("served-study")


@pytest.fixture
def server(folder):
    server = Server(folder)
    server.start()
    yield server
    with contextlib.suppress(ProcessLookupError):
        server.send(signal.SIGKILL)


def reached(folder, trial):
    until((folder / f"reached-{trial}").exists, f"trial {trial} starts")


def n_told(folder):
    storage = optuna.storages.JournalStorage(Journal(folder / "mlruns" / "optuna.journal"))  # type: ignore[arg-type]
    (study,) = (study for study in storage.get_all_studies() if not is_of_claims(study.study_name))
    return sum(trial.state.is_finished() for trial in storage.get_all_trials(study._study_id))


def spools(folder):
    return list((folder / "mlruns" / "spool").glob("*.jsonl"))


def stop_again_and_again(victims, folder, server, *, seconds, n_stops, n_trials):
    """Stop the server while trials are trained: frozen the first time, killed the others."""
    apart = (n_trials - 2) // (2 * n_stops)
    gates = [1 + apart * index for index in range(2 * n_stops)]
    victims.order(folder, uri=server.uri, n_trials=n_trials, gates=gates)
    for stop in range(n_stops):
        before, behind = gates[2 * stop], gates[2 * stop + 1]
        reached(folder, before)
        server.send(signal.SIGSTOP if stop == 0 else signal.SIGKILL)
        (folder / f"go-{before}").touch()
        reached(folder, behind)  # training goes on without a server
        assert n_told(folder) == behind
        time.sleep(seconds)
        if stop == 0:
            server.send(signal.SIGCONT)
        else:
            server.start()
        (folder / f"go-{behind}").touch()
    assert victims.ended() == 0, (folder / "stderr.txt").read_text()
    assert faults_of(folder, n_trials=n_trials) == []
    assert spools(folder) == []
    assert [path.read_text() for path in folder.rglob("notes/end.txt")] == ["the outcome"]


def test_a_study_trains_on_while_its_server_is_frozen(victims, folder, server):
    stop_again_and_again(victims, folder, server, seconds=3.0, n_stops=1, n_trials=5)


@pytest.mark.faults
def test_a_study_whose_server_is_stopped_three_times_for_half_a_minute(victims, folder, server, counted):
    stop_again_and_again(victims, folder, server, seconds=30.0, n_stops=3, n_trials=40)
    counted("40 trials, the server stopped 3 times for 30 s: every metric is there once")


def test_records_of_a_study_whose_server_does_not_come_back_wait_for_study_sync(
    victims, folder, server, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # restore the variables that sync sets
    options = {"uri": server.uri, "n_trials": 3, "patience_s": 0.5}
    victims.order(folder, **options, gates=[1])
    reached(folder, 1)
    server.send(signal.SIGKILL)
    (folder / "go-1").touch()
    reached(folder, 2)
    assert victims.ended() == 1
    message = (folder / "message.txt").read_text()
    assert f"tracking_uri={server.uri}: the server is away; the study's last" in message
    assert "`study sync` delivers them" in message
    (spool,) = spools(folder)
    assert n_told(folder) == 3

    assert main(["sync", "--folder", str(folder)]) == 1
    assert "no server answers" in capsys.readouterr().err
    assert spools(folder) == [spool]

    server.start()
    assert main(["sync", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tiny-mlp/adam: ")
    assert said.endswith(f" records delivered to {server.uri}.\n")
    assert faults_of(folder, n_trials=3) == []
    assert main(["sync", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == "No records wait for delivery.\n"


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_failed_trial_is_retried_under_its_run(victims, folder, server, capacity):
    options = {"uri": server.uri, "n_trials": 2, "capacity": capacity}
    assert victims.live(folder, **options, fails=0) == 0, (folder / "stderr.txt").read_text()
    client = MlflowClient(server.uri)
    (study,) = read_studies(server.uri, "tiny-mlp")
    failed, other = study.trials
    assert (failed.state, failed.status) == ("failed", "FAILED")
    assert [file.path for file in client.list_artifacts(failed.run_id)] == ["error.txt"]

    assert victims.live(folder, **options, retry_failed=True) == 0, (folder / "stderr.txt").read_text()
    (study,) = read_studies(server.uri, "tiny-mlp")
    assert [(run.run_id, run.state) for run in study.trials] == [
        (failed.run_id, "complete"),
        (other.run_id, "complete"),
    ]
    assert study.trials[0].metrics["objective"] == study.trials[0].metrics["val_accuracy"]
    assert client.list_artifacts(failed.run_id) == []
    assert spools(folder) == []


@pytest.mark.faults
def test_a_study_killed_with_records_that_wait_is_resumed_with_its_server(victims, folder, server):
    victims.order(folder, uri=server.uri, n_trials=3, gates=[1, 2])
    reached(folder, 1)
    server.send(signal.SIGKILL)
    (folder / "go-1").touch()
    reached(folder, 2)
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    assert victims.ended() == KILLED
    assert len(spools(folder)) == 1

    # Without its server the study cannot be resumed; the message is one line.
    assert victims.live(folder, uri=server.uri, n_trials=3, patience_s=0.5) == 1
    assert "no server answers" in (folder / "message.txt").read_text()

    server.start()
    (folder / "go-2").touch()
    assert victims.live(folder, uri=server.uri, n_trials=3) == 0, (folder / "stderr.txt").read_text()
    assert faults_of(folder, n_trials=3) == []
    assert spools(folder) == []
