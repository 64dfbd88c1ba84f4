"""Prodigy: Adam that estimates its rate from the distance that the weights have moved and from their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from study.optimizers.keras_hooks import require_hooks, variable_index, with_decay

require_hooks(keras.optimizers.Optimizer)


class Prodigy(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Prodigy: Adam at the rate lr d, where d estimates the distance to the solution, and only grows.

    Mishchenko and Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", ICML 2024, algorithm 4, with
    g the gradient of all weights w together and w0 the weights at the beginning:

        m <- b1 m + (1 - b1) d g,  v <- b2 v + (1 - b2) d^2 g^2,
        r <- sqrt(b2) r + (1 - sqrt(b2)) lr d^2 g.(w0 - w),  s <- sqrt(b2) s + (1 - sqrt(b2)) lr d^2 g,
        w <- w - lr d (m / (sqrt(v) + d epsilon) + weight_decay w),  then  d <- max(d, r / |s|_1).

    No bias is corrected. The distance is measured from the weights before the first update. The decay is that of the
    authors' code (github.com/konstmish/prodigy, `decouple=True`), as in AdamW: it has the step's rate, lr d.

    Args:
        learning_rate: A factor on the estimate, lr, or a schedule of it. Default 1.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the second moment; its root is the decay rate of r and s. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-08.
        initial_distance: d before the first update. A value that is too small costs a few updates; one that is too
            large is never corrected. Default 1e-6.
        weight_decay: Factor on the weights in the step above; Keras's own decay has the rate lr instead. None (the
            default): no decay.
        clipnorm: Largest norm of each variable's gradient; a longer gradient is scaled down. None (the default): no
            clipping.
        clipvalue: Largest absolute value of an entry of a gradient. None (the default): no clipping.
        global_clipnorm: Largest norm of all gradients together. None (the default): no clipping.
        use_ema: Keep an exponential moving average of the weights. Default False.
        ema_momentum: Decay rate of this average. Default 0.99.
        ema_overwrite_frequency: Number of steps after which the average replaces the weights, again and again. None
            (the default): only at the end of the training.
        loss_scale_factor: Factor on the loss, by which Keras divides the gradients again. None (the default): 1.
        gradient_accumulation_steps: Number of steps whose gradients are averaged for one update. None (the default):
            1.
        name: Name of the optimizer. None (the default): Keras chooses it.
        **kwargs: No further arguments; Keras refuses them.
    """

    def __init__(
        self,
        learning_rate: Any = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        initial_distance: float = 1e-6,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.initial_distance = initial_distance

    def build(self, variables: Sequence[Any]) -> None:
        """Create the moments, the sums, and variables for the first weights.

        Args:
            variables: The trainable variables.
        """
        if self.built:
            return
        super().build(variables)
        names = ["momentum", "velocity", "gradient_sum", "first"]
        self._momentums, self._velocities, self._sums, self._firsts = self.add_optimizer_variables(variables, names)
        self._gained = self.add_variable(shape=(), name="gained")
        self._distance = self.add_variable(shape=(), name="distance")  # 0 before the first update

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave the decay to the update, which knows the rate."""

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Update all weights; an override, since the distance depends on all of them together."""
        dtype = self._distance.dtype
        rate, kept = ops.cast(learning_rate, dtype), self.beta_2**0.5
        is_first = ops.equal(self.iterations, 0)
        guess, known = (ops.convert_to_tensor(d, dtype) for d in (self.initial_distance, self._distance))
        d = ops.where(is_first, guess, known)
        gained: Any = ops.multiply(self._gained, kept)
        total: Any = ops.zeros((), dtype)
        for gradient, w in zip(grads, trainable_variables, strict=True):
            g = ops.cast(ops.convert_to_tensor(gradient), w.dtype)
            first = self._firsts[variable_index(self, w)]
            self.assign(first, ops.where(is_first, *map(ops.convert_to_tensor, (w, first))))
            moved = ops.cast(ops.sum(g * (first - w)), dtype)
            gained = gained + ops.multiply(rate * d * d * moved, 1 - kept)
            total = total + ops.cast(self._update(g, w, ops.cast(d, w.dtype), ops.cast(rate, w.dtype)), dtype)
        self.assign(self._gained, gained)
        estimate = ops.where(ops.greater(total, 0), gained / ops.where(ops.greater(total, 0), total, 1), 0)
        self.assign(self._distance, ops.maximum(d, estimate))

    def _update(self, g: Any, w: Any, d: Any, rate: Any) -> Any:
        """Update a variable, and return its part of |s|_1."""
        index, kept = variable_index(self, w), self.beta_2**0.5
        m, v, s = self._momentums[index], self._velocities[index], self._sums[index]
        self.assign(m, ops.multiply(m, self.beta_1) + ops.multiply(d * g, 1 - self.beta_1))
        self.assign(v, ops.multiply(v, self.beta_2) + ops.multiply(ops.square(d * g), 1 - self.beta_2))
        self.assign(s, ops.multiply(s, kept) + ops.multiply(rate * d * d * g, 1 - kept))
        step = rate * d * m / (ops.sqrt(v) + ops.multiply(d, self.epsilon))
        self.assign_sub(w, with_decay(self, w, step, rate=rate * d))
        return ops.sum(ops.abs(s))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the optimizer."""
        own = ("beta_1", "beta_2", "epsilon", "initial_distance")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
