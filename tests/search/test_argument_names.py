"""The store of searches has arguments, samplers have coordinates, and the numbers of every sampler are the same."""

import json
import math

import optuna
import pytest

from study.core.trainer_interface import TrialResult
from study.search import argument_names
from study.search.ask_tell import open_search
from study.search.optuna_internals import storage_of, study_id
from study.search.samplers import distribution
from study.search.storage.interface import read_storage
from study.search.storage.scratch import ScratchStorage

N_TRIALS = 12
NAMES = {"learning_rate", "beta_1", "beta_2"}
COORDINATES = {"learning_rate", "one_minus_beta_1", "one_minus_beta_2"}


def value_of(trial):
    point = trial.hyperparameters
    return -abs(math.log10(point["learning_rate"]) + 2.5) - abs(math.log10(1 - point["beta_1"]) + 1)


def run(config, *, until=(N_TRIALS,)):
    """Open the search once for each number in `until`, and train up to it; return the points, exactly."""
    points = {}
    for n in until:
        with open_search(config) as search:
            while len(points) < n and (trials := search.ask(min(3, n - len(points)))):
                stopped = search.judge([(trial, 0, value_of(trial)) for trial in trials])
                for trial in trials:
                    points[trial.number] = dict(trial.hyperparameters)
                states = ["pruned" if trial.number in stopped else "complete" for trial in trials]
                results = [
                    TrialResult(trial=trial, state=state, history={}, summary={})
                    for trial, state in zip(trials, states, strict=True)
                ]
                search.tell_all([(result, value_of(result.trial)) for result in results])
    return points


def stored(config):
    """Return the trials as other programs see them."""
    storage = read_storage(config.stores)
    (study,) = storage.get_all_studies()
    return storage.get_all_trials(study._study_id)


@pytest.fixture
def with_coordinates(monkeypatch):
    """Let studies begin as in earlier versions: with the coordinates in the store."""
    monkeypatch.setattr(argument_names, "_began_with", lambda *_: True)
    return monkeypatch


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "cmaes", "grid"])
def test_a_sampler_draws_the_same_numbers_whatever_names_the_store_has(compose, tmp_path, sampler, request):
    words = (f"sampler={sampler}", f"budget.n_trials={N_TRIALS}", *({"tpe": ["pruner=median"]}.get(sampler, [])))
    words += {"tpe": ("sampler.n_startup_trials=4",), "grid": ("sampler.n_points=2",)}.get(sampler, ())
    shown = compose(*words, folder=tmp_path / "a")
    points = run(shown)
    assert len(points) >= 8
    assert all(trial.params.keys() == NAMES for trial in stored(shown))
    stopped = compose(*words, folder=tmp_path / "b")
    assert run(stopped, until=(3, 9, N_TRIALS)) == points
    request.getfixturevalue("with_coordinates")
    earlier = compose(*words, folder=tmp_path / "c")
    assert run(earlier) == points
    assert all(trial.params.keys() == COORDINATES for trial in stored(earlier))


def test_the_store_has_the_argument_in_its_range_and_the_drawn_number_exactly(compose):
    config = compose("sampler=tpe", f"budget.n_trials={N_TRIALS}")
    points = run(config)
    for trial in stored(config):
        point = points[trial.user_attrs["trial_number"]]
        for name in ("beta_1", "beta_2"):
            searched = config.ranges[name]
            drawn = trial.system_attrs[searched.coordinate]
            assert 1.0 - drawn == point[name]
            assert trial.params[name] == pytest.approx(point[name], abs=1e-11)
            shown = trial.distributions[name]
            assert (shown.low, shown.high, shown.log) == (searched.low, searched.high, False)
            assert shown.low <= trial.params[name] <= shown.high
        assert trial.params["learning_rate"] == point["learning_rate"]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_study_of_an_earlier_version_goes_on_with_its_names(compose, tmp_path, sampler, with_coordinates):
    words = (f"sampler={sampler}", f"budget.n_trials={N_TRIALS}")
    whole = run(compose(*words, folder=tmp_path / "a"))
    config = compose(*words, folder=tmp_path / "b")
    before = run(config, until=(6,))
    with_coordinates.undo()
    assert before | run(config) == whole
    assert {frozenset(trial.params) for trial in stored(config)} == {frozenset(COORDINATES)}


