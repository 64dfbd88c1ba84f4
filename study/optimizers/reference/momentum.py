"""Reference rules that follow the gradient itself: gradient descent, and rules that remember the last steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.optimizers.reference.state import Array, Arrays, State, each, fill


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent: w <- w - lr g.

    Robbins and Monro, "A stochastic approximation method", Ann. Math. Statist. 22(3), 1951, equation 6.

    Attributes:
        learning_rate: The rate, lr. Default 0.01.
    """

    learning_rate: float = 0.01

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters)

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

        def update(w: Array, g: Array) -> tuple[Array]:
            return (w - self.learning_rate * g,)

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Momentum whose velocity includes the rate: v <- m v - lr g, w <- w + v.

    Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Comput. Math. Math. Phys. 4(5),
    1964, equation 9; in this form in Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and
    momentum in deep learning", ICML 2013, equations 1 and 2, and in Keras. If the rate changes, the velocity still has
    the rates of its earlier gradients.

    Attributes:
        learning_rate: The rate, lr. Default 0.01.
        momentum: Decay rate of the velocity, m. Default 0.9.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0)

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

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v - self.learning_rate * g
            return w + v, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class AveragedMomentum:
    """Momentum as a running average of gradients: v <- m v + (1 - m) g, w <- w - lr v.

    At a constant rate this is `Momentum` at the rate (1 - m) lr: with m = 0.9 it needs ten times the rate for the
    same steps. The average starts at 0, and this start is not corrected.

    Attributes:
        learning_rate: The rate, lr. Default 0.01.
        momentum: Decay rate of the average, m. Default 0.9.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0)

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

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v + (1 - self.momentum) * g
            return w - self.learning_rate * v, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Nesterov:
    """Nesterov's momentum at the point looked ahead to: v <- m v - lr g, w <- w + m v - lr g.

    Sutskever et al. 2013, equations 3 and 4, have v <- m v - lr grad f(u + m v), u <- u + v. In the weights
    w = u + m v, where the gradient is taken, these equations become those above (Bengio, Boulanger-Lewandowski and
    Pascanu, "Advances in optimizing recurrent networks", ICASSP 2013, equation 7), as long as m stays the same. The
    two
    forms differ in the weights that they show: this one shows the point looked ahead to, the other one the point
    before.

    Attributes:
        learning_rate: The rate, lr. Default 0.01.
        momentum: Decay rate of the velocity, m. Default 0.9.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0)

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

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v - self.learning_rate * g
            return w + self.momentum * v - self.learning_rate * g, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Lion:
    """Lion: the sign of one average of gradients; the state is another average.

    c = b1 m + (1 - b1) g, w <- w - lr (sign(c) + weight_decay w), m <- b2 m + (1 - b2) g.
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.

    Attributes:
        learning_rate: The rate, lr. Default 1e-4.
        beta_1: Weight of the state in the average whose sign is taken. Default 0.9.
        beta_2: Decay rate of the state. Default 0.99.
        weight_decay: Factor of the decoupled weight decay. Default 0.
    """

    learning_rate: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0)

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

        def update(w: Array, g: Array, m: Array) -> tuple[Array, Array]:
            direction = np.sign(self.beta_1 * m + (1 - self.beta_1) * g)
            w = w - self.learning_rate * (direction + self.weight_decay * w)
            return w, self.beta_2 * m + (1 - self.beta_2) * g

        return each(update, parameters, gradients, state)
