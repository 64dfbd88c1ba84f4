import pytest

from study.core.errors import StoreError, StudyError
from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search


def _spend(search, trials, *, objective=lambda trial: trial.hyperparameters["learning_rate"], state="complete"):
    for trial in trials:
        result = TrialResult(trial=trial, state=state, history={}, summary={})
        search.tell(result, objective=objective(trial))


def _points(config, *, batch):
    points = []
    with open_search(config) as search:
        while trials := search.ask(batch):
            points += [(t.number, t.run_seed, dict(t.hyperparameters)) for t in trials]
            _spend(search, trials)
    return points


def test_trials_are_numbered_up_to_the_budget_and_no_further(compose):
    assert [number for number, *_ in _points(compose("budget.n_trials=5"), batch=2)] == [0, 1, 2, 3, 4]


def test_points_lie_within_their_ranges(compose):
    for _, _, point in _points(compose("budget.n_trials=40"), batch=40):
        assert 1e-5 <= point["learning_rate"] <= 1e-1
        assert 0.5 <= point["beta_1"] <= 0.99 + 1e-12
        assert 0.9 <= point["beta_2"] <= 0.99999 + 1e-12


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "cmaes", "grid"])
def test_a_search_in_two_sessions_proposes_the_points_of_one_session(compose, tmp_path, sampler):
    overrides = ("budget.n_trials=6", f"sampler={sampler}")
    undisturbed = _points(compose(*overrides, folder=tmp_path / "a"), batch=1)
    first = _points(compose("budget.n_trials=4", f"sampler={sampler}", folder=tmp_path / "b"), batch=1)
    second = _points(compose(*overrides, folder=tmp_path / "b"), batch=1)
    assert first + second == undisturbed


@pytest.mark.parametrize(
    ("sampler", "is_blind"), [("random", True), ("qmc", True), ("grid", True), ("tpe", False), ("cmaes", False)]
)
def test_a_blind_search_proposes_the_same_before_and_after_results(compose, tmp_path, sampler, is_blind):
    points = []
    for folder, told_late in (("a", False), ("b", True)):
        config = compose("budget.n_trials=6", f"sampler={sampler}", folder=tmp_path / folder)
        with open_search(config) as search:
            assert search.is_blind == is_blind
            first = search.ask(3)
            if told_late:
                second = search.ask(3)
                _spend(search, first)
            else:
                _spend(search, first)
                second = search.ask(3)
        points.append([dict(trial.hyperparameters) for trial in [*first, *second]])
    if is_blind:
        assert points[0] == points[1]


def test_a_random_trial_is_written_at_once(compose):
    with open_search(compose("budget.n_trials=3")) as search:
        before = len(list(search._store.optuna._backend.read_logs(0)))
        search.ask(3)
        assert len(list(search._store.optuna._backend.read_logs(0))) == before + 3


def test_another_study_seed_proposes_other_points(compose, tmp_path):
    a = _points(compose(folder=tmp_path / "a"), batch=1)
    b = _points(compose("study_seed=1", folder=tmp_path / "b"), batch=1)
    assert a != b


def test_run_seeds_are_shared_by_optimizers(compose):
    adam, sgd = (_points(compose(f"optimizer={name}"), batch=1) for name in ("adam", "sgd"))
    assert [seed for _, seed, _ in adam] == [seed for _, seed, _ in sgd]


def test_a_trial_cut_off_is_proposed_again_with_its_number_and_point(compose):
    config = compose("sampler=tpe", "budget.n_trials=4")
    with open_search(config) as search:
        _spend(search, search.ask(1))
        (cut_off,) = search.ask(1)
    with open_search(config) as search:
        (again, *rest) = search.ask(10)
        assert again == cut_off
        assert [trial.number for trial in rest] == [2, 3]
        _spend(search, [again, *rest])
        assert search.n_spent == 4
        assert search.ask(1) == []


def test_a_living_worker_keeps_its_trials(compose):
    config = compose("budget.n_trials=4")
    with open_search(config) as one, open_search(config) as other:
        assert [trial.number for trial in one.ask(2)] == [0, 1]
        assert [trial.number for trial in other.ask(4)] == [2, 3]