def test_the_given_first_point_is_shown_by_its_arguments(compose):
    config = compose("sampler=tpe", "budget.n_trials=2", "+enqueue={learning_rate:0.01,beta_1:0.8}")
    points = run(config)
    first = stored(config)[0]
    assert points[0]["beta_1"] == first.params["beta_1"] == 0.8
    assert first.system_attrs["fixed_params"] == {"learning_rate": 0.01, "beta_1": 0.8}


def test_a_worker_that_dies_in_the_middle_of_a_draw_leaves_a_trial_that_is_drawn_again(compose, tmp_path, monkeypatch):
    words = ("sampler=qmc", "budget.n_trials=3")
    whole = run(compose(*words, folder=tmp_path / "a"))
    config, n_writes = compose(*words, folder=tmp_path / "b"), [0]
    write = argument_names._ByCoordinates.set_trial_param

    def dying(self, trial_id, name, value, of):
        if name == "one_minus_beta_2" and not n_writes[0]:
            n_writes[0] += 1
            self._storage.set_trial_system_attr(trial_id, name, value)
            raise KeyboardInterrupt
        write(self, trial_id, name, value, of)

    monkeypatch.setattr(argument_names._ByCoordinates, "set_trial_param", dying)
    with pytest.raises(KeyboardInterrupt), open_search(config) as search:
        search.ask(1)
    # A quasi-random sampler counts the rows of the store, so the point is the next one of its sequence, as before.
    points = run(config)
    assert sorted(points) == [0, 1, 2]
    assert all(0.5 <= point["beta_1"] <= 0.99 for point in [*points.values(), *whole.values()])
    assert [len(trial.params) for trial in stored(config)] == [2, 3, 3, 3]


def view_of(config):
    """Return a study in memory by its coordinates, and its storage."""
    storage = ScratchStorage().optuna
    optuna.create_study(study_name="x", storage=storage)
    view = argument_names.by_coordinates(optuna.load_study(study_name="x", storage=storage), config.ranges)
    return view, storage


def test_the_view_gives_back_every_part_of_a_trial(compose):
    config = compose()
    view, storage = view_of(config)
    seen = storage_of(view)
    of = {searched.coordinate: distribution(searched) for searched in config.ranges.values()}
    drawn = {"learning_rate": 0.01, "one_minus_beta_1": 0.1 + 0.2, "one_minus_beta_2": 1e-5}
    view.add_trial(optuna.create_trial(params=drawn, distributions=of, value=1.0, system_attrs={"of a sampler": [1]}))
    (raw,) = storage.get_all_trials(study_id(view))
    assert raw.params == {"learning_rate": 0.01, "beta_1": 1.0 - (0.1 + 0.2), "beta_2": 0.99999}
    (trial,) = view.get_trials()
    assert (trial.params, trial.distributions, trial.system_attrs) == (drawn, of, {"of a sampler": [1]})
    for found in (view.best_trial, seen.get_trial(trial._trial_id), seen.get_best_trial(study_id(view))):
        assert found.params == drawn
    assert seen.get_trial_params(trial._trial_id) == drawn
    assert seen.get_trial_param(trial._trial_id, "one_minus_beta_1") == 0.1 + 0.2
    assert seen.get_trial_system_attrs(trial._trial_id) == {"of a sampler": [1]}
    trial.params.clear()  # a copy
    assert view.get_trials()[0].params == drawn


def test_a_study_without_such_ranges_is_not_wrapped(compose):
    config = compose("optimizer=sgd")
    storage = ScratchStorage().optuna
    study = optuna.create_study(study_name="x", storage=storage)
    assert argument_names.by_coordinates(study, config.ranges) is study


def test_every_number_is_read_back_from_json_exactly(compose):
    config = compose("sampler=random", "budget.n_trials=12")
    points = run(config)
    for line in config.stores.optuna_journal.read_text().splitlines():
        assert "one_minus" not in json.dumps(json.loads(line).get("params", {}))
    with open_search(config) as search:
        read = {trial.number: trial.hyperparameters for trial in search.record().ended}
    assert read == points
