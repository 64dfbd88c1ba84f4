import pytest
from optuna.storages import JournalStorage

from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search


def _tell(search, trials, objectives, *, state="complete"):
    results = [TrialResult(trial=trial, state=state, history={}, summary={}) for trial in trials]
    search.tell_all(list(zip(results, objectives, strict=True)))


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_no_trial_needs_a_read_of_all_others(compose, monkeypatch, sampler):
    with open_search(compose("budget.n_trials=12", f"sampler={sampler}")) as search:
        _tell(search, search.ask(2), [0.1, 0.2])
        monkeypatch.setattr(JournalStorage, "get_all_trials", None)  # would not survive a call
        _tell(search, search.ask(1), [0.3])
        _tell(search, search.ask(8), [0.0] * 8)
        assert search.best().objective == 0.3
        assert search.n_spent == 11
        assert [trial.number for trial in search.ask(5)] == [11]


def test_two_workers_see_one_anothers_trials(compose):
    config = compose("budget.n_trials=6")
    with open_search(config) as one, open_search(config) as other:
        ours, theirs = one.ask(2), other.ask(2)
        assert [trial.number for trial in (*ours, *theirs)] == [0, 1, 2, 3]
        _tell(other, theirs, [0.9, 0.5])
        _tell(one, ours, [0.9, 0.7])
        # Of equal trials the one with the smaller number is the best, whichever ended first.
        assert one.best() == other.best()
        assert one.best().number == 0
        assert [trial.number for trial in other.ask(9)] == [4, 5]
        assert one.ask(9) == []


def test_numbers_of_a_dead_worker_come_before_new_ones(compose):
    config = compose("budget.n_trials=5")
    with open_search(config) as search:
        asked = search.ask(3)
        _tell(search, asked[1:2], [0.5])
    with open_search(config) as search:
        assert [trial.number for trial in search.ask(4)] == [0, 2, 3, 4]
