"""Samplers and pruners are built and used once while the config is checked; a grid ends with its points."""

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.config.schema import Component
from study.core.errors import ConfigError, StudyError
from study.core.search_space import Range, n_grid_points
from study.pipeline.preflight import load_config
from study.pipeline.start import _small_grid
from study.search.ask_tell import open_search
from study.search.samplers import build_sampler, quiet
from study.search.search_check import search_faults


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["pruner=successive_halving", "pruner.reduction_factor=1"],
            "pruner.reduction_factor=1: expected arguments that",
        ),
        (
            ["pruner=hyperband", "pruner.max_resource=0"],
            "pruner.max_resource=0: expected arguments that pruner=hyperband can",
        ),
        (
            ["pruner=median", "pruner.interval_steps=0"],
            "pruner.interval_steps=0: expected arguments that pruner=median",
        ),
        (["pruner=median", "pruner.n_startup_trials=-1"], "pruner.n_startup_trials=-1: expected arguments"),
        (
            ["pruner=patient", "pruner.patience=-1"],
            "pruner.patience=-1: expected arguments that pruner=patient can be",
        ),
        (
            ["pruner=batch_quantile", "pruner.quantile=1"],
            "pruner.quantile=1: expected a number from 0 to below 1. Correct",
        ),
        (["sampler=tpe", "sampler.n_startup_trials=-1"], "sampler.n_startup_trials=-1: expected a whole number of at"),
        (["sampler=tpe", "+sampler.n_ei_candidates=0"], "sampler.n_ei_candidates=0: expected arguments that"),
        (
            ["sampler=qmc", "sampler.qmc_type=nope"],
            "sampler.qmc_type=nope: expected arguments that sampler=qmc can be",
        ),
        (
            ["sampler=cmaes", "+sampler.popsize=abc"],
            "sampler.popsize=abc: expected a whole number or null. Correct sampler.popsize.",
        ),
        (
            ["pruner=hyperband", "+pruner.bootstrap_count=null"],
            "pruner.bootstrap_count=null: expected a whole number.",
        ),
        (["pruner=hyperband", "pruner.min_resource=0"], "pruner.min_resource=0: expected arguments that"),
        (["pruner=median", "pruner.n_startup_trials=1.5"], "pruner.n_startup_trials=1.5: expected a whole number."),
        (["sampler=tpe", "sampler.multivariate=abc"], "sampler.multivariate=abc: expected true or false or null."),
        (
            ["sampler=tpe", "+sampler.seed=3"],
            "sampler.seed=3: expected no value, since it is ignored. Remove it: study",
        ),
        (["sampler=grid", "sampler.n_points=1"], "sampler.n_points=1: expected a whole number of at least 2. Set"),
        (
            ["sampler=grid", "sampler.n_points=abc"],
            "sampler.n_points=abc: expected a whole number. Correct sampler.n_points.",
        ),
        (
            ["sampler=grid", "sampler.n_points=2000"],
            "sampler.n_points=2000: expected a grid of at most 100000 points, and this one over learning_rate, "
            "beta_1, beta_2 has 8e+09. Lower sampler.n_points, or search less: optimizer.search_only=[...].",
        ),
    ],
)
def test_samplers_and_pruners_that_cannot_be_used_are_told_before_the_first_trial(compose, tmp_path, words, told):
    with pytest.raises(ConfigError, match="fault in the config, nothing was started") as raised:
        compose(*words)
    assert told in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_is_trained_point_by_point_and_no_point_twice(compose):
    config = compose("optimizer=sgd", "sampler=grid", "sampler.n_points=3", "budget.n_trials=8")
    assert (config.n_points, config.n_trials) == (3, 3)
    with open_search(config) as search:
        rates = [trial.hyperparameters["learning_rate"] for trial in search.ask(8)]
        assert search.ask(8) == []
    assert len(set(rates)) == 3
    assert _small_grid(config) == ("sampler=grid has 3 points, fewer than budget.n_trials=8: each is trained once.")


def test_a_grid_with_enough_points_is_as_before(compose):
    config = compose("optimizer=adam", "sampler=grid", "sampler.n_points=3", "budget.n_trials=8")
    assert (config.n_points, config.n_trials, _small_grid(config)) == (27, 8, "")
    assert (compose("budget.n_trials=8").n_points, compose("budget.n_trials=8").n_trials) == (None, 8)


def test_optunas_own_grid_ends_with_its_points_too(compose):
    config = compose("optimizer=sgd", "budget.n_trials=8")
    section = {"_target_": "optuna.samplers.GridSampler", "search_space": {"learning_rate": [0.01, 0.1]}}
    config = dataclasses.replace(config, sampler=Component(name="own", section=section))
    assert (search_faults(config), config.n_points, config.n_trials) == ([], 2, 2)


def test_number_of_points_of_a_grid():
    ranges = {"a": Range(argument="a", low=0.0, high=1.0), "b": Range(argument="b", choices=(1, 2, 2, 3))}
    assert n_grid_points(ranges, 5) == 15


VALUES = st.sampled_from([-1, 0, 1, 2, 3, 0.5, "abc", "auto", None, True, [1], 10**9])
PRUNERS = {
    "median": ["n_startup_trials", "n_warmup_steps", "interval_steps"],
    "successive_halving": ["min_resource", "reduction_factor"],
    "hyperband": ["min_resource", "max_resource", "reduction_factor"],
    "patient": ["patience", "min_delta"],
    "batch_quantile": ["quantile", "n_warmup_epochs", "every_n_epochs", "n_min_trials"],
}
SAMPLERS = {
    "tpe": ["n_startup_trials", "multivariate"],
    "cmaes": ["n_startup_trials", "warn_independent_sampling"],
    "qmc": ["qmc_type", "scramble"],
    "grid": ["n_points"],
}


@pytest.fixture(scope="module")
def valid(compose_quick, tmp_path_factory):
    """A config, and the sections of all samplers and pruners."""
    folder = tmp_path_factory.mktemp("valid")
    pairs = [*(("sampler", name) for name in SAMPLERS), *(("pruner", name) for name in PRUNERS)]
    raws = {pair: json.loads(json.dumps(compose_quick("=".join(pair), folder=folder).raw)) for pair in pairs}
    return raws["sampler", "tpe"], {pair: raw[pair[0]] for pair, raw in raws.items()}


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_sampler_and_pruner_can_be_used_or_is_told(valid, tmp_path, data):
    raw, sections = valid
    parts = {}
    for group, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        name = data.draw(st.sampled_from(sorted(known)), label=group)
        changes = data.draw(st.dictionaries(st.sampled_from(known[name]), VALUES, max_size=2), label=name)
        parts[group] = {**sections[group, name], **changes}
    config = told = None
    try:
        config = load_config({**raw, **parts}, folder=tmp_path)
    except StudyError as error:
        told = str(error)
    assert config is not None or "expected" in told
    assert list(tmp_path.iterdir()) == []
    if config is not None:
        assert search_faults(config) == []
        assert config.n_at_once >= 1
        with quiet():
            build_sampler(config, trial_number=0)
