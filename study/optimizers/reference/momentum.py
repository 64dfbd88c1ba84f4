"""Reference rules that follow the gradient itself: gradient descent, and rules that remember the last steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.optimizers.reference.state import Array, Arrays, State, each, fill


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent: w <- w - lr g.

    Robbins and Monro, "A stochastic approximation method", Ann. Math. Statist. 22(3), 1951, equation 6.
    """

    learning_rate: float = 0.01

    def init(self, parameters: Arrays) -> State:
        """Return the state before the first update."""
        return fill(parameters)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update."""

        def update(w: Array, g: Array) -> tuple[Array]:
            return (w - self.learning_rate * g,)

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Momentum whose velocity holds the rate: v <- m v - lr g, w <- w + v.

    Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Comput. Math. Math. Phys. 4(5),
    1964, equation 9; written so in Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and
    momentum in deep learning", ICML 2013, equations 1 and 2, and in Keras. Where the rate changes, the velocity
    remembers the rates of its gradients.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state before the first update."""
        return fill(parameters, 0.0)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update."""

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v - self.learning_rate * g
            return w + v, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class AveragedMomentum:
    """Momentum as a running average of gradients: v <- m v + (1 - m) g, w <- w - lr v.

    At a constant rate this is `Momentum` at the rate (1 - m) lr: with m = 0.9 it needs ten times the rate for the
    same steps. The average starts at 0 and is not corrected for it.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state before the first update."""
        return fill(parameters, 0.0)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update."""

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v + (1 - self.momentum) * g
            return w - self.learning_rate * v, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Nesterov:
    """Nesterov's momentum at the point looked ahead to: v <- m v - lr g, w <- w + m v - lr g.

    Sutskever et al. 2013, equations 3 and 4, have v <- m v - lr grad f(u + m v), u <- u + v. In the weights
    w = u + m v, at which the gradient is taken, that is the above (Bengio, Boulanger-Lewandowski and Pascanu,
    "Advances in optimizing recurrent networks", ICASSP 2013, equation 7), as long as m stays the same. The two differ
    in what they show: this one the point looked ahead to, the other one the point before it.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def init(self, parameters: Arrays) -> State:
        """Return the state before the first update."""
        return fill(parameters, 0.0)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update."""

        def update(w: Array, g: Array, v: Array) -> tuple[Array, Array]:
            v = self.momentum * v - self.learning_rate * g
            return w + self.momentum * v - self.learning_rate * g, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Lion:
    """Lion: the sign of one average of gradients; the state is another average.

    c = b1 m + (1 - b1) g, w <- w - lr (sign(c) + weight_decay w), m <- b2 m + (1 - b2) g.
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
    """

    learning_rate: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0

    def init(self, parameters: Arrays) -> State:
        """Return the state before the first update."""
        return fill(parameters, 0.0)

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update."""

        def update(w: Array, g: Array, m: Array) -> tuple[Array, Array]:
            direction = np.sign(self.beta_1 * m + (1 - self.beta_1) * g)
            w = w - self.learning_rate * (direction + self.weight_decay * w)
            return w, self.beta_2 * m + (1 - self.beta_2) * g

        return each(update, parameters, gradients, state)
