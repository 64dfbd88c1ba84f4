"""A learning rate that falls with the square root of the steps, as in proofs of online learning."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate over sqrt(t), t = 1, 2, ... counting steps.

    Zinkevich, "Online convex programming and generalized infinitesimal gradient ascent", ICML 2003, theorem 1.

    Args:
        initial_learning_rate: The rate of the first step. Default 1.
    """

    def __init__(self, initial_learning_rate: float = 1.0) -> None:
        self.initial_learning_rate = initial_learning_rate

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step, counted from 0."""
        t = ops.cast(step, keras.config.floatx()) + 1
        return self.initial_learning_rate / ops.sqrt(t)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the schedule."""
        return {"initial_learning_rate": self.initial_learning_rate}
