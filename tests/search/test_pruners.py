import itertools

import optuna
import pytest

from study.config.instantiate import instantiate
from study.core.errors import ConfigError
from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search
from study.search.pruners import BatchQuantile, waits_for_finished_trials
from study.search.stored_claims import is_of_claims

VALUES = [0.1, 0.8, 0.3, 0.9, 0.5, 0.7, 0.2, 0.6, 0.4]


def survivors(config, *, order=range(9), n_epochs=4, sign=1.0):
    """Train nine trials of constant values in one batch, and return the trials that are left after each epoch."""
    with open_search(config) as search:
        trials = search.ask(9)
        alive, left = set(range(9)), []
        for epoch in range(n_epochs):
            stopped = search.judge([(trials[n], epoch, sign * VALUES[n]) for n in order if n in alive])
            assert stopped <= alive
            alive -= stopped
            left.append(sorted(alive))
        results = [TrialResult(trial=t, state="complete", history={}, summary={}) for t in trials]
        search.tell_all([(result, VALUES[result.trial.number]) for result in results])
        return left


def halving(compose, tmp_path, name, *overrides):
    pruner = ("pruner=successive_halving", "pruner.reduction_factor=3", "budget.n_trials=9")
    return compose(*pruner, *overrides, folder=tmp_path / name)


def test_successive_halving_keeps_a_third_of_its_first_batch(compose, tmp_path):
    # The rungs are at steps 1 and 3. Optuna counts a trial's own value twice there: the best of four remains.
    left = survivors(halving(compose, tmp_path, "a"))
    assert left == [list(range(9)), [1, 3, 5], [1, 3, 5], [3]]


def test_minimizing_keeps_the_small_values(compose, tmp_path):
    left = survivors(halving(compose, tmp_path, "a", "objective.metric=val_loss"), sign=-1.0)
    assert left == [list(range(9)), [1, 3, 5], [1, 3, 5], [3]]


@pytest.mark.parametrize("pruner", ["successive_halving", "batch_quantile", "hyperband pruner.max_resource=4"])
def test_the_order_of_a_batch_does_not_matter(compose, tmp_path, pruner):
    name, *more = pruner.split()
    overrides = (f"pruner={name}", *more, "budget.n_trials=9")
    orders = [range(9), range(8, -1, -1), sorted(range(9), key=VALUES.__getitem__)]
    left = [survivors(compose(*overrides, folder=tmp_path / str(i)), order=o) for i, o in enumerate(orders)]
    assert left[0] == left[1] == left[2]
    assert len(left[0][-1]) < 9
    assert 3 in left[0][-1]  # the best


def test_a_rung_is_reached_once(compose, tmp_path):
    config = halving(compose, tmp_path, "a")
    survivors(config)
    journal = optuna.storages.journal.JournalFileBackend(str(config.stores.optuna_journal))
    storage = optuna.storages.JournalStorage(journal)
    (frozen,) = (frozen for frozen in storage.get_all_studies() if not is_of_claims(frozen.study_name))
    trials = storage.get_all_trials(frozen._study_id)
    rungs = [sum(key.startswith("completed_rung") for key in trial.system_attrs) for trial in trials]
    assert rungs == [1 if n not in (1, 3, 5) else 2 for n in range(9)]


def test_the_quantile_is_of_those_that_reported_the_epoch(compose):
    config = compose("pruner=batch_quantile", "pruner.n_warmup_epochs=1", "budget.n_trials=9")
    # None at the first epoch, then a quarter of 9, of 7 and of 6.
    assert [len(left) for left in survivors(config)] == [9, 7, 5, 4]


def test_stopped_trials_count_where_they_reported(compose):
    config = compose("pruner=batch_quantile", "pruner.quantile=0.5", "pruner.n_warmup_epochs=0", "budget.n_trials=6")
    with open_search(config) as search:
        first = search.ask(4)
        assert search.judge([(t, 0, v) for t, v in zip(first, (0.1, 0.2, 0.8, 0.9), strict=True)]) == {0, 1}
        (later,) = search.ask(1)  # from trial to trial, as in fit: the median of five is 0.7
        assert not search.judge([(later, 0, 0.7)])
        (worse,) = search.ask(1)
        assert search.judge([(worse, 0, 0.15)]) == {5}


def test_a_pruner_whose_class_alone_was_changed_stops_trials(compose):
    config = compose("pruner._target_=study.search.pruners.BatchQuantile", "pruner.quantile=0.5", "budget.n_trials=4")
    with open_search(config) as search:
        trials = search.ask(4)
        assert search.judge([(t, 0, v) for t, v in zip(trials, (0.1, 0.2, 0.8, 0.9), strict=True)]) == {0, 1}


def frozen_study(values, direction="maximize"):
    study = optuna.create_study(direction=direction)
    for value in values:
        study.add_trial(
            optuna.create_trial(value=0.0, intermediate_values={epoch: v for epoch, v in enumerate(value)})
        )
    return study, study.get_trials()


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1.0), ("minimize", -1.0)])
@pytest.mark.parametrize(("quantile", "n_stopped"), [(0.0, 0), (0.25, 2), (0.5, 4), (0.9, 7)])
def test_the_worst_share_is_stopped(direction, sign, quantile, n_stopped):
    study, trials = frozen_study([[sign * v] for v in range(8)], direction)
    pruner = BatchQuantile(quantile=quantile)
    assert [pruner.prune(study, trial) for trial in trials] == [i < n_stopped for i in range(8)]


def test_a_trial_with_nan_is_stopped_and_does_not_count():
    study, trials = frozen_study([[float("nan")], [1.0], [2.0], []])
    pruner = BatchQuantile(quantile=0.5, n_min_trials=3)
    assert [pruner.prune(study, trial) for trial in trials] == [True, False, False, False]


def test_no_trial_is_stopped_at_epochs_in_between():
    judged = []
    for epoch in range(6):
        study, trials = frozen_study([[v] * (epoch + 1) for v in range(4)])
        pruner = BatchQuantile(quantile=0.5, n_warmup_epochs=1, every_n_epochs=2)
        judged.append(any(pruner.prune(study, trial) for trial in trials))
    assert judged == [False, False, True, False, True, False]


@pytest.mark.parametrize(
    ("argument", "value"), [("quantile", 1.0), ("quantile", -0.1), ("every_n_epochs", 0), ("n_min_trials", 0)]
)
def test_a_wrong_argument_is_refused(argument, value):
    with pytest.raises(ValueError, match=rf"pruner\.{argument}={value}: expected a number"):
        BatchQuantile(**{"quantile": 0.5, argument: value})


def test_an_unknown_argument_is_refused(compose):
    with pytest.raises(ConfigError, match=r"pruner\.quantil"):
        compose("pruner=batch_quantile", "+pruner.quantil=0.5")


def test_pruners_that_see_nothing_in_a_first_batch(compose):
    blind = {"median", "hyperband"}
    for name in ("median", "hyperband", "patient", "successive_halving", "batch_quantile", "none"):
        section = compose(f"pruner={name}").pruner.section
        assert waits_for_finished_trials(section) == (name in blind), name
        # Check it: these pruners stop no trial of a batch.
        if name in blind:
            pruner = instantiate(section)
            study = optuna.create_study(direction="maximize", pruner=pruner)
            trials = [study.ask() for _ in range(9)]
            for epoch, (trial, value) in itertools.product(range(9), zip(trials, VALUES, strict=True)):
                trial.report(value - epoch, step=epoch)
            assert not any(trial.should_prune() for trial in trials)
