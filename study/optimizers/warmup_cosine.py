"""A learning rate that rises from 0 for a share of the steps, and then falls along half a cosine."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear warm-up to 1, then half a cosine to `alpha`: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5.

    With w warm-up steps, d further steps and step t = 0, 1, ..., it is t / w while t < w, and then

        (1 - alpha) (1 + cos(pi min(t - w, d) / d)) / 2 + alpha.

    It computes what `keras.optimizers.schedules.CosineDecay` computes with these numbers and a `warmup_target` of 1.

    Attributes:
        warmup_steps: The number w, 0 without a warm-up.
        decay_steps: The number d, at least 1.
        alpha: The last factor. Any number that can be combined with an array will do for these three.

    Args:
        n_steps: Number of steps of the whole training; the trainer sets it.
        warmup_fraction: Share of the steps in which the rate rises, from 0, for no warm-up, to below 1. A warm-up has
            at least one step. Default 0.05.
        alpha: The last factor, as a share of the largest, at least 0. Default 0.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, n_steps: int, warmup_fraction: float = 0.05, alpha: float = 0.0) -> None:
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps}: expected a number of steps of at least 1")
        if not 0 <= warmup_fraction < 1:
            raise ValueError(
                f"warmup_fraction={warmup_fraction}: expected a number of at least 0 and below 1. Set 0 for none."
            )
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha}: expected a number of at least 0. Set 0 to end at a rate of 0.")
        self._n_steps, self._warmup_fraction = n_steps, warmup_fraction
        self.warmup_steps, self.decay_steps = steps_of(warmup_fraction, n_steps=n_steps)
        self.alpha = float(alpha)

    def __call__(self, step: Any) -> Any:
        """Return the factor at a step, counted from 0.

        Args:
            step: The step, an integer array without axes.
        """
        t = ops.cast(step, keras.config.floatx())
        zero = ops.zeros_like(t)
        warmup, decay = zero + self.warmup_steps, zero + self.decay_steps
        span, last = zero + (1 - self.alpha), zero + self.alpha
        t = ops.minimum(t, decay + warmup)

        def rise() -> Any:
            return t / ops.maximum(warmup, 1.0)  # of many lanes both branches are computed, also for no steps

        def fall() -> Any:
            cosine = 0.5 * (1.0 + ops.cos(math.pi * ((t - warmup) / decay)))
            return span * cosine + last

        # Keras's own branches and operations: with `where`, TensorFlow and JAX multiply in another order, which rounds
        # in another way. JAX makes a selection of it where lanes differ.
        return ops.cond(t < warmup, rise, fall)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the schedule."""
        return {"n_steps": self._n_steps, "warmup_fraction": self._warmup_fraction, "alpha": self.alpha}


def steps_of(warmup_fraction: float, *, n_steps: int) -> tuple[float, float]:
    """Return the numbers of steps of the warm-up and of the decay.

    Args:
        warmup_fraction: Share of the steps in which the rate rises, at least 0 and below 1.
        n_steps: Number of steps of the whole training.
    """
    warmup = max(1, round(warmup_fraction * n_steps)) if warmup_fraction else 0
    return float(warmup), float(max(1, round((1 - warmup_fraction) * n_steps)))
