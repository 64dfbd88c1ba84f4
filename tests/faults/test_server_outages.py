"""PostgreSQL and MLflow that go away while workers train: stopped, crashed, frozen, or out of connections."""

import contextlib
import os
import random
import signal
import time

import optuna
import psutil
import pytest
import sqlalchemy

from study.core.errors import StoreAwayError, StoreError
from study.search.storage.postgresql import open_postgresql
from study.tracking.read_studies import read_studies
from tests.faults.crew import until
from tests.faults.database_server import DatabaseServer, needs_postgresql
from tests.faults.looking import faults_of
from tests.faults.test_tracking_server import Server, n_told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    started = DatabaseServer()
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture
def url(server, request):
    """A separate database for each test."""
    return server.database("".join(sign if sign.isalnum() else "_" for sign in request.node.name)[5:65])


def lines(crew):
    """Return the lines that the workers showed, by worker."""
    return {path.name: path.read_text().splitlines() for path in crew.folder.glob("stderr-*")}


def check(crew, url, *, n_trials):
    """Check both stores and the trainers' notes; nothing began twice unless its worker was killed."""
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="tiny-mlp/adam", storage=storage)
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert sorted(trial.user_attrs["trial_number"] for trial in complete) == list(range(n_trials))
    for name in storage.get_all_studies():
        assert all(trial.state.is_finished() for trial in storage.get_all_trials(name._study_id))
    storage.engine.dispose()
    (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
    assert [run.number for run in record.trials] == list(range(n_trials))
    assert len(record.confirmations) == 4
    assert {run.status for run in (*record.trials, *record.confirmations)} == {"FINISHED"}
    assert record.status == "FINISHED"
    began = [name for _, what, name, _ in crew.told() if what == "began"]
    if not crew.killed:
        assert sorted(began) == sorted(set(began))
        assert len(began) == n_trials + 4
    assert crew.trained_again() == []


def started(crew, url, **options):
    """Start three workers whose heartbeats are due after a second."""
    options = {"n_trials": 30, "optuna_url": url, "stale_after_s": 1.0, "seconds_of": [0.2, 0.5, 0.1, 0.3], **options}
    return crew.start(3, **options)


class TestPostgresql:
    pytestmark = needs_postgresql

    def test_workers_train_on_without_it_and_record_afterwards(self, crew, server, url):
        pids = started(crew, url, n_trials=9, seconds_of=[1.0])
        crew.wait_for(3)
        until(lambda: len(crew.busy()) == 3, "all train")
        in_training = set(crew.busy())
        server.stop("immediate")
        until(lambda: not in_training & set(crew.busy()), "what was in training has ended")
        time.sleep(1.5)  # longer than a worker may be silent
        server.go_on()
        assert crew.join() == dict.fromkeys(pids, 0)
        check(crew, url, n_trials=9)
        for shown in lines(crew).values():
            text = "\n".join(shown)
            assert text.count("PostgreSQL is away since") == text.count("PostgreSQL is back after") >= 1
            assert "Training goes on meanwhile. It is tried again for up to 900 seconds." in text

    @pytest.mark.faults
    def test_one_that_does_not_come_back_ends_a_worker_with_try_again(self, crew, server, url):
        started(crew, url, n_trials=9, seconds_of=[0.3], server_patience_s=1.0)
        crew.wait_for(3)
        server.stop("immediate")
        try:
            assert set(crew.join().values()) == {1}
        finally:
            server.go_on()
        for shown in lines(crew).values():
            assert "the same command continues the study" in shown[-1]
            assert "PostgresqlAwayError" in shown[-1]
        started(crew, url, n_trials=9)
        assert list(crew.join().values()) == [0, 0, 0]
        (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
        assert [run.number for run in record.trials] == list(range(9))
        assert len(record.confirmations) == 4

    def test_outages_end_with_1_and_wrong_addresses_with_2(self, server, url, monkeypatch):
        monkeypatch.setattr("study.search.storage.postgresql.SHORT_PATIENCE_S", 0.3)

        def status(address):
            with pytest.raises(StoreError) as caught:
                open_postgresql(address, study="0", stale_after_s=60.0, patience_s=5.0).__enter__()
            assert isinstance(caught.value, StoreAwayError) == (caught.value.exit_status == 1)
            return caught.value.exit_status

        assert status(url + "_missing") == 2
        assert status(url.replace("study@", "stranger@")) == 2
        assert status(url.replace("127.0.0.1", "host.invalid")) == 2
        with contextlib.closing(DatabaseServer.free_port()) as unused:
            assert status(url.replace(str(server.port), str(unused.getsockname()[1]))) == 1

    def test_a_worker_waits_for_a_free_connection(self, crew, server, url):
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            free = server.n_connections - connection.scalar(sqlalchemy.text("SELECT count(*) FROM pg_stat_activity"))
        with contextlib.ExitStack() as held:
            for _ in range(free + 10):  # some of those counted are the server's own
                with contextlib.suppress(sqlalchemy.exc.OperationalError):
                    held.enter_context(engine.connect())
            pids = started(crew, url, n_trials=3, server_patience_s=120.0)
            deadline = time.monotonic() + 60
            while len([True for shown in lines(crew).values() if "PostgreSQL is away" in "".join(shown)]) < 3:
                assert time.monotonic() < deadline, lines(crew)
                time.sleep(0.05)
        assert crew.join() == dict.fromkeys(pids, 0)
        check(crew, url, n_trials=3)
        for shown in lines(crew).values():
            text = "\n".join(shown)
            assert "too many clients already" in text
            assert "for up to 120 seconds" in text
            assert "PostgreSQL is back after" in text

    @pytest.mark.faults
    @pytest.mark.long(reason="it waits for outages of a real server")
    @pytest.mark.parametrize("mode", ["fast", "immediate", "frozen"])
    def test_many_outages_at_any_moment(self, crew, server, url, mode, counted):
        moments = random.Random(mode)
        n_trials, n_outages, away = 40, 1, 2.0
        server.stop(mode)  # the workers open their study while it is away
        started(crew, url, n_trials=n_trials, stale_after_s=2.0)
        time.sleep(2.0)
        server.go_on()
        workers = [psutil.Process(pid) for pid in crew.running()]
        while n_outages < 16 and any(worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
            time.sleep(moments.uniform(0.0, 4.0))
            seconds = moments.choice([0.0, 0.3, 1.5, 4.0])
            server.stop(mode)
            time.sleep(seconds)
            server.go_on()
            n_outages, away = n_outages + 1, away + seconds
        ended = crew.join()
        assert set(ended.values()) == {0}, [shown for shown in lines(crew).values() if "Error" in shown[-1]]
        check(crew, url, n_trials=n_trials)
        counted(f"3 workers, PostgreSQL {mode} {n_outages} times, {away:.0f} s in all: 40 of 40 trials, none twice")

    @pytest.mark.faults
    @pytest.mark.long(reason="it waits for outages of a real server")
    def test_a_worker_that_is_killed_during_an_outage_loses_its_trial_and_the_others_lose_none(
        self, crew, server, url, counted
    ):
        pids = started(crew, url, n_trials=20, seconds_of=[1.0], stale_after_s=3.0)
        crew.wait_for(4)
        while len(busy := crew.busy()) < 3:
            time.sleep(0.01)
        server.stop("fast")
        name, victim = next(iter(busy.items()))
        crew.kill(victim)
        time.sleep(6.0)
        server.go_on()
        assert crew.join() == {pid: -9 if pid == victim else 0 for pid in pids}
        check(crew, url, n_trials=20)
        began = [trained for _, what, trained, _ in crew.told() if what == "began"]
        assert [trained for trained in set(began) if began.count(trained) > 1] == [name]
        counted("3 workers, one killed while PostgreSQL was away: its trial alone was trained again")

    @pytest.mark.faults
    @pytest.mark.long(reason="it waits for outages of a real server")
    @pytest.mark.parametrize("seconds", [float(os.environ.get("OUTAGE_SECONDS", "75"))])
    def test_an_outage_longer_than_the_heartbeats_of_a_minute(self, crew, server, url, seconds, counted):
        pids = started(crew, url, n_trials=12, seconds_of=[10.0], stale_after_s=60.0)
        crew.wait_for(2)
        server.stop("fast")
        time.sleep(seconds)
        server.go_on()
        assert crew.join() == dict.fromkeys(pids, 0)
        check(crew, url, n_trials=12)
        counted(f"3 workers, PostgreSQL stopped for {seconds:.0f} s: 12 of 12 trials, none twice")


class TestMlflow:
    def test_a_study_that_opens_waits_for_it(self, victims, new_folder):
        folder = new_folder("served-study")
        server = Server(folder)
        victims.order(folder, uri=server.uri, n_trials=2, patience_s=120.0)
        shown = folder / "stderr.txt"
        until(lambda: shown.exists() and "is away" in shown.read_text(), "the study waits")
        try:
            server.start()
            assert victims.ended() == 0, shown.read_text()
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.send(signal.SIGKILL)
        assert shown.read_text().count("MLflow's server is away since") == 1
        assert "It is tried again for up to 120 seconds." in shown.read_text()
        assert shown.read_text().count("MLflow's server is back after") == 1
        assert faults_of(folder, n_trials=2) == []

        assert victims.live(folder, uri=server.uri, n_trials=3, patience_s=0.5) == 1
        assert "no server answers" in (folder / "message.txt").read_text()
        assert n_told(folder) == 2