def _tell(search, trial):
    search.tell_all([(TrialResult(trial=trial, state="complete", history={}, summary={}), 0.5)])


def _judge(search, trial):
    search.judge([(trial, 1, 0.5)])


@pytest.mark.parametrize("write", [_tell, _judge])
def test_a_worker_whose_trials_were_taken_over_stops_when_it_writes(compose, monkeypatch, write):
    config = compose("budget.n_trials=4", "pruner=median")
    with open_search(config) as paused, open_search(config) as other:
        trials = paused.ask(3)
        _spend(paused, trials[:1])
        monkeypatch.setattr("study.search.storage.local.LocalStorage._is_alive", lambda *_: False)
        (again,) = other.ask(1)
        assert again == trials[1]
        with pytest.raises(StudyError, match="2 of this worker's trials were taken over by others"):
            write(paused, trials[1])
        _spend(other, [again])
        assert other.n_spent == 2


def test_the_best_is_the_best_completed_one(compose):
    with open_search(compose("budget.n_trials=4")) as search:
        trials = search.ask(4)
        for trial, (state, objective) in zip(
            trials, [("complete", 0.5), ("diverged", 0.9), ("complete", 0.7), ("complete", 0.7)], strict=True
        ):
            _spend(search, [trial], state=state, objective=lambda _, value=objective: value)
        best = search.best()
        assert (best.number, best.objective) == (2, 0.7)
        assert best.point["learning_rate"] == trials[2].hyperparameters["learning_rate"]


def test_there_is_no_best_when_all_diverged(compose):
    with open_search(compose("budget.n_trials=1")) as search:
        _spend(search, search.ask(1), state="diverged", objective=lambda _: 0.0)
        assert search.best() is None


def test_the_best_of_a_minimized_objective_is_the_smallest(compose):
    with open_search(compose("objective.metric=val_loss")) as search:
        trials = search.ask(3)
        _spend(search, trials)
        assert search.best().objective == min(t.hyperparameters["learning_rate"] for t in trials)


def test_the_median_pruner_stops_trials_worse_than_half(compose):
    config = compose("pruner=median", "pruner.n_startup_trials=2", "budget.n_trials=3")
    with open_search(config) as search:
        for value in (0.8, 0.9):
            (trial,) = search.ask(1)
            assert not search.judge([(trial, 0, value)])
            _spend(search, [trial], objective=lambda _, value=value: value)
        (trial,) = search.ask(1)
        assert search.judge([(trial, 0, 0.1)]) == {2}


def test_a_study_keeps_its_name_and_another_gets_one_of_its_own(compose):
    with open_search(compose()) as search:
        name = search.name
    with open_search(compose("budget.n_epochs=7")) as search:
        assert search.name.startswith(f"{name}-")
    with open_search(compose("budget.n_trials=50")) as search:
        assert search.name == name


def test_an_explicit_name_of_another_study_is_refused(compose):
    with open_search(compose("study_name=mine")):
        pass
    with pytest.raises(StudyError, match=r"study_name=mine: this name belongs to another study .*Choose another"):
        compose("study_name=mine", "study_seed=5")


def test_a_file_that_is_no_journal_is_refused(compose, tmp_path):
    journal = tmp_path / "mlruns" / "optuna.journal"
    journal.parent.mkdir()
    journal.write_text("no journal\nat all\n")
    with pytest.raises(StoreError, match=r"storage\.optuna_journal=.*cannot be used"):
        compose()
    assert journal.read_text() == "no journal\nat all\n"


def test_a_folder_that_cannot_be_written_is_reported(compose, tmp_path):
    (tmp_path / "mlruns").write_text("a file where the folder should be")
    config = compose()
    with pytest.raises(StoreError, match=r"storage\.optuna_journal"), open_search(config):
        pass


def test_the_grid_holds_both_ends_of_a_log_scale_evenly_spaced(compose):
    config = compose("optimizer=sgd", "sampler=grid", "sampler.n_points=6", "budget.n_trials=6")
    rates = sorted(point["learning_rate"] for _, _, point in _points(config, batch=1))
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10])
