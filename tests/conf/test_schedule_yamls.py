import math

import keras
import numpy as np
import pytest
import training_workload as workload
from training_workload import keep_going, make_trainer, make_trial

from study.training.build_optimizer import build_optimizer, build_schedule, coerce

YAMLS = {
    name: {key: value for key, value in yaml.items() if key != "name"}
    for name, yaml in workload.read_yamls("schedule").items()
}
# Step to factor, by hand, for a training of 200 steps.
FACTORS = {
    "constant": {0: 1.0, 100: 1.0, 200: 1.0},
    "cosine": {0: 1.0, 50: (1 + math.cos(math.pi / 4)) / 2, 100: 0.5, 200: 0.0},
    "exponential": {0: 1.0, 100: 0.1, 200: 0.01},
    "inverse_sqrt": {0: 1.0, 1: 0.5**0.5, 3: 0.5, 99: 0.1},
    "step": {0: 1.0, 100: 1.0, 101: 0.1, 150: 0.1, 151: 0.01, 200: 0.01},
    "plateau": {0: 1.0, 100: 1.0, 200: 1.0},  # falls after epochs, by the trainers
    "warmup_cosine": {0: 0.0, 5: 0.5, 10: 1.0, 105: 0.5, 200: 0.0},
}
SGD = "keras.optimizers.SGD"


def test_every_schedule_has_values_by_hand():
    assert set(YAMLS) == set(FACTORS)


@pytest.mark.parametrize("name", YAMLS)
def test_factors_times_the_rate(name):
    for point, rate in (({"learning_rate": 2}, 2.0), ({}, 0.01)):
        optimizer = build_optimizer(SGD, point, schedule=YAMLS[name], n_steps=200)
        for step, factor in FACTORS[name].items():
            optimizer.iterations.assign(step)
            assert float(optimizer.learning_rate) == pytest.approx(rate * factor, abs=1e-6)


@pytest.mark.parametrize("name", YAMLS)
def test_every_schedule_trains(name):
    trainer = make_trainer(schedule=YAMLS[name])
    result = trainer.train([make_trial(learning_rate=0.3)], keep_going)[0]
    assert result.state == "complete", result.error
    assert result.summary["final_loss"] < result.summary["initial_loss"]


@pytest.mark.parametrize("name", sorted(set(YAMLS) - {"constant"}))
def test_a_training_of_one_step_has_a_schedule(name):
    optimizer = build_optimizer(SGD, {"learning_rate": 0.5}, schedule=YAMLS[name], n_steps=1)
    assert math.isfinite(float(optimizer.learning_rate))


def test_training_stops_moving_where_the_factor_is_zero():
    halt = YAMLS["step"] | {"boundaries": [{"fraction_of_steps": 0.5}], "values": [1.0, 0.0]}
    trial = make_trial(learning_rate=0.3, keep_weights=True)
    halted = make_trainer(schedule=halt).train([trial], keep_going)[0]
    # 14 steps: the boundary is 7, and Keras's steps 0 to 7 are the first eight.
    first_eight = make_trainer(n_epochs=None, n_steps=8).train([trial], keep_going)[0]
    assert halted.weights is not None
    assert first_eight.weights is not None
    for a, b in zip(halted.weights, first_eight.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_shares_of_the_steps_are_filled_in_at_any_depth():
    section = {
        "_target_": "builtins.dict",
        "nested": [{"fraction_of_steps": 0.25}, {"deeper": ({"fraction_of_steps": 1e-9},)}],
        "plain": 3,
    }
    expected = {"nested": [50, {"deeper": [1]}], "plain": 3}
    assert build_schedule(section, n_steps=200) == expected


def test_a_scheduled_rate_can_be_written_down_and_read_again():
    optimizer = build_optimizer(SGD, {"learning_rate": 0.5}, schedule=YAMLS["cosine"], n_steps=200)
    scheduled = optimizer._learning_rate
    again = type(scheduled).from_config(scheduled.get_config())
    assert float(again(100)) == pytest.approx(0.25)


def test_numbers_are_coerced_as_keras_wants_them():
    muon = "keras.optimizers.Muon"
    point = {"learning_rate": 1, "ns_steps": 3, "gradient_accumulation_steps": 2, "momentum": 0, "nesterov": False}
    coerced = coerce(muon, {**point, "exclude_layers": ("output", "head"), "weight_decay": 1})
    assert coerced == {**point, "exclude_layers": ["output", "head"], "weight_decay": 1}
    kinds = {name: type(value) for name, value in coerced.items()}
    assert kinds["learning_rate"] is kinds["momentum"] is kinds["weight_decay"] is float
    assert kinds["ns_steps"] is kinds["gradient_accumulation_steps"] is int
    assert kinds["nesterov"] is bool
    assert isinstance(build_optimizer(muon, point, schedule={"_target_": None}, n_steps=1), keras.optimizers.Muon)
