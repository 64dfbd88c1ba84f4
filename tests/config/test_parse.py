import sys

import pytest

from study.config.parse import parse
from study.core.errors import ConfigError
from study.core.search_space import Range


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optimizer.foo=1", ["optimizer.foo=1", "learning_rate, beta_1", "Remove optimizer.foo"]),
        ("optimizer.search.foo.low=1", ["optimizer.search.foo", "an argument of the optimizer"]),
        ("optimizer.search.beta_1.low=0.995", ["optimizer.search.beta_1.low=0.995", "below", "high=0.99"]),
        ("optimizer.search.learning_rate.low=0", ["learning_rate.low=0", "above 0 on a log scale", "scale=linear"]),
        ("optimizer.search.beta_1.high=1", ["beta_1.high=1", "below 1"]),
        ("optimizer.search.learning_rate.scale=logarithmic", ["scale=logarithmic", "linear, log, one_minus_log"]),
        ("optimizer.search.learning_rate.choices=[]", ["choices=[]", "at least one value"]),
        ("optimizer.search_only=[lr]", ["optimizer.search_only=lr", "learning_rate"]),
        ("optimizer.learning_rate=fast", ["optimizer.learning_rate=fast", "a finite number"]),
        ("optimizer.amsgrad=3", ["optimizer.amsgrad=3", "true or false"]),
        ("budget.n_trials=0", ["budget.n_trials=0", "at least 1"]),
        ("budget.n_epochs=0", ["budget.n_epochs=0", "at least 1"]),
        ("budget.n_steps=0", ["budget.n_steps=0", "at least 1"]),
        ("budget.n_confirmations=-1", ["budget.n_confirmations=-1", "at least 0"]),
        ("budget.n_trials=1.5", ["budget.n_trials=1.5", "whole number"]),
        ("objective.metric=val_acc", ["objective.metric=val_acc", "val_loss", "Did you mean val_accuracy"]),
        ("objective.direction=up", ["objective.direction=up", "maximize"]),
        ("trainer.backend=torch", ["trainer.backend=torch", "an installed backend", "jax"]),
        ("trainer.backend=mxnet", ["trainer.backend=mxnet", "one of tensorflow, jax, torch"]),
        ("trainer.batch_size=0", ["trainer.batch_size=0", "at least 1"]),
        ("+model.width=3", ["model.width=3", "hidden, activation"]),
        ("model._target_=study.models.nothing.build", ["model._target_=study.models.nothing.build", "importable"]),
        ("sampler=gp", ["sampler=gp", "torch"]),
        ("++dataset.task.train_metrics=late", ["train_metrics=late", "one of running, evaluated"]),
        ("++dataset.task.shuffle=3", ["dataset.task.shuffle=3", "true, false"]),
        ("optimizer=paper_adam", ["optimizer=paper_adam", "of Keras for trainer=fit", "trainer=numpy"]),
        ("tracking.every_n_steps=0", ["tracking.every_n_steps=0", "at least 1"]),
        ("study_seed=-1", ["study_seed=-1", "at least 0"]),
    ],
)
def test_a_fault_tells_key_value_allowed_and_advice(compose, override, told):
    with pytest.raises(ConfigError) as caught:
        compose(override)
    message = str(caught.value)
    assert all(part in message for part in told), message


def test_all_faults_are_told_at_once(compose):
    with pytest.raises(ConfigError) as caught:
        compose("optimizer.foo=1", "budget.n_trials=0", "objective.metric=nothing", "trainer.backend=mxnet")
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["optimizer.foo", "trainer.backend", "budget.n_trials", "objective.metric"]


def test_a_key_both_fixed_and_in_search_only_is_refused(compose):
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate=0\.1: expected null for a searched argument"):
        compose("optimizer.learning_rate=0.1", "optimizer.search_only=[learning_rate]")


def test_a_key_typed_both_as_value_and_as_range_is_refused(compose):
    with pytest.raises(ConfigError, match=r"no value together with optimizer\.search\.learning_rate\.low"):
        compose("optimizer.learning_rate=0.1", "optimizer.search.learning_rate.low=0.01")


def test_fixing_an_argument_takes_it_out_of_the_search(compose):
    config = compose("optimizer.learning_rate=1")
    assert "learning_rate" not in config.optimizer.ranges
    assert config.optimizer.fixed["learning_rate"] == 1.0
    assert isinstance(config.optimizer.fixed["learning_rate"], float)  # Keras refuses an integer rate
    assert set(config.optimizer.ranges) == {"beta_1", "beta_2"}


