"""Optimizers and schedules are built once while the config is checked, never for the first time in a trial."""

import json
import math
import random

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.core.errors import ConfigError, StudyError
from study.pipeline.preflight import load_config
from study.training.build_optimizer import build_optimizer
from study.training.initial_weights import numpy_state
from study.training.optimizer_check import optimizer_faults


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["optimizer.gradient_accumulation_steps=1"],
            "optimizer.gradient_accumulation_steps=1: expected arguments that",
        ),
        (["optimizer.clipnorm=1", "optimizer.global_clipnorm=1"], "Only one of `clipnorm`, `clipvalue` and"),
        (["optimizer.clipnorm=[1,2]"], "optimizer.clipnorm=['1', '2']: expected arguments that optimizer=sgd can be"),
        (
            ["optimizer.weight_decay=abc"],
            "optimizer.weight_decay=abc: expected arguments that optimizer=sgd can be used",
        ),
        (
            ["optimizer.momentum=2"],
            "optimizer.momentum=2.0: expected arguments that optimizer=sgd can be used with; it",
        ),
        (
            ["optimizer.search.momentum={low: 0.5, high: 2.0}", "optimizer.momentum=null"],
            "optimizer.search.momentum=2.0",
        ),
        (
            ["optimizer.search.clipnorm={choices: [1.0, abc, 2.0]}"],
            "optimizer.search.clipnorm=abc: expected arguments",
        ),
        (
            ["optimizer.use_ema=true", "optimizer.ema_momentum=2"],
            "optimizer.ema_momentum=2.0: expected arguments that",
        ),
        (
            ["schedule=cosine", "schedule.alpha=abc"],
            "schedule.alpha=abc: expected arguments that schedule=cosine can be",
        ),
        (["schedule=step", "schedule.values=[1.0]"], "The length of boundaries should be 1 less than the length of"),
        (["schedule=exponential", "schedule.decay_rate=[1]"], "schedule.decay_rate=[1]: expected arguments that"),
        (
            ["optimizer.gradient_accumulation_steps=0"],
            "expected a whole number of at least 2, since 0 is ignored. Set",
        ),
        (["optimizer.learning_rate=-1"], "optimizer.learning_rate=-1.0: expected a number of at least 0. Correct"),
        (["optimizer.weight_decay=true"], "optimizer.weight_decay=true: expected a number of at least 0. Correct"),
        (["optimizer.loss_scale_factor=0"], "optimizer.loss_scale_factor=0: expected a number above 0. Correct"),
        (
            ["optimizer=adam", "optimizer.beta_1=1"],
            "optimizer.beta_1=1.0: expected a number of at least 0 and below 1.",
        ),
        (
            ["optimizer=adam", "optimizer.search.beta_1.low=-0.1"],
            "optimizer.search.beta_1.low=-0.1: expected a number",
        ),
        (
            ["optimizer=adam", "optimizer.epsilon=-1"],
            "optimizer.epsilon=-1.0: expected a number of at least 0. Correct",
        ),
        (
            ["optimizer=rmsprop", "optimizer.rho=2"],
            "optimizer.rho=2.0: expected a number of at least 0 and at most 1.",
        ),
        (["schedule=cosine", "schedule.alpha=nan"], "schedule.alpha=nan: expected a finite number. Correct"),
        (["schedule=cosine", "schedule.alpha=-1"], "schedule.alpha=-1: expected a number of at least 0. Correct"),
        (
            ["schedule=cosine", "schedule.decay_steps.fraction_of_steps=-1"],
            "fraction_of_steps=-1: expected a finite number",
        ),
        (
            ["schedule=cosine", "schedule.decay_steps.fraction=1"],
            "schedule.decay_steps.fraction=1: expected fraction_of",
        ),
        (
            ["schedule=cosine", "schedule.initial_learning_rate=0"],
            "expected a factor above 0, since nothing is trained",
        ),
        (
            ["schedule=exponential", "schedule.staircase=abc"],
            "schedule.staircase=abc: expected true or false. Correct",
        ),
        (
            ["schedule=step", "schedule.boundaries=[5, 3]"],
            "schedule.boundaries=[5, 3]: expected numbers of steps that rise",
        ),
        (
            ["schedule=step", "schedule.boundaries=null"],
            "schedule.boundaries=null: expected a value. Correct schedule.",
        ),
        (["schedule=warmup_cosine", "schedule.alpha=null"], "schedule.alpha=null: expected a number. Correct"),
        (
            ["schedule=warmup_cosine", "schedule.warmup_fraction=1"],
            "schedule.warmup_fraction=1: expected a number of at least 0 and below 1",
        ),
        (["schedule=cosine", "schedule.alpha=null"], "schedule.alpha=null: expected arguments that schedule="),
        (["schedule=step", "schedule.boundaries=true"], "schedule.boundaries=true: expected a list of numbers. Write"),
        (["trainer.jit_compile=maybe"], "trainer.jit_compile=maybe: expected one of true, false, auto."),
        (["trainer.precision=float16"], "trainer.precision=float16: expected one of float32, bfloat16, float64. Set"),
        (["trainer.checkpoint_every_n_epochs=0"], "trainer.checkpoint_every_n_epochs=0: expected a whole number of"),
        (
            ["trainer=vectorized", "trainer.backend=jax", "trainer.capacity=0"],
            "trainer.capacity=0: expected a whole number of at least 1, or",
        ),
        (["optimizer=muon", "optimizer.ns_steps=1.5"], "expected arguments that optimizer=muon can be used with"),
    ],
)
def test_arguments_that_no_trial_could_use_are_told_before_the_first(compose, words, told):
    with pytest.raises(ConfigError, match="fault in the config, nothing was started") as raised:
        compose(*(["optimizer=sgd"] if words[0][:10] != "optimizer=" else []), *words)
    assert told in str(raised.value)


