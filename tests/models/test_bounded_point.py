"""One number in an interval: its outputs, its limits, and the arguments that it refuses."""

import keras
import numpy as np
import pytest

from study.models.bounded_point import Between, build

SLOPES = np.array([[3.0], [-1.0]], np.float32)


def test_it_puts_out_the_cost_and_the_number():
    model = build((1,), 3, start=0.5)
    assert model.count_params() == 1
    np.testing.assert_allclose(model(SLOPES), [[1.5, 0.5, 0.0], [-0.5, 0.5, 0.0]])


def test_its_steps_end_at_the_ends_of_the_interval():
    model = build((1,), 2, start=0.0, low=-0.25, high=0.5)
    optimizer = keras.optimizers.SGD(learning_rate=1.0)
    (number,) = model.trainable_variables
    for slope, end in ((3.0, -0.25), (-1.0, 0.5), (0.125, 0.375)):
        optimizer.apply([keras.ops.convert_to_tensor([[slope]])], [number])
        assert float(number[0, 0]) == end


def test_a_saved_constraint_is_read_again():
    constraint = Between(low=-1.0, high=2.0)
    assert Between(**constraint.get_config()).get_config() == {"low": -1.0, "high": 2.0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"start": 2.0}, r"model\.start=2\.0: expected a number from model\.low=-1\.0 to model\.high=1\.0"),
        ({"start": float("nan")}, r"model\.start=nan: expected a finite number"),
        ({"low": 1.0}, r"model\.low=1\.0: expected less than model\.high=1\.0"),
        ({"high": True}, r"model\.high=True: expected a finite number"),
    ],
)
def test_what_is_no_number_in_an_interval_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        build((1,), 2, **arguments)


def test_it_needs_room_for_the_number():
    with pytest.raises(ValueError, match=r"n_outputs=1: expected at least 2"):
        build((1,), 1)