def test_all_fixed_means_one_trial(compose):
    config = compose("optimizer=sgd", "optimizer.learning_rate=0.1", "budget.n_trials=30")
    assert config.n_trials == 1


def test_an_optional_range_is_searched_only_when_named(compose):
    assert "epsilon" not in compose().optimizer.ranges
    named = compose("optimizer.search_only=[learning_rate,epsilon]").optimizer.ranges
    assert list(named) == ["learning_rate", "epsilon"]


def test_ranges_can_be_added_and_replaced_without_plus(compose):
    ranges = compose(
        "optimizer=sgd",
        "optimizer.search.momentum.low=0.5",
        "optimizer.search.momentum.high=0.9",
        "optimizer.momentum=null",
        "optimizer.search.learning_rate.choices=[0.1,0.01]",
    ).optimizer.ranges
    assert ranges["momentum"] == Range(argument="momentum", low=0.5, high=0.9)
    assert ranges["learning_rate"].choices == (0.1, 0.01)


def test_what_is_neither_fixed_nor_searched_keeps_the_untuned_value(compose):
    config = compose("optimizer=momentum", "optimizer.search_only=[learning_rate]")
    assert config.optimizer.arguments({"learning_rate": 0.3}) == {
        "momentum": 0.9,
        "nesterov": False,
        "learning_rate": 0.3,
    }


def test_the_direction_follows_the_metric(compose):
    assert compose().objective.direction == "maximize"
    assert compose("objective.metric=val_loss").objective.direction == "minimize"
    assert compose("objective.metric=val_loss", "objective.direction=minimize").objective.direction == "minimize"


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        *((alias, alias) for alias in ("msle", "mape", "MSE", "poisson", "hinge", "kl_divergence", "bce", "mse")),
        ("keras.losses.Huber", "huber"),
        ("keras.losses.LogCosh", "log_cosh"),
        ("keras.metrics.BinaryCrossentropy", "binary_crossentropy"),
        ("keras.metrics.MeanSquaredError", "score"),
        ("keras.metrics.MeanSquaredError", "my_accuracy"),
        ("keras.losses.CosineSimilarity", "auc"),
        ("keras.metrics.FalsePositives", "precision"),
    ],
)
def test_a_cost_is_never_maximized_whatever_its_name(compose, metric, name):
    given = metric if metric == name else f"{{_target_:{metric},name:{name}}}"
    # A loss of probabilities: some of these metrics do not take logits.
    words = (f"dataset.task.metrics=[{given}]", f"objective.metric=val_{name}", "dataset.task.loss.from_logits=false")
    objective = compose(*words).objective
    assert (objective.direction, objective.is_share, objective.worst) == ("minimize", False, 1e9)
    with pytest.raises(ConfigError, match=r"objective\.direction=maximize: expected minimize or auto"):
        compose(*words, "objective.direction=maximize")


@pytest.mark.parametrize(
    ("metric", "name", "is_share"),
    [("keras.metrics.CosineSimilarity", "loss_of_meaning", False), ("keras.metrics.R2Score", "error", False),
     ("keras.metrics.IoU", "mae", True)],
)  # fmt: skip
def test_a_gain_is_never_minimized_whatever_its_name(compose, metric, name, is_share):
    objective = compose(
        f"dataset.task.metrics=[{{_target_:{metric},name:{name}}}]", f"objective.metric=val_{name}"
    ).objective
    assert (objective.direction, objective.is_share) == ("maximize", is_share)


UNKNOWN = "class Own(__import__('keras').metrics.Metric): pass\nclass Said(Own): direction = 'minimize'\n"


