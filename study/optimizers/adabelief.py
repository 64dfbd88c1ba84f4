"""AdaBelief: Adam with the second moment of the gradient's deviation from its average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from study.optimizers.keras_hooks import require_hooks, variable_index

require_hooks(keras.optimizers.Optimizer)


class AdaBelief(keras.optimizers.Optimizer):  # type: ignore[misc]
    """AdaBelief: long steps if gradients are close to their average, short steps if they are not.

    Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", NeurIPS 2020,
    algorithm 2, with t = 1, 2, ... counting updates:

        m <- b1 m + (1 - b1) g,  s <- b2 s + (1 - b2) (g - m)^2 + epsilon,
        w <- w - lr (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + epsilon).

    Its epsilon enters s at every update, so it adds up to epsilon / (1 - b2): a value for Adam is far too large.

    Args:
        learning_rate: The rate, lr, or a schedule of it. Default 0.001.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the second moment. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-16.
        weight_decay: Factor of a decoupled weight decay: each update also subtracts lr times this factor times the
            weight. None (the default): no decay.
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
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-16,
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

    def build(self, variables: Sequence[Any]) -> None:
        """Create the moments.

        Args:
            variables: The trainable variables.
        """
        if self.built:
            return
        super().build(variables)
        self._momentums, self._surprises = self.add_optimizer_variables(variables, ["momentum", "surprise"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable.

        Args:
            gradient: The gradient of the loss with respect to the variable.
            variable: The variable.
            learning_rate: The rate of this step.
        """
        dtype = variable.dtype
        g, rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        t = ops.cast(self.iterations + 1, dtype)
        power_1, power_2 = (ops.power(ops.convert_to_tensor(beta, dtype), t) for beta in (self.beta_1, self.beta_2))
        index = variable_index(self, variable)
        m, s = self._momentums[index], self._surprises[index]
        self.assign_add(m, ops.multiply(ops.subtract(g, m), 1 - self.beta_1))
        kept = ops.multiply(s, self.beta_2)
        self.assign(s, ops.add(kept + ops.multiply(ops.square(ops.subtract(g, m)), 1 - self.beta_2), self.epsilon))
        divisor = ops.add(ops.sqrt(s / (1 - power_2)), self.epsilon)
        self.assign_sub(variable, rate / (1 - power_1) * m / divisor)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the optimizer."""
        own = ("beta_1", "beta_2", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
