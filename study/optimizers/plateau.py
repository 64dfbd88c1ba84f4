"""A learning rate that falls when a metric stops improving."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Plateau(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rule of `keras.callbacks.ReduceLROnPlateau` as a schedule: `study run schedule=plateau`.

    The trainers multiply the optimizer's rate by `factor` after each epoch at which the metric has not improved for
    `patience` epochs. So its factor at a step is not known beforehand: called, it returns that of a training whose
    metric always improves, 1.

    Args:
        monitor: Name of a metric of an epoch, such as `val_loss`. None (the default): the objective's metric.
        direction: `maximize` if large values are good, `minimize` if small ones are. `auto` (the default): known from
            the metric's class.
        factor: Factor on the rate, between 0 and 1. Default 0.1.
        patience: Number of epochs without an improvement. Default 3.
        min_delta: A value must be better by more than this to be an improvement, in the metric's units. Default 0.
        cooldown: Number of epochs after a reduction that do not count. Default 0.
        min_factor: Lowest rate, as a share of the first one. Default 0.
    """

    def __init__(
        self,
        monitor: str | None = None,
        direction: str = "auto",
        factor: float = 0.1,
        patience: int = 3,
        min_delta: float = 0.0,
        cooldown: int = 0,
        min_factor: float = 0.0,
    ) -> None:
        self._arguments = {
            "monitor": monitor,
            "direction": direction,
            "factor": factor,
            "patience": patience,
            "min_delta": min_delta,
            "cooldown": cooldown,
            "min_factor": min_factor,
        }

    def __call__(self, step: Any) -> Any:
        """Return the factor of a training whose metric always improves, 1."""
        return ops.ones_like(ops.cast(step, keras.config.floatx()))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the schedule."""
        return dict(self._arguments)