def test_checking_leaves_no_trace(compose):
    config = compose("optimizer=adam", "schedule=cosine")
    before = random.getstate(), numpy_state()
    assert optimizer_faults(config) == []
    assert (random.getstate(), numpy_state()) == before


def test_a_rule_in_numpy_is_left_to_its_trainer(compose):
    assert optimizer_faults(compose("optimizer=paper_adam", "trainer=numpy")) == []


NUMBERS = st.sampled_from([0, 1, -1, 0.5, 2, 1e-50, 1e39, math.inf, math.nan, "abc", True, None, [1, 2], {"a": 1}])
ARGUMENTS = ["learning_rate", "momentum", "nesterov", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm"]
ARGUMENTS += ["use_ema", "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"]


@pytest.fixture(scope="module")
def valid(compose_quick, tmp_path_factory):
    found = compose_quick("optimizer=sgd", "schedule=cosine", folder=tmp_path_factory.mktemp("valid")).raw
    return json.loads(json.dumps(found))


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    arguments=st.dictionaries(st.sampled_from(ARGUMENTS), NUMBERS, max_size=3),
    schedule=st.dictionaries(st.sampled_from(["alpha", "decay_steps", "initial_learning_rate"]), NUMBERS, max_size=2),
)
def test_any_arguments_can_be_trained_with_or_are_told(valid, tmp_path, arguments, schedule):
    parts = {"optimizer": {**valid["optimizer"], **arguments}, "schedule": {**valid["schedule"], **schedule}}
    config = told = None
    try:
        config = load_config({**valid, **parts}, folder=tmp_path)
    except StudyError as error:
        told = str(error)
    assert config is not None or "expected" in told
    assert list(tmp_path.iterdir()) == []
    if config is None:
        return
    fixed = config.optimizer.arguments({name: searched.low for name, searched in config.optimizer.ranges.items()})
    assert {name for name, value in arguments.items() if value is not None} <= set(fixed)
    built = build_optimizer(config.optimizer.target, fixed, schedule=config.schedule.section, n_steps=10)
    weight = keras.Variable([1.0, 2.0])
    built.build([weight])
    built.apply([keras.ops.ones(2)])
    assert weight.shape == (2,)
