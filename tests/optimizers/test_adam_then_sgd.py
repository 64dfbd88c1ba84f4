import keras
import keras_steps
import numpy as np
import pytest

from benchmarks.update_rules.papers import swats
from study.optimizers.adam_then_sgd import AdamThenSGD
from study.optimizers.reference.keras_differences import double_precision
from study.training.build_optimizer import build_optimizer

TARGET = "study.optimizers.adam_then_sgd.AdamThenSGD"
CONSTANT = {"_target_": None}


@pytest.mark.parametrize(
    ("arguments", "given", "switches"),
    [
        ({}, {}, False),
        ({"tolerance": 1e-5}, {}, True),
        ({"tolerance": 3e-4, "learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}, {}, True),
        ({"switch_fraction": 0.3, "n_steps": 100}, {"switch_step": 30}, True),
        ({"switch_fraction": 0.3, "n_steps": 100, "sgd_learning_rate": 0.02}, {"switch_step": 30}, True),
        ({"tolerance": 1e-4, "sgd_learning_rate": 0.5}, {}, True),
        ({"switch_fraction": 0.0, "n_steps": 100}, {"switch_step": 0}, True),
        ({"tolerance": 1e-5, "weight_decay": 0.5}, {}, True),
        (
            {"switch_fraction": 0.3, "n_steps": 100, "sgd_learning_rate": 0.02, "weight_decay": 0.5},
            {"switch_step": 30},
            True,
        ),
    ],
)
def test_keras_takes_the_steps_of_the_paper(arguments, given, switches):
    theirs = {k: v for k, v in arguments.items() if k not in ("switch_fraction", "n_steps")}
    expected, switched = swats(keras_steps.start(), keras_steps.gradients(), **theirs, **given)
    assert bool(switched) == switches
    assert switched < 90, "too few steps of SGD are seen"
    with double_precision():
        path = keras_steps.by_keras(AdamThenSGD(**arguments))
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)


def test_a_share_of_the_steps_is_known_from_the_training():
    optimizer = build_optimizer(TARGET, {"switch_fraction": 0.25}, schedule=CONSTANT, n_steps=80)
    assert (optimizer.switch_fraction, optimizer.n_steps) == (0.25, 80)
    fixed = build_optimizer(TARGET, {"switch_fraction": 0.25, "n_steps": 40}, schedule=CONSTANT, n_steps=80)
    assert fixed.n_steps == 40


def test_weights_decay_at_the_rate_of_the_step():
    """Without gradients: by lr weight_decay under Adam, by the rate of SGD, ten times as large, after the switch."""
    w = keras.Variable([1.0, 1.0])
    optimizer = AdamThenSGD(
        learning_rate=0.01, weight_decay=0.5, switch_fraction=0.5, n_steps=4, sgd_learning_rate=0.1
    )
    path = []
    for gradient in (1.0, 1.0, 0.0, 0.0):
        before = float(w[0]) - float(w[1])
        optimizer.apply([keras.ops.convert_to_tensor([gradient, -gradient])], [w])
        path.append((float(w[0]) + float(w[1])) / 2)
        assert gradient or before
    factors = np.array(path) / np.array([1.0, *path[:-1]])
    np.testing.assert_allclose(factors, [0.995, 0.995, 0.95, 0.95], rtol=1e-6)


def test_a_schedule_acts_on_the_derived_rate():
    """Half the rate from update 51 on: SGD, begun at 31, makes half the steps then."""
    halved = {
        "_target_": "keras.optimizers.schedules.PiecewiseConstantDecay",
        "boundaries": [49],
        "values": [1.0, 0.5],
    }
    with double_precision():
        paths = [
            keras_steps.by_keras(build_optimizer(TARGET, {"switch_fraction": 0.3}, schedule=section, n_steps=100))
            for section in (CONSTANT, halved)
        ]
    full, half = (np.diff(path, axis=0) for path in paths)
    np.testing.assert_allclose(half[:49], full[:49], rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(half[49:], 0.5 * full[49:], rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"switch_fraction": 1.5, "n_steps": 10}, "switch_fraction=1.5: expected a share"),
        ({"switch_fraction": 0.5}, "n_steps=None: expected the number of all steps"),
        ({"switch_step": 3}, "not recognized"),
    ],
)
def test_what_makes_no_switch_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        AdamThenSGD(**arguments)


def test_it_is_written_down_and_read_again():
    optimizer = AdamThenSGD(switch_fraction=0.5, n_steps=10, sgd_learning_rate=0.1, clipnorm=1.0)
    config = keras.optimizers.serialize(optimizer)["config"]
    assert AdamThenSGD.from_config(config).get_config() == optimizer.get_config()
