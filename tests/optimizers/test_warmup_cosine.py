"""One number for the warm-up, beside Keras's own schedule with two."""

import keras
import pytest

from study.optimizers.warmup_cosine import WarmupCosine, steps_of
from study.training.build_optimizer import ScaledSchedule, build_optimizer, build_schedule
from study.training.symbolic_numbers import Frame

KERAS = {
    "_target_": "keras.optimizers.schedules.CosineDecay",
    "initial_learning_rate": 0.0,
    "warmup_target": 1.0,
    "warmup_steps": {"fraction_of_steps": 0.05},
    "decay_steps": {"fraction_of_steps": 0.95},
}
OURS = "study.optimizers.warmup_cosine.WarmupCosine"


def factors(schedule, steps):
    return [float(schedule(keras.ops.convert_to_tensor(step, "int32"))) for step in steps]


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("n_steps", [1, 2, 7, 20, 57, 200])
def test_a_twentieth_has_the_numbers_of_keras_bit_for_bit(n_steps, alpha):
    reference = build_schedule({**KERAS, "alpha": alpha}, n_steps=n_steps)
    ours = build_schedule({"_target_": OURS, "alpha": alpha}, n_steps=n_steps)
    steps = range(0, n_steps + 3, max(1, n_steps // 25))
    assert factors(ours, steps) == factors(reference, steps)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiled by TensorFlow")
def test_the_numbers_are_the_same_where_tensorflow_orders_operations():
    import tensorflow as tf

    ours, reference = (
        tf.function(build_schedule(section, n_steps=20), autograph=False) for section in ({"_target_": OURS}, KERAS)
    )
    assert factors(ours, range(22)) == factors(reference, range(22))


def test_without_a_warm_up_it_is_a_cosine():
    plain = keras.optimizers.schedules.CosineDecay(1.0, 40, alpha=0.2)
    ours = WarmupCosine(40, warmup_fraction=0.0, alpha=0.2)
    assert ours.warmup_steps == 0
    assert factors(ours, range(42)) == pytest.approx(factors(plain, range(42)), abs=2e-7)


@pytest.mark.parametrize(("share", "steps"), [(0.0, (0, 100)), (0.001, (1, 100)), (0.3, (30, 70)), (0.999, (100, 1))])
def test_both_parts_have_whole_steps(share, steps):
    assert steps_of(share, n_steps=100) == steps


def test_one_program_serves_other_numbers():
    frame = Frame(values={"warmup": 4.0, "decay": 36.0, "alpha": 0.0})
    schedule = WarmupCosine(40)
    schedule.warmup_steps, schedule.decay_steps = frame.number("warmup"), frame.number("decay")
    schedule.alpha = frame.number("alpha")
    factors(schedule, [0])  # finds the formulas
    assert frame.answers == {}  # nothing is decided
    for share, alpha in ((0.1, 0.0), (0.5, 0.3), (0.0, 0.1)):
        plain = WarmupCosine(40, warmup_fraction=share, alpha=alpha)
        numbers = {"warmup": plain.warmup_steps, "decay": plain.decay_steps, "alpha": alpha}
        frame.bind([keras.ops.convert_to_tensor(column[0]) for column in frame.columns([numbers])])
        assert factors(schedule, range(0, 42, 3)) == pytest.approx(factors(plain, range(0, 42, 3)), abs=2e-7)


def test_it_can_be_written_down_and_read_again():
    optimizer = build_optimizer(
        "keras.optimizers.SGD", {"learning_rate": 0.5}, schedule={"_target_": OURS, "warmup_fraction": 0.2}, n_steps=50
    )
    scheduled = optimizer._learning_rate
    assert scheduled.factor.get_config() == {"n_steps": 50, "warmup_fraction": 0.2, "alpha": 0.0}
    with keras.saving.custom_object_scope({"WarmupCosine": WarmupCosine}):
        again = ScaledSchedule.from_config(scheduled.get_config())
    assert factors(again, range(50)) == factors(scheduled, range(50))


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"warmup_fraction": 1.0}, {"warmup_fraction": -0.1}, {"alpha": -1}])
def test_an_argument_out_of_its_range_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*: expected a number"):
        WarmupCosine(**{"n_steps": 10, **wrong})
