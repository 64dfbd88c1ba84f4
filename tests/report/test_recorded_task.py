"""The task of a study from its params in MLflow, and the metric it selects by, for one output or several."""

import dataclasses

import numpy as np
import pytest

from study.report.comparability import check_comparable
from study.report.objective_metric import metric_of, metric_confirmed
from study.report.recorded_task import recorded_task
from study.tracking.mlflow_schema import config_params, config_tags

SIZES = {"n_validation": "360", "n_test": "360", "objective_is_share": "True", "objective_direction": "maximize"}
LOSS = (
    "{digit:{_target_:keras.losses.CategoricalCrossentropy,from_logits:true},"
    "digit_odd:{_target_:keras.losses.MeanSquaredError}}"
)
ERROR = "{_target_:keras.metrics.MeanSquaredError,name:error}"


@pytest.fixture
def several(compose):
    def build(*words):
        return compose(
            "dataset=digits",
            "~dataset.task.loss",
            f"+dataset.task.loss={LOSS}",
            "~dataset.task.metrics",
            f"+dataset.task.metrics={{digit:[accuracy],digit_odd:[{ERROR}]}}",
            "+dataset.task.weighted_metrics={digit:[accuracy]}",
            "objective.metric=val_digit_accuracy",
            *words,
        )

    return build


def params_of(config):
    return {param.key: param.value for param in config_params(config)}


def test_the_recorded_task_has_the_names_of_the_config(several):
    config = several()
    found = recorded_task(params_of(config))
    assert sorted(found.metric_names) == sorted(config.task.metric_names)
    assert found.find_watched("val_digit_odd_error").metric == config.task.find_watched("digit_odd_error").metric


def test_a_task_of_one_output_and_a_list_that_was_cut(compose):
    config = compose("dataset=digits")
    params = params_of(config)
    assert recorded_task(params).metric_names == config.task.metric_names
    assert recorded_task(params | {"dataset.task.metrics": '["accu'}).metric_names == ("loss", "val_loss")


@pytest.mark.parametrize(
    ("metric", "n", "from_zero"),
    [
        ("val_digit_accuracy", 360, False),  # of rows: one for each example
        ("val_digit_odd_loss", None, True),
        ("val_digit_odd_error", None, False),
        ("val_digit_loss", None, True),
        ("val_loss", None, False),  # a sum of losses
    ],
)
def test_the_metric_of_an_output_is_known_by_its_loss(several, metric, n, from_zero):
    params = params_of(several(f"objective.metric={metric}"))
    tags = SIZES | {"objective_is_share": str(n is not None), "targets_per_example": "3"}
    found = metric_of(params, tags)
    assert found.from_zero == from_zero
    assert found.counts_examples == (n is not None)
    if n is not None:
        assert found.n_confirmed == n


def test_a_weighted_accuracy_is_no_count_of_examples(several, compose):
    weighted = metric_of(params_of(several("objective.metric=val_digit_weighted_accuracy")), SIZES)
    assert weighted.confirmed_resolution.absolute is None
    assert metric_of(params_of(several()), SIZES).confirmed_resolution.absolute is not None
    alone = compose(
        "dataset=digits", "dataset.task.metrics=[]", "+dataset.task.weighted_metrics=[accuracy]"
    )  # Keras calls it accuracy
    assert metric_of(params_of(alone), SIZES).confirmed_resolution.absolute is None
    tested = metric_confirmed("test_digit_weighted_accuracy", params_of(several()), SIZES)
    assert tested.is_share
    assert tested.confirmed_resolution.absolute is None
    assert np.isfinite(tested.bounds).all()


def reasons(*configs):
    records = [
        Record(name=f"study{i}", run_id=str(i), params=params_of(config), tags=config_tags(config))
        for i, config in enumerate(configs)
    ]
    return check_comparable("e", records, digests={}, force=True)


@dataclasses.dataclass(frozen=True)
class Record:
    """A study as far as the check of comparability reads it."""

    name: str
    run_id: str
    params: dict
    tags: dict


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "+dataset.task.loss_weights={digit:0.5}",
            ["different weights of losses: ", "none of study0", "digit=0.5 of study1"],
        ),
        (
            "+dataset.task.class_weight={digit:balanced}",
            ["different class weights: ", "none of study0", "digit=balanced of study1"],
        ),
        ("dataset.task.loss.digit.from_logits=false", ["different losses: ", "digit.from_logits=false"]),
    ],
)
def test_other_weights_make_studies_that_are_not_comparable(several, word, told):
    assert reasons(several(), several()) == ()
    (reason,) = reasons(several(), several(word))
    assert all(part in reason for part in told), reason