@pytest.fixture
def own_metrics(tmp_path, monkeypatch):
    (tmp_path / "own_score.py").write_text(UNKNOWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: (
        f"dataset.task.metrics=[{{_target_:own_score.{name},name:score}}]", "objective.metric=val_score"
    )  # fmt: skip
    sys.modules.pop("own_score", None)


def test_an_unknown_direction_is_asked_for_with_all_other_faults(compose, own_metrics):
    with pytest.raises(ConfigError) as caught:
        compose(*own_metrics("Own"), "budget.n_trials=0")
    assert [fault.key for fault in caught.value.faults] == ["budget.n_trials", "objective.direction"]
    assert compose(*own_metrics("Said")).objective.direction == "minimize"
    with pytest.raises(ConfigError) as caught:
        compose("dataset.task.metrics=[{_target_:keras.metrics.Mean,name:score}]", "objective.metric=val_score")
    (fault,) = caught.value.faults
    assert fault.key == "objective.direction"
    for told in ("maximize or minimize", "val_score", "the mean of any values", "direction = 'minimize'"):
        assert told in str(fault)


def test_an_explicit_direction_serves_where_the_metric_has_none(compose, own_metrics):
    for direction in ("maximize", "minimize"):
        objective = compose(*own_metrics("Own"), f"objective.direction={direction}").objective
        assert (objective.direction, objective.is_share) == (direction, False)


def test_what_an_earlier_version_recorded_is_read_as_it_was(compose, own_metrics, tmp_path):
    raw = compose(*own_metrics("Own"), "objective.direction=maximize").raw
    recorded = {**raw, "objective": {**raw["objective"], "direction": "auto"}}
    assert parse(recorded, folder=tmp_path, allow=()).objective.direction == "maximize"
    with pytest.raises(ConfigError, match=r"objective\.direction=auto"):
        parse(recorded, folder=tmp_path)


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ("[huber]", ["metrics.0=huber", "a metric of Keras"]),
        ("[msee]", ["metrics.0=msee", "Did you mean mse"]),
        ("[mse,mse]", ["metrics.1=mse", "a name of its own"]),
        *(
            (f"[{{_target_:keras.metrics.R2Score,name:{name}}}]", [f"metrics.0={name}", "not recorded of every run"])
            for name in ("seconds_train", "objective", "final_loss", "n_steps", "test_mse", "best_mse")
        ),
        ("[mse,{_target_:keras.metrics.R2Score,name:mse}]", ["metrics.1=mse", "a name of its own"]),
        ("[{_target_:keras.metrics.R2Score,name:loss}]", ["metrics.0=loss", "not loss"]),
        ("[{_target_:keras.metrics.R2Score,name:val_mse}]", ["metrics.0=val_mse", "without val_"]),
    ],
)
def test_a_metric_s_name_is_its_own(compose, metrics, told):
    with pytest.raises(ConfigError) as caught:
        compose(f"dataset.task.metrics={metrics}", "objective.metric=val_loss")
    (fault,) = caught.value.faults
    assert all(part in str(fault) for part in told), fault


def test_n_steps_takes_the_place_of_n_epochs(compose):
    budget = compose("budget.n_steps=70").budget
    assert (budget.n_steps, budget.n_epochs) == (70, None)


@pytest.mark.parametrize(
    "override",
    ["budget.n_trials=99", "budget.n_confirmations=7", "budget.time_limit_s=9", "live=true", "worker=3",
     "tracking.log_model=true", "study_name=mine"],
)  # fmt: skip
def test_what_may_grow_or_move_leaves_the_identity(compose, override):
    assert compose(override).digest == compose().digest


@pytest.mark.parametrize(
    "override",
    ["budget.n_epochs=3", "study_seed=1", "split_seed=1", "order_seed=1", "optimizer.learning_rate=0.1",
     "schedule=cosine", "trainer.batch_size=64", "model.activation=tanh", "experiment_name=other"],
)  # fmt: skip
def test_everything_else_makes_another_study(compose, override):
    assert compose(override).digest != compose().digest


def test_a_label_tells_what_sets_a_study_apart(compose):
    config = compose("schedule=cosine", "optimizer.learning_rate=0.1", "trainer.batch_size=64", "budget.n_epochs=4")
    assert "schedule=cosine" in config.labels[0]
    assert "learning_rate=0.1" in config.labels[0]
    assert "batch_size=64" in config.labels[0]
    assert "n_epochs" not in config.labels[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["objective.target=90"],
            "objective.target=90.0: expected a value from 0 to 1, as val_accuracy has. Write 0.9",
        ),
        (["objective.target=-0.1"], "objective.target=-0.1: expected a value from 0 to 1, as val_accuracy has."),
        (["objective.target=9000"], "objective.target=9000.0: expected a value from 0 to 1, as val_accuracy has."),
        (
            [
                "dataset.task.metrics=[{_target_: keras.metrics.AUC, name: auc, from_logits: true}]",
                "objective.metric=val_auc",
                "objective.target=95",
            ],
            "objective.target=95.0: expected a value from 0 to 1, as val_auc has. Write 0.95,",
        ),
    ],
)
def test_a_target_that_no_share_reaches(compose, words, told):
    with pytest.raises(ConfigError) as raised:
        compose(*words)
    assert told in str(raised.value)


@pytest.mark.parametrize("words", [["objective.target=1"], ["objective.metric=val_loss", "objective.target=2.5"]])
def test_a_target_that_can_be_reached(compose, words):
    assert compose(*words).objective.target == float(words[-1].partition("=")[2])
