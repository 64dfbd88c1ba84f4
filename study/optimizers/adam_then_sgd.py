"""Adam that becomes SGD with momentum (SWATS), at a chosen step or when the rate of SGD has settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from study.optimizers.keras_hooks import require_hooks, variable_index, with_decay

require_hooks(keras.optimizers.Optimizer)


class AdamThenSGD(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Adam, then SGD with momentum.

    Keskar and Socher, "Improving generalization performance by switching from Adam to SGD", 2017, algorithm 1. Adam's
    step, with g the gradient of all weights together and k = 1, 2, ... counting updates, is -lr u,

        m <- b1 m + (1 - b1) g,  a <- b2 a + (1 - b2) g^2,  u = sqrt(1 - b2^k) / (1 - b1^k) m / (sqrt(a) + epsilon).

    Gamma = lr u.u / u.g is the rate at which a step of SGD, projected on u, has the same length. Its average,
    corrected for its start at 0, is Lambda:

        l <- b2 l + (1 - b2) gamma where u.g is not 0,  Lambda = l / (1 - b2^k).

    Adam ends after the update at which |Lambda - gamma| < tolerance, k > 1, or, with `switch_fraction`, after that
    share of the steps. From then on v <- b1 v + (1 - b1) g, where v starts again at 0, and w <- w - Lambda v, with a
    constant Lambda. (The paper writes (1 - b1) Lambda v for a v that sums up gradients, which is the same.)

    Three points that the paper leaves open: Adam continues while Lambda is not positive, since SGD would step uphill;
    gamma / lr is averaged, so that a schedule of the rate continues to act on Lambda lr; and weights decay at the rate
    of the step, as in AdamW and SGDW: by lr weight_decay w under Adam, by Lambda weight_decay w under SGD.

    Args:
        learning_rate: Adam's rate, lr, or a schedule of it. Default 0.001.
        beta_1: Decay rate of the first moment, later of the velocity. Default 0.9.
        beta_2: Decay rate of the second moment, and of the average of gamma. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-09.
        switch_fraction: Share of all steps that Adam takes, from 0 to 1. None (the default): until Lambda has settled.
        tolerance: Lambda has settled if its distance from gamma is below this; the paper's second epsilon. Default
            1e-9.
        sgd_learning_rate: The rate of SGD; a schedule does not act on it. None (the default): Lambda.
        n_steps: Number of batches of the whole training, for `switch_fraction`; the trainer sets it. None (the
            default): unknown.
        weight_decay: Factor on the weights in each step, as above; Keras's own decay has the rate lr throughout. None
            (the default): no decay.
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

    Raises:
        ValueError: `switch_fraction` is not from 0 to 1, or comes without `n_steps`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-9,
        switch_fraction: float | None = None,
        tolerance: float = 1e-9,
        sgd_learning_rate: float | None = None,
        n_steps: int | None = None,
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
        _check_switch(switch_fraction, n_steps)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.switch_fraction, self.tolerance = switch_fraction, tolerance
        self.sgd_learning_rate, self.n_steps = sgd_learning_rate, n_steps

    def build(self, variables: Sequence[Any]) -> None:
        """Create the moments, the average of gamma / lr, and Lambda / lr, which is 0 as long as Adam trains.

        Args:
            variables: The trainable variables.
        """
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        self._average = self.add_variable(shape=(), name="average_rate")
        self._ratio = self.add_variable(shape=(), name="sgd_rate")

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave the decay to the update, which knows the rate."""

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Update all weights; an override, since the rate of SGD depends on all of them together."""
        dtype = self._average.dtype
        k = ops.cast(self.iterations + 1, dtype)
        rate = ops.cast(learning_rate, dtype)
        ratio = ops.convert_to_tensor(self._ratio)
        gradients = [
            ops.cast(ops.convert_to_tensor(g), w.dtype) for g, w in zip(grads, trainable_variables, strict=True)
        ]
        slots = [self._moments(g, w) for g, w in zip(gradients, trainable_variables, strict=True)]
        directions = [self._direction(m, a, k) for m, a in slots]
        new_ratio = self._judge(directions, gradients, k, rate)
        switches = ops.logical_and(ops.equal(ratio, 0), ops.greater(new_ratio, 0))
        sgd_rate = (
            rate * ratio if self.sgd_learning_rate is None else ops.convert_to_tensor(self.sgd_learning_rate, dtype)
        )
        for w, (m, _), u in zip(trainable_variables, slots, directions, strict=True):
            by_sgd, by_adam = (
                with_decay(self, w, ops.cast(lr, w.dtype) * step, rate=lr) for lr, step in ((sgd_rate, m), (rate, u))
            )
            self.assign_sub(w, ops.where(ops.greater(ratio, 0), by_sgd, by_adam))
            self.assign(m, ops.where(switches, ops.zeros_like(u), ops.convert_to_tensor(m)))
        self.assign(self._ratio, new_ratio)

    def _moments(self, g: Any, variable: Any) -> tuple[Any, Any]:
        """Update the moments of a variable and return them."""
        index = variable_index(self, variable)
        m, a = self._momentums[index], self._velocities[index]
        self.assign_add(m, ops.multiply(ops.subtract(g, m), 1 - self.beta_1))
        self.assign_add(a, ops.multiply(ops.subtract(ops.square(g), a), 1 - self.beta_2))
        return m, a

    def _direction(self, m: Any, a: Any, k: Any) -> Any:
        """Return u: Adam's step without the rate and the sign."""
        k = ops.cast(k, m.dtype)
        power_1, power_2 = (ops.power(ops.convert_to_tensor(beta, m.dtype), k) for beta in (self.beta_1, self.beta_2))
        return ops.divide(m, ops.add(ops.sqrt(a), self.epsilon)) * (ops.sqrt(1 - power_2) / (1 - power_1))

    def _judge(self, directions: Sequence[Any], gradients: Sequence[Any], k: Any, rate: Any) -> Any:
        """Update the average of gamma / lr, and return Lambda / lr from the next update on: 0 for Adam."""
        dtype = self._average.dtype
        squared: Any = sum(ops.cast(ops.sum(ops.square(u)), dtype) for u in directions)
        projected: Any = sum(ops.cast(ops.sum(u * g), dtype) for u, g in zip(directions, gradients, strict=True))
        is_defined = ops.not_equal(projected, 0)
        gamma = squared / ops.where(is_defined, projected, ops.ones_like(projected))
        old = ops.convert_to_tensor(self._average)
        average = ops.where(is_defined, old + ops.multiply(gamma - old, 1 - self.beta_2), old)
        corrected = average / (1 - ops.power(ops.convert_to_tensor(self.beta_2, dtype), k))
        if self.switch_fraction is None:
            near = ops.less(ops.abs(corrected - gamma) * rate, self.tolerance)
            due = ops.logical_and(ops.logical_and(near, is_defined), ops.greater(k, 1))
        else:
            assert self.n_steps is not None
            due = ops.greater_equal(
                k, self.switch_fraction * (self.n_steps // (self.gradient_accumulation_steps or 1))
            )
        due = ops.logical_and(due, ops.greater(corrected, 0))
        ratio = ops.convert_to_tensor(self._ratio)
        self.assign(self._average, average)
        return ops.where(ops.greater(ratio, 0), ratio, ops.where(due, corrected, ops.zeros_like(corrected)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the optimizer."""
        own = ("beta_1", "beta_2", "epsilon", "switch_fraction", "tolerance", "sgd_learning_rate", "n_steps")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def _check_switch(switch_fraction: float | None, n_steps: int | None) -> None:
    """Refuse a `switch_fraction` outside 0 to 1, or without `n_steps`."""
    if switch_fraction is not None and not 0 <= switch_fraction <= 1:
        raise ValueError(f"switch_fraction={switch_fraction!r}: expected a share from 0 to 1. Correct it.")
    if switch_fraction is not None and n_steps is None:
        raise ValueError(
            "n_steps=None: expected the number of all steps, which switch_fraction needs. Give n_steps too."
        )
