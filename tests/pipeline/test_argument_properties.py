"""Any arguments of optimizers, schedules, samplers, pruners and losses can be used, or a message names their key."""

import copy
import json
import math
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from study.config.instantiate import instantiate, parameters
from study.core.errors import ConfigError
from study.pipeline.preflight import load_config
from study.pipeline.workload import check_task, load_dataset
from study.search.samplers import build_sampler, quiet
from study.search.search_check import search_faults
from study.training.build_optimizer import build_optimizer, build_schedule
from tests import drawn_examples

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "conf"
N_STEPS = 10

QUICKLY = settings(drawn_examples.QUICKLY, max_examples=100)
AT_LENGTH = settings(QUICKLY, max_examples=3000, derandomize=False)

VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1.0, 10**400, 2**63, 1e-50, 1e39, math.inf, math.nan]),
    st.sampled_from(["abc", "", "auto", "\0", [], [1, 2], [None], {}, {"a": 1}, {"fraction_of_steps": -1}]),
    st.integers(-5, 5),
    st.floats(),
)
LOSSES = ("MeanSquaredError", "Huber", "SparseCategoricalCrossentropy", "LogCosh", "CosineSimilarity")


def _sections(group):
    for file in sorted((CONF / group).glob("*.yaml")):
        section = yaml.safe_load(file.read_text())
        if section.get("_target_") and not {"defaults", "requires"} & set(section):
            yield section


SECTIONS = {group: list(_sections(group)) for group in ("optimizer", "schedule", "sampler", "pruner")}
SECTIONS["loss"] = [
    {"_target_": f"keras.losses.{name}", **({"from_logits": True} if "Sparse" in name else {})} for name in LOSSES
]
WORKLOADS = {"keras.losses.SparseCategoricalCrossentropy": "digits"}


@pytest.fixture(scope="module")
def valid(compose_quick, tmp_path_factory):
    """A valid config and the data set by its name."""
    folder = tmp_path_factory.mktemp("valid")
    words = {"digits": [], "linear_regression": ["dataset=linear_regression"]}
    configs = {name: compose_quick("optimizer=sgd", *some, folder=folder) for name, some in words.items()}
    loaded = {name: (json.loads(json.dumps(config.raw)), load_dataset(config)) for name, config in configs.items()}
    return lambda name: copy.deepcopy(loaded[name])  # a function is short in Hypothesis's messages


@st.composite
def changed(draw):
    """Draw a group and one of its sections with other values of one or two arguments."""
    group = draw(st.sampled_from(sorted(SECTIONS)))
    section = copy.deepcopy(draw(st.sampled_from(SECTIONS[group])))
    known = sorted({*parameters(section["_target_"])} - {"name", "independent_sampler", "constraints_func"})
    ours = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
    return group, {**section, **{name: draw(VALUES) for name in ours}}, ours


def _is_told_or_used(valid, folder, drawn):
    group, section, ours = drawn
    key = "dataset.task.loss" if group == "loss" else group
    name = WORKLOADS.get(section["_target_"], "linear_regression") if group == "loss" else "digits"
    raw, dataset = valid(name)
    (raw["dataset"]["task"] if group == "loss" else raw)[group] = section
    try:
        config = load_config(raw, folder=folder)
        if group == "loss":
            check_task(config, dataset)
    except ConfigError as error:
        for fault in error.faults:
            assert fault.key.startswith(key)
            assert not ours or fault.key == key or any(name in str(fault) for name in ours)
            assert fault.allowed
            assert fault.advice
        return
    finally:
        assert list(folder.iterdir()) == []
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        USES[group](config, section)


def _step(config, _):
    searched = {name: r.choices[0] if r.choices else r.low for name, r in config.optimizer.ranges.items()}
    if config.optimizer.target.startswith("study.optimizers.reference."):
        return
    arguments = config.optimizer.arguments(searched)
    built = build_optimizer(config.optimizer.target, arguments, schedule={}, n_steps=N_STEPS)
    weight = keras.Variable(np.ones((2, 3), np.float32))
    built.build([weight])
    built.apply([keras.ops.ones((2, 3))])
    assert weight.shape == (2, 3)


def _factors(config, section):
    built = build_schedule(config.schedule.section, n_steps=N_STEPS)
    factors = [float(built(keras.ops.convert_to_tensor(step, "int32"))) for step in range(N_STEPS)]
    assert all(math.isfinite(factor) and factor >= 0 for factor in factors), section
    assert any(factors)


def _proposed(config, _):
    assert search_faults(config) == []
    build_sampler(config, trial_number=0)


def _computed(_, section):
    ones = keras.ops.ones((3, 1))
    y = keras.ops.zeros((3,), "int32") if "Sparse" in section["_target_"] else ones
    instantiate(section)(y, ones)


USES = {"optimizer": _step, "schedule": _factors, "sampler": _proposed, "pruner": _proposed, "loss": _computed}


@QUICKLY
@given(drawn=changed())
def test_any_arguments_are_told_or_used(valid, tmp_path, drawn):
    _is_told_or_used(valid, tmp_path, drawn)


@pytest.mark.faults
@AT_LENGTH
@given(drawn=changed())
def test_any_arguments_are_told_or_used_at_length(valid, tmp_path, drawn):
    _is_told_or_used(valid, tmp_path, drawn)
