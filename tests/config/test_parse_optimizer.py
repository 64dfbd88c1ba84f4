"""Values of an optimizer that are not numbers, that float32 rounds away, or that would be ignored."""

import pytest

from study.cli.launch.compose import compose_jobs, prepare
from study.config.parse import parse
from study.core.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["optimizer.learning_rate=[0.1,0.2]"],
            "optimizer.learning_rate=[0.1, 0.2]: expected a single value. To search these values, write "
            "optimizer.search.learning_rate.choices=[0.1, 0.2].",
        ),
        (["optimizer.beta_1=[0.9]"], "optimizer.beta_1=[0.9]: expected a single value."),
        (
            ["optimizer.search.beta_2.high=0.9999999999999"],
            "optimizer.search.beta_2.high=0.9999999999999: expected a number below 1 on a one_minus_log scale, at "
            "most 0.999999999999.",
        ),
        (
            ["optimizer.search.beta_2.high=0.999999999"],
            "optimizer.search.beta_2.high=0.999999999: expected a number that float32 does not round to 1. In "
            "float32, in which the optimizer computes, 0.99999994 is the largest below 1.",
        ),
        (
            ["optimizer.beta_2=0.99999999999"],
            "optimizer.beta_2=0.99999999999: expected a number that float32 does not",
        ),
        (
            ["optimizer.learning_rate=1e39"],
            "optimizer.learning_rate=1e+39: expected a number that float32 does not round to",
        ),
        (["optimizer.epsilon=1e-60"], "optimizer.epsilon=1e-60: expected a number that float32 does not round to 0."),
        (
            ["optimizer.search.learning_rate={choices: [0.1, 1e-60]}"],
            "optimizer.search.learning_rate.choices=1e-60: expected a number that float32 does not round to 0.",
        ),
        (
            ["optimizer.search.learning_rate={choices: [[1], 2]}"],
            "optimizer.search.learning_rate.choices=[1]: expected finite numbers, texts, true, false or null.",
        ),
        (
            ["optimizer.amsgrad=null", "optimizer.search.amsgrad={low: 0, high: 1}"],
            "optimizer.search.amsgrad={'low': 0, 'high': 1}: expected choices of true and false. Write "
            "optimizer.search.amsgrad={choices: [true, false]}.",
        ),
        (["optimizer.clipnorm=0"], "optimizer.clipnorm=0: expected a number above 0, since it is ignored otherwise."),
        (
            ["optimizer.search.global_clipnorm={low: -1.0, high: 1.0}"],
            "optimizer.search.global_clipnorm.low=-1.0: expected a number above 0, since it is ignored otherwise.",
        ),
        (
            ["optimizer.ema_momentum=0.9"],
            "optimizer.ema_momentum=0.9: expected null without optimizer.use_ema=true, since it is ignored.",
        ),
    ],
)
def test_values_that_would_train_something_else_are_told(compose, words, told):
    with pytest.raises(ConfigError) as raised:
        compose(*words)
    assert told in str(raised.value)


def test_a_study_in_float64_may_have_them(compose):
    words = ["trainer.precision=float64", "optimizer.search.beta_2.high=0.999999999", "optimizer.epsilon=1e-60"]
    assert compose(*words).optimizer.ranges["beta_2"].high == 0.999999999


def test_a_recorded_study_stays_readable(compose, tmp_path):
    raw = compose("optimizer=adam").raw
    recorded = {**raw, "optimizer": {**raw["optimizer"], "ema_momentum": 0.9, "beta_2": 0.99999999999}}
    assert parse(recorded, folder=tmp_path, allow=()).optimizer.fixed["ema_momentum"] == 0.9
    with pytest.raises(ConfigError, match="2 faults"):
        parse(recorded, folder=tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["optimizer=sgd", "optimizer.search.momentum.low=0.1", "optimizer.search.momentum.high=0.2"],
            "optimizer.search.momentum.low=0.1: expected an argument that is searched, and conf/optimizer/sgd.yaml "
            "fixes momentum=0.0. Remove the range, or set optimizer.momentum=null to search the argument.",
        ),
        (
            ["optimizer=adam", "optimizer.search.epsilon.low=1e-9"],
            "optimizer.search.epsilon.low=1e-9: expected the range of an argument that is searched, and this one is "
            "optional. Add optimizer.search.epsilon.optional=false",
        ),
        (
            ["optimizer=adam", "optimizer.search_only=[learning_rate]", "optimizer.search.beta_1.low=0.8"],
            "optimizer.search.beta_1.low=0.8: expected one of the arguments of "
            "optimizer.search_only=['learning_rate']. Set optimizer.search_only=[learning_rate,beta_1].",
        ),
        (
            [
                "settings={shared: {any: {learning_rate: 0.1}}}",
                "setting=shared",
                "optimizer.search.learning_rate.low=0.1",
            ],
            "optimizer.search.learning_rate.low=0.1: expected an argument that is searched, and "
            "settings.shared.any.learning_rate fixes learning_rate=0.1.",
        ),
        (
            ["settings={shared: {any: {epsilon: 1.0}}}", "setting=shared", "optimizer.search.beta_1.low=0.6"],
            "optimizer.search.beta_1.low=0.6: expected no range, since setting=shared fixes its arguments and "
            "searches nothing. Set setting=null.",
        ),
    ],
)
def test_a_typed_range_that_nothing_would_use_is_told(words, told):
    with pytest.raises(ConfigError) as raised:
        compose_jobs(prepare(words), multirun=False)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=sgd", "optimizer.momentum=null", "optimizer.search.momentum={low: 0.1, high: 0.2}"],
        ["optimizer=adam", "optimizer.search.epsilon.low=1e-9", "optimizer.search_only=[epsilon]"],
        ["optimizer=adam", "optimizer.search.epsilon={low: 1e-9, optional: false}"],
        ["optimizer=adam", "optimizer.search.beta_1.low=0.8"],
    ],
)
def test_a_typed_range_that_is_used_is_taken(compose, words):
    argument = next(word for word in words if "search." in word).split(".")[2].split("=")[0]
    assert argument in compose(*words).optimizer.ranges
