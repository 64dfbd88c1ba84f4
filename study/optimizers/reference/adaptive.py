"""Reference rules that divide by the root of squared gradients, summed or averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.optimizers.reference.state import Array, Arrays, State, each, fill, ratio


@dataclass(frozen=True, kw_only=True)
class Adagrad:
    """Adagrad: a <- a + g^2, w <- w - lr g / (sqrt(a) + epsilon).

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011, figure 1 (diagonal matrices; their delta is epsilon, outside the root).

    Attributes:
        learning_rate: The rate, lr. Default 0.01.
        initial_accumulator_value: Initial value of a. Default 0.
        epsilon: Keeps the divisor from 0. Default 1e-07.
        epsilon_inside_root: Divide by sqrt(a + epsilon) instead, as Keras does. Default False.
    """

    learning_rate: float = 0.01
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-7
    epsilon_inside_root: bool = False

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, self.initial_accumulator_value)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update.

        Args:
            parameters: The weights.
            gradients: The gradient with respect to each weight, of the same shape.
            state: The state from `init` or the last update.
            epoch: Ignored. Default 0.

        Returns:
            The new weights and the new state.
        """

        def update(w: Array, g: Array, a: Array) -> tuple[Array, Array]:
            a = a + g**2
            divisor = np.sqrt(a + self.epsilon) if self.epsilon_inside_root else np.sqrt(a) + self.epsilon
            return w - self.learning_rate * ratio(g, divisor), a

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class RMSprop:
    """RMSprop: a <- rho a + (1 - rho) g^2, w <- w - lr g / (sqrt(a) + epsilon).

    Tieleman and Hinton, "Neural networks for machine learning", lecture 6e, Coursera 2012 (rho 0.9; without epsilon).
    The average starts at 0, and this start is not corrected: the first step has the length lr / sqrt(1 - rho). At rho
    = 1
    the average stays at 0, and the step is lr g / epsilon, or lr g / sqrt(epsilon) with epsilon inside the root. With
    momentum and centered, and epsilon inside the root: Graves, "Generating sequences with recurrent neural networks",
    2013, equations 38 to 41.

    Attributes:
        learning_rate: The rate, lr. Default 0.001.
        rho: Decay rate of the average. Default 0.9.
        momentum: Share of the last step that each step repeats. Default 0.
        epsilon: Keeps the divisor from 0. Default 1e-07.
        centered: Subtract the square of the average gradient from the average square. Default False.
        epsilon_inside_root: Divide by sqrt(a + epsilon) instead, as Keras does. Default False.
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
    epsilon_inside_root: bool = False

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, *[0.0] * (1 + self.centered + (self.momentum > 0)))

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update.

        Args:
            parameters: The weights.
            gradients: The gradient with respect to each weight, of the same shape.
            state: The state from `init` or the last update.
            epoch: Ignored. Default 0.

        Returns:
            The new weights and the new state.
        """

        def update(w: Array, g: Array, a: Array, *others: Array) -> tuple[Array, ...]:
            a = self.rho * a + (1 - self.rho) * g**2
            kept, spread = [a], a
            if self.centered:
                b = self.rho * others[0] + (1 - self.rho) * g
                kept.append(b)
                spread = np.maximum(a - b**2, 0)  # rounding may take it below 0
            divisor = np.sqrt(spread + self.epsilon) if self.epsilon_inside_root else np.sqrt(spread) + self.epsilon
            v = self.learning_rate * ratio(g, divisor)
            if self.momentum > 0:
                v = self.momentum * others[-1] + v
                kept.append(v)
            return w - v, *kept

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Adadelta:
    """Adadelta: the rate of each weight is the size of its last steps over that of its gradients.

    a <- rho a + (1 - rho) g^2, d = -sqrt(b + epsilon) / sqrt(a + epsilon) g, b <- rho b + (1 - rho) d^2,
    w <- w + lr d. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1 (which has lr = 1).

    Attributes:
        learning_rate: A factor on the step, lr. Default 1.
        rho: Decay rate of both averages. Default 0.95.
        epsilon: Keeps the divisor from 0, and the first step from being 0. Default 1e-6.
    """

    learning_rate: float = 1.0
    rho: float = 0.95
    epsilon: float = 1e-6

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0, 0.0)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update.

        Args:
            parameters: The weights.
            gradients: The gradient with respect to each weight, of the same shape.
            state: The state from `init` or the last update.
            epoch: Ignored. Default 0.

        Returns:
            The new weights and the new state.
        """

        def update(w: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
            a = self.rho * a + (1 - self.rho) * g**2
            d = -np.sqrt(b + self.epsilon) / np.sqrt(a + self.epsilon) * g
            b = self.rho * b + (1 - self.rho) * d**2
            return w + self.learning_rate * d, a, b

        return each(update, parameters, gradients, state)
