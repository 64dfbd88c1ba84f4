"""Workers on a real PostgreSQL: killed midway, joining late, and started through a real Ray cluster."""

import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from study.search.claims import Claims
from study.search.storage.postgresql import are_alive, open_postgresql
from study.search.stored_claims import read_claims
from study.tracking.read_studies import read_studies
from tests.faults.crew import ROOT, until
from tests.faults.database_server import needs_postgresql, wait_for_no_disk

pytestmark = [pytest.mark.faults, *needs_postgresql]
SECRET = "3HtX-secret"


@pytest.fixture(scope="module")
def server():
    """PostgreSQL as `make server` starts it; yields the address of its database."""
    # Not in pytest's folder, which only its owner may enter: PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="study-server-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / ".ci" / "server"), "--folder", str(folder), "--without-mlflow"]
    process = subprocess.Popen(
        [*command, "--postgresql-port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(f"PostgreSQL on 127.0.0.1:{port}")
        url = f"postgresql+psycopg://study@127.0.0.1:{port}/optuna"
        wait_for_no_disk(url)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.stdout.close()
        shutil.rmtree(folder)


@pytest.fixture
def url(server, request):
    """A separate database for each test."""
    name = request.node.name.partition("[")[0][:60]
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/optuna", f"/{name}")


def check(crew, url, *, n_trials):
    """Check PostgreSQL, MLflow's store and the trainers' notes."""
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="tiny-mlp/adam", storage=storage)
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert sorted(trial.user_attrs["trial_number"] for trial in complete) == list(range(n_trials))
    assert all(trial.state.is_finished() for trial in study.trials)
    assert [each.study_name for each in storage.get_all_studies()] == ["tiny-mlp/adam"]
    storage.engine.dispose()
    (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
    assert [run.number for run in record.trials] == list(range(n_trials))
    assert len(record.confirmations) == 4
    assert {run.status for run in (*record.trials, *record.confirmations)} == {"FINISHED"}
    assert crew.trained_again() == []


def test_eight_workers_three_killed_two_late(crew, url, counted):
    options = {"n_trials": 60, "optuna_url": url, "stale_after_s": 3.0, "seconds_of": [0.2, 0.5, 0.1, 0.9]}
    crew.start(8, **options)
    for n_ended in (8, 14, 20):
        crew.wait_for(n_ended)
        while not (busy := set(crew.busy().values()) - crew.killed):
            time.sleep(0.01)
        crew.kill(busy.pop())
    crew.start(2, **options)
    statuses = crew.join()
    assert sorted(statuses.values()) == [-9] * 3 + [0] * 7
    check(crew, url, n_trials=60)
    again = sum(what == "began" and name.startswith("trial") for _, what, name, _ in crew.told()) - 60
    counted(f"8 workers on PostgreSQL, 3 killed, 2 joined late: 60 of 60 trials, {again} taken over")


def test_a_paused_worker_notices_that_its_trial_was_taken_over(crew, url):
    options = {"n_trials": 3, "optuna_url": url, "stale_after_s": 2.0, "hangs": [0]}
    (paused,) = crew.start(1, **options)
    crew.pause(paused, optuna_url=url)
    crew.killed.add(paused)
    (other,) = crew.start(1, **options)
    until(lambda: "trial 0" in {name for _, what, name, _ in crew.told() if what == "ended"}, "it was taken over")
    crew.go_on()
    crew.send(paused, signal.SIGCONT)
    statuses = crew.join()
    errors = "".join(path.read_text() for path in crew.folder.glob("stderr-*"))
    assert statuses[other] == 0, errors
    assert statuses[paused] != 0
    assert "1 of this worker's trials were taken over by others" in errors
    check(crew, url, n_trials=3)


def test_the_claims_of_a_silent_worker_end_and_those_of_one_that_trains_no_trial_do_not(url):
    options = {"study": "abc123", "stale_after_s": 1.0, "patience_s": 5.0}
    with open_postgresql(url, **options) as other:
        study_id = optuna.create_study(storage=other.optuna, study_name="x/y")._study_id
        waiting = Claims(other, "x/y")
        with open_postgresql(url, **options) as first:
            claims = Claims(first, "x/y")
            assert claims.take(["a", "b"], 2) == ["a", "b"]
            claims.finish(but="b")
            ends = time.monotonic() + 2.5
            while time.monotonic() < ends:
                assert waiting.take(["b"], 1) == []
                assert are_alive(url, [], claiming=(study_id, {first.worker}), stale_after_s=1.0)
                time.sleep(0.2)
            assert first.worker.split(":")[1] in waiting.others_text()
        time.sleep(1.5)  # without a last word, as after a kill
        assert not are_alive(url, [], claiming=(study_id, {first.worker}), stale_after_s=1.0)
        assert waiting.take(["b"], 1) == ["b"]
        assert waiting.others_text() == ""
        states = [(claim.key, claim.state) for claim in read_claims(other.optuna, study_id)]
        assert states == [("a", "done"), ("b", "left"), ("b", "held")]
        shown = other.optuna.get_study_system_attrs(study_id)
        assert {name for name in shown if name.startswith("worker ")} == {
            f"worker {each.worker}" for each in (first, other)
        }


def test_a_password_appears_in_no_message(crew, url):
    wrong = url.replace("study@", f"stranger:{SECRET}@")
    crew.start(1, n_trials=1, optuna_url=wrong)
    (status,) = crew.join().values()
    assert status != 0
    (errors,) = crew.folder.glob("stderr-*")
    assert "PostgreSQL cannot be used" in errors.read_text()
    found = [path for path in crew.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert found == []


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra `distributed`)")
def test_the_same_through_ray_which_starts_killed_workers_anew(crew, url, counted):
    # A separate process, since Ray starts threads and emits warnings.
    order = {"folder": str(crew.folder), "n_trials": 40, "optuna_url": url, "stale_after_s": 3.0}
    order["seconds_of"] = [0.2, 0.5, 0.1, 0.9]
    command = [sys.executable, "-m", "tests.faults.through_ray", json.dumps(order)]
    with (crew.folder / "ray.txt").open("w") as log:
        cluster = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        for n_ended in (6, 10, 14):
            crew.wait_for(n_ended)
            while not (busy := set(crew.busy().values()) - crew.killed):
                time.sleep(0.01)
            crew.kill(busy.pop())
        assert cluster.wait(300) == 0
    finally:
        cluster.terminate()
        cluster.wait()
    check(crew, url, n_trials=40)
    n_workers = len({pid for _, _, _, pid in crew.told()})
    counted(f"8 workers through Ray, 3 killed: 40 of 40 trials, by {n_workers} processes")
