import inspect

import keras
import pytest

from study.optimizers.keras_cautions import CAUTIONS, UsedOptimizer, keras_cautions
from study.pipeline import start

LAMB, FREE, FTRL, MUON = (f"keras.optimizers.{name}" for name in ("Lamb", "ScheduleFreeAdamW", "Ftrl", "Muon"))
SMALL = {"initial_accumulator_value": 1e-10}


def keys(target, fixed=None, searched=(), backend="jax"):
    used = UsedOptimizer(target=target, fixed=fixed or {}, searched=searched, backend=backend)
    return [caution.key for caution in keras_cautions(used)]


@pytest.mark.parametrize(
    ("target", "fixed", "searched", "backend", "expected"),
    [
        (LAMB, {}, (), "jax", []),
        (LAMB, {"weight_decay": 0.0}, (), "jax", []),
        (LAMB, {"weight_decay": 0.1}, (), "jax", ["lamb-decay"]),
        (LAMB, {"weight_decay": "0.1"}, (), "jax", ["lamb-decay"]),
        (LAMB, {}, ("weight_decay",), "jax", ["lamb-decay"]),
        (FREE, {}, (), "jax", []),
        (FREE, {}, (), None, []),
        (FREE, {}, (), "tensorflow", ["schedule-free-tensorflow"]),
        (FREE, {"weight_decay": 0.1}, (), "jax", ["schedule-free-decay"]),
        (FREE, {"warmup_steps": 10}, (), "jax", ["schedule-free-warmup"]),
        (FTRL, {}, (), "jax", ["ftrl-forgets"]),
        (FTRL, SMALL, ("initial_accumulator_value",), "jax", ["ftrl-forgets"]),
        (FTRL, SMALL, (), "jax", []),
        (FTRL, SMALL | {"l2_regularization_strength": 1.0}, (), "jax", ["ftrl-l2"]),
        (FTRL, SMALL | {"weight_decay": 1.0}, (), "jax", ["ftrl-decay"]),
        (MUON, {}, (), "jax", []),
        (MUON, {}, ("adam_lr_ratio",), "jax", ["muon-decay"]),
        (MUON, {"adam_weight_decay": 0.0}, ("adam_lr_ratio",), "jax", []),
        ("keras.optimizers.AdamW", {"weight_decay": 1.0}, (), "tensorflow", []),
    ],
)
def test_a_caution_comes_with_its_setting_alone(target, fixed, searched, backend, expected):
    assert keys(target, fixed, searched, backend) == expected


def test_each_caution_was_met_and_says_the_argument_and_the_page():
    assert len({caution.key for caution in CAUTIONS}) == len(CAUTIONS)
    for caution in CAUTIONS:
        argument = caution.text.split(":")[0].split("=")[0].removeprefix("optimizer.")
        known = inspect.signature(getattr(keras.optimizers, caution.target.split(".")[-1])).parameters
        assert argument in known or argument == "trainer.backend"
        assert "The page “Update rules” of the documentation" in caution.text


@pytest.mark.parametrize(
    ("target", "argument", "default"),
    [
        (LAMB, "weight_decay", None),
        (FREE, "weight_decay", None),
        (FREE, "warmup_steps", 0),
        (FTRL, "weight_decay", None),
        (FTRL, "initial_accumulator_value", 0.1),
        (FTRL, "l2_regularization_strength", 0.0),
        (MUON, "adam_lr_ratio", 1),
        (MUON, "adam_weight_decay", 0.004),
    ],
)
def test_kerass_defaults_are_as_the_cautions_take_them(target, argument, default):
    known = inspect.signature(getattr(keras.optimizers, target.split(".")[-1])).parameters
    assert known[argument].default == default


class Lines:
    def __init__(self):
        self.told = []

    def message(self, text):
        self.told.append(text)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["optimizer=lamb"], ["lamb-decay"]),
        (["optimizer=lamb", "optimizer.weight_decay=0"], []),
        (["optimizer=schedule_free_adamw", "trainer=fit", "trainer.backend=tensorflow"], ["schedule-free-tensorflow"]),
        (["optimizer=ftrl"], ["ftrl-forgets"]),
        (["optimizer=muon"], ["muon-decay"]),
        (["optimizer=prodigy", "optimizer.weight_decay=1"], []),
    ],
)
def test_a_study_says_it_at_its_start(overrides, expected, compose):
    lines = Lines()
    start.announce_cautions(compose(*overrides), lines)
    assert lines.told == [caution.text for caution in CAUTIONS if caution.key in expected]
