from __future__ import annotations

from typing import Any

import keras
import numpy as np

from study.training.initial import outline


def dense() -> Any:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_an_outline_has_shapes_and_no_values() -> None:
    model = outline(dense)
    assert model.output_shape == (None, 2)
    assert [variable._value for variable in model.variables] == [None, None]
    with keras.StatelessScope():  # which would give values to all that wait for them
        pass
    assert [variable._value for variable in model.variables] == [None, None]


def test_a_model_that_needs_its_values_is_built() -> None:
    def scaled() -> Any:
        model = dense()
        model.set_weights([2 * weight for weight in model.get_weights()])
        return model

    assert all(np.isfinite(weight).all() for weight in outline(scaled).get_weights())
