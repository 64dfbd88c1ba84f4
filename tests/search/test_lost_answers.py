"""A search whose database loses its connection at any commit, before it or after it, when only the answer is lost."""

import contextlib
import functools
import itertools
import sqlite3

import optuna
import pytest

from study.core.outages import Outage
from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search
from study.search.optuna_internals import database_of
from study.search.storage.server_errors import postgresql_errors


class LosingStorage:
    """A database on SQLite, whose n-th commit fails as if a server were away, before it is done or after."""

    worker = "this one"

    def __init__(self, path, *, at, is_done):
        self.optuna = optuna.storages.get_storage(optuna.storages.RDBStorage(f"sqlite:///{path}"))
        self.n_commits, self.watched, self._depth = 0, set(), 0
        self._is_locked_out = False
        engine = database_of(self.optuna).engine
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = OFF")
        dialect = engine.dialect
        commit = dialect.do_commit

        def losing(connection):
            self.n_commits += 1
            if not self._is_locked_out and (self.n_commits != at or is_done):
                commit(connection)
            if self.n_commits == at:
                self._is_locked_out = self._depth > 1
            if self.n_commits == at or self._is_locked_out:
                raise sqlite3.OperationalError("server closed the connection unexpectedly")

        dialect.do_commit = losing
        self._outage = Outage("the database", patience_s=60.0)

    def repeat(self, operation):
        if self._depth:
            return operation()

        def call():
            with postgresql_errors("sqlite"):
                return operation()

        self._depth = 1
        try:
            return self._outage.bridge(call)
        finally:
            self._depth = 0

    @contextlib.contextmanager
    def alone(self):
        """With the connection, the lock is lost, without which nothing is written."""
        self._depth += 1
        try:
            with postgresql_errors("sqlite"):
                yield
        finally:
            self._depth -= 1
            self._is_locked_out = False

    @contextlib.contextmanager
    def reading(self):
        with postgresql_errors("sqlite"):
            yield

    creating, together = alone, reading

    def watch(self, trial_id):
        self.watched.add(trial_id)

    def unwatch(self, trial_id):
        self.watched.discard(trial_id)

    def lost(self):
        return frozenset()

    def appear(self, study_id):
        self.appeared_in = study_id

    def dead(self, workers, study_id):
        assert study_id == self.appeared_in
        return set(workers)

    def abandoned(self, running):
        return {trial_id for trial_id, worker in running.items() if worker is None or trial_id not in self.watched}


@pytest.fixture
def search_with(compose, tmp_path, monkeypatch):
    """Searches with claims in a fresh database; returns the results and the storage."""
    monkeypatch.setattr("study.core.outages._FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _seconds: None)
    names = itertools.count()

    @functools.cache
    def config_of(sampler):
        return compose("budget.n_trials=4", f"sampler={sampler}", "pruner=median")

    def search_with(sampler, *, at=0, is_done=False):
        config = config_of(sampler)
        storage = LosingStorage(tmp_path / f"{next(names)}.db", at=at, is_done=is_done)
        monkeypatch.setattr("study.search.ask_tell.open_storage", lambda _config: contextlib.nullcontext(storage))
        points, done = {}, []
        with open_search(config) as search:
            while trials := search.ask(2):
                for trial in trials:
                    assert trial.number not in points
                    points[trial.number] = (trial.run_seed, dict(trial.hyperparameters))
                search.judge([(trial, 0, 0.1 * trial.number) for trial in trials])
                ended = [TrialResult(trial=t, state="complete", history={}, summary={}) for t in trials]
                search.tell_all([(result, 0.1 * result.trial.number) for result in ended])
            done += search.claims.take(["a", "b", "c"], 2)
            done += search.claims.take(["a", "b", "c"], 2)
            search.claims.finish(but="a")
            done += [search.claims.once("record", ever=True)]
            search.claims.finish()
            done += [search.claims.once("record", ever=True)]
            told = (points, done, search.ended, search.best(), search.others_train())
        return told, storage

    return search_with


def what_counts(told, sampler):
    """Return what is the same after a loss: for samplers whose next point depends on Optuna's rows, all but points.

    Such a point is drawn again in a new row after its draw was cut off, as after the death of a worker.
    """
    points, done, ended, best, others_train = told
    if sampler in ("random", "tpe"):
        return told
    assert best.number in points
    return {number: seed for number, (seed, _) in points.items()}, done, ended, others_train


def check_each_loss(search_with, sampler, *, every):
    undisturbed, storage = search_with(sampler)
    assert sorted(undisturbed[0]) == [0, 1, 2, 3]
    assert undisturbed[1] == ["a", "b", "c", True, False]
    assert undisturbed[2] == dict.fromkeys(range(4), "complete")
    n_lost = 0
    for at in range(1, storage.n_commits + 1, every or storage.n_commits // 3):
        for is_done in (False, True):
            told, losing = search_with(sampler, at=at, is_done=is_done)
            assert what_counts(told, sampler) == what_counts(undisturbed, sampler), (at, is_done)
            assert losing.n_commits >= at
            assert losing.watched == set(), (at, is_done)
            for study in losing.optuna.get_all_studies():
                trials = losing.optuna.get_all_trials(study._study_id)
                assert all(trial.state.is_finished() for trial in trials), (at, is_done)
            n_lost += 1
    return n_lost


def test_a_search_is_the_same_after_a_lost_connection(search_with):
    assert check_each_loss(search_with, "random", every=None) >= 6


@pytest.mark.faults
@pytest.mark.long(reason="it runs a search for each of 200 commits")
@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "qmc"])
def test_a_search_is_the_same_after_a_connection_lost_at_any_commit(search_with, sampler, capsys):
    n = check_each_loss(search_with, sampler, every=1)
    with capsys.disabled():
        print(f"\n{sampler}: {n} connections lost, at each commit, before or after it: the same trials and claims")  # noqa: T201
