"""Claims are attributes of their study; those of earlier versions, trials of a second study, are taken over."""

import optuna
import pytest
from optuna.trial import TrialState

from study.core.errors import StudyError
from study.search import stored_claims
from study.search.ask_tell import open_search
from study.search.storage.interface import read_storage
from study.search.stored_claims import StoredClaim, all_claims, confirmed_last, read_claims
from study.search.stored_searches import delete_searches, list_searches


def studies(config):
    return [study.study_name for study in read_storage(config.stores).get_all_studies()]


def name_of(config):
    return f"{config.experiment_name}/{config.labels[0]}"


@pytest.fixture
def earlier(compose):
    """A study whose claims an earlier version has written: two done, one left, one without a key, one held."""
    config = compose("budget.n_trials=2")
    with open_search(config):
        pass

    def write(worker="gone-0"):
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(config.stores.optuna_journal))
        )
        name = stored_claims.claims_of(name_of(config))
        claims = optuna.create_study(storage=storage, study_name=name)._study_id
        written = [
            ("best 0 beta_1=0.9", TrialState.COMPLETE),
            ("record", TrialState.COMPLETE),
            ("best 1 beta_1=0.9", TrialState.FAIL),
            (None, TrialState.RUNNING),
            ("best 2 beta_1=0.9", TrialState.RUNNING),
        ]
        for key, state in written:
            claim = storage.create_new_trial(claims)
            storage.set_trial_user_attr(claim, "worker", worker)
            if key is not None:
                storage.set_trial_user_attr(claim, "key", key)
            if state != TrialState.RUNNING:
                storage.set_trial_state_values(claim, state, [0.0] if state == TrialState.COMPLETE else None)
        return config

    return write


def test_a_study_has_one_study_in_the_store(compose):
    config = compose("budget.n_trials=2")
    with open_search(config) as search:
        assert search.claims.take(["a", "b", "c"], 2) == ["a", "b"]
        search.claims.finish(but="b")
        assert search.claims.take(["a", "b", "c"], 3) == ["a", "c"]
    assert studies(config) == [name_of(config)]
    claims = all_claims(read_storage(config.stores), name_of(config))
    assert [(claim.key, claim.state) for claim in claims] == [
        ("a", "done"),
        ("b", "held"),
        ("a", "held"),
        ("c", "held"),
    ]
    with open_search(config) as search:  # the worker before is gone
        assert search.claims.take(["a", "b", "c"], 3) == ["a", "b", "c"]
        assert search.claims.others_text() == ""


def test_two_workers_hold_different_keys_and_know_of_work_that_is_done(compose):
    config = compose("budget.n_trials=2")
    with open_search(config) as one, open_search(config) as other:
        assert one.claims.once("record")
        assert other.claims.take(["record", "a"], 2) == ["a"]
        assert one.claims.take(["a", "b"], 2) == ["b"]
        assert "process" in other.claims.others_text()
        one.claims.finish()
        assert not other.claims.once("record")
        assert not other.claims.once("record", ever=True)
        with open_search(config) as late:
            assert late.claims.once("record")  # workers who opened the study later do it again
            late.claims.finish()
            assert not late.claims.once("record", ever=True)


def test_earlier_claims_are_listed_and_then_taken_over(earlier):
    config = earlier()
    (listed,) = list_searches(config.stores)
    assert listed.confirmed == ("best 0 beta_1=0.9",)
    assert len(studies(config)) == 2
    with open_search(config) as search:
        assert studies(config) == [name_of(config)]
        assert not search.claims.once("record", ever=True)
        assert search.claims.once("record")
        assert search.claims.take(["best 1 beta_1=0.9", "best 2 beta_1=0.9"], 2) == [
            "best 1 beta_1=0.9",
            "best 2 beta_1=0.9",
        ]
    (again,) = list_searches(config.stores)
    assert again.confirmed == listed.confirmed


def test_a_process_killed_while_it_takes_claims_over_loses_none(earlier, monkeypatch):
    config = earlier()
    write, n_written = StoredClaim.write, []

    def dying(self, *args):
        if len(n_written) == 2:
            raise KeyboardInterrupt
        n_written.append(write(self, *args))

    monkeypatch.setattr(StoredClaim, "write", dying)
    with pytest.raises(KeyboardInterrupt), open_search(config):
        pass
    monkeypatch.undo()
    assert len(studies(config)) == 2
    with open_search(config) as search:
        assert not search.claims.once("record", ever=True)
    storage = read_storage(config.stores)
    claims = read_claims(storage, storage.get_study_id_from_name(name_of(config)))
    assert [(claim.number, claim.state) for claim in claims] == [(0, "done"), (1, "done"), (2, "left"), (4, "left")]
    assert studies(config) == [name_of(config)]


def test_a_living_worker_of_an_earlier_version_is_not_worked_beside(earlier, compose):
    with open_search(compose("budget.n_trials=2")) as living:
        config = earlier(worker=living._store.worker)
        with (
            pytest.raises(StudyError, match=r"process trains confirmations .* with an earlier version"),
            open_search(config),
        ):
            pass
        assert len(studies(config)) == 2
    with open_search(config):
        assert studies(config) == [name_of(config)]


def test_a_deleted_study_leaves_no_claims_of_either_kind(earlier):
    config = earlier()
    delete_searches(config.stores, list_searches(config.stores))
    assert studies(config) == []


def test_the_confirmations_of_the_last_point_of_each_setting_are_known():
    keys = ["best 0 a=1", "default 0 ", "best 0 a=2", "best 1 a=2", "fixed 0 ", "record", "best 2 a=2"]
    states = {"best 2 a=2": "left"}
    claims = [StoredClaim(number=n, key=key, worker="w", state=states.get(key, "done")) for n, key in enumerate(keys)]
    assert confirmed_last(claims) == ("best 0 a=2", "best 1 a=2", "default 0 ", "fixed 0 ")
