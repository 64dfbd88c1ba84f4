"""Reference rules of Adam's family: a first moment of the gradients over the root of a second one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from study.optimizers.reference.state import Array, Arrays, State, check_choice, each, fill, ratio


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam: averages of the gradient and of its square, corrected for their start at 0.

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Attributes:
        learning_rate: The rate, lr; the paper's alpha. Default 0.001.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the second moment. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-08.
        epsilon_form: Place of epsilon. `paper` (the default): as above. `epsilon_hat`: the end of the paper's section
            2, and Keras, lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), which is the paper's form with an
            epsilon larger by 1 / sqrt(1 - b2^t). `inside_root`: sqrt(v / (1 - b2^t) + epsilon).
        t_counts: The unit of t. `updates` (the default). `passes`: passes over the data, from 1; all updates of the
            first pass are then corrected like the first update.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_form: Literal["paper", "epsilon_hat", "inside_root"] = "paper"
    t_counts: Literal["updates", "passes"] = "updates"

    def __post_init__(self) -> None:
        check_choice("Adam", "epsilon_form", self.epsilon_form, ("paper", "epsilon_hat", "inside_root"))
        check_choice("Adam", "t_counts", self.t_counts, ("updates", "passes"))

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
            epoch: Index of the pass over the data, from 0; t is one more if it counts passes. Default 0.

        Returns:
            The new weights and the new state.
        """
        t = 1 + (state.t if self.t_counts == "updates" else epoch)

        def update(w: Array, g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
            m = self.beta_1 * m + (1 - self.beta_1) * g
            v = self.beta_2 * v + (1 - self.beta_2) * g**2
            m_hat = m / (1 - self.beta_1**t)
            v_hat = v / (1 - self.beta_2**t)
            if self.epsilon_form == "epsilon_hat":
                divisor = (np.sqrt(v) + self.epsilon) / np.sqrt(1 - self.beta_2**t)
            elif self.epsilon_form == "inside_root":
                divisor = np.sqrt(v_hat + self.epsilon)
            else:
                divisor = np.sqrt(v_hat) + self.epsilon
            return w - self.learning_rate * ratio(m_hat, divisor), m, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """AdamW: Adam, and a decay of the weights that is no part of the gradient.

    w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) - weight_decay w, with w before the update.
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2, with a schedule of 1.

    Attributes:
        learning_rate: The rate, lr; the paper's alpha. Default 0.001.
        weight_decay: The paper's lambda. Default 0.01.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the second moment. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-08.
        decay_times_rate: Use lr weight_decay w as the decay, like Keras. Default False.
        epsilon_form: Place of epsilon: `paper` or `epsilon_hat`, as in `Adam`. Default `paper`.
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay_times_rate: bool = False
    epsilon_form: Literal["paper", "epsilon_hat"] = "paper"

    def __post_init__(self) -> None:
        check_choice("AdamW", "epsilon_form", self.epsilon_form, ("paper", "epsilon_hat"))

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
        t = state.t + 1
        decay = self.weight_decay * (self.learning_rate if self.decay_times_rate else 1.0)

        def update(w: Array, g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
            m = self.beta_1 * m + (1 - self.beta_1) * g
            v = self.beta_2 * v + (1 - self.beta_2) * g**2
            m_hat = m / (1 - self.beta_1**t)
            if self.epsilon_form == "epsilon_hat":
                divisor = (np.sqrt(v) + self.epsilon) / np.sqrt(1 - self.beta_2**t)
            else:
                divisor = np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon
            return w - self.learning_rate * ratio(m_hat, divisor) - decay * w, m, v

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class AMSGrad:
    """AMSGrad: Adam's moments, divided by the root of the largest second moment so far.

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, u <- max(u, v), w <- w - lr m / (sqrt(u) + epsilon).
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2, which has no epsilon and
    corrects no bias. Its projection on the allowed weights is a constraint of the model, no part of the rule.

    Attributes:
        learning_rate: The rate, lr; the paper's alpha_t, which its theorem lets fall as 1 / sqrt(t). Default 0.001.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the second moment. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 0.
        bias_correction: Multiply the rate by sqrt(1 - b2^t) / (1 - b1^t), like Keras, which takes the maximum over the
            uncorrected second moment. Default False.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 0.0
    bias_correction: bool = False

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        return fill(parameters, 0.0, 0.0, 0.0)

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
        t = state.t + 1
        rate = self.learning_rate
        if self.bias_correction:
            rate = rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

        def update(w: Array, g: Array, m: Array, v: Array, u: Array) -> tuple[Array, ...]:
            m = self.beta_1 * m + (1 - self.beta_1) * g
            v = self.beta_2 * v + (1 - self.beta_2) * g**2
            u = np.maximum(u, v)
            return w - rate * ratio(m, np.sqrt(u) + self.epsilon), m, v, u

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class AdaMax:
    """AdaMax: Adam with the largest of the decayed gradients instead of the root of a second moment.

    m <- b1 m + (1 - b1) g, u <- max(b2 u, |g|), w <- w - lr / (1 - b1^t) m / (u + epsilon).
    Kingma and Ba 2015, algorithm 2, which has no epsilon (0 here); Keras adds one.

    Attributes:
        learning_rate: The rate, lr; the paper's alpha. Default 0.002.
        beta_1: Decay rate of the first moment. Default 0.9.
        beta_2: Decay rate of the largest gradient, u. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 0.
    """

    learning_rate: float = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 0.0

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
        t = state.t + 1

        def update(w: Array, g: Array, m: Array, u: Array) -> tuple[Array, Array, Array]:
            m = self.beta_1 * m + (1 - self.beta_1) * g
            u = np.maximum(self.beta_2 * u, np.abs(g))
            return w - self.learning_rate / (1 - self.beta_1**t) * ratio(m, u + self.epsilon), m, u

        return each(update, parameters, gradients, state)


@dataclass(frozen=True, kw_only=True)
class Nadam:
    """Nadam: Adam whose first moment looks one step ahead, under a schedule of its decay.

    mu_t = b1 (1 - 0.96^(decay t) / 2), M_t = mu_1 ... mu_t, m <- mu_t m + (1 - mu_t) g, v <- b2 v + (1 - b2) g^2,
    w <- w - lr (mu_(t+1) m / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t)) / (sqrt(v / (1 - b2^t)) + epsilon).
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2 and section 3; the paper has a
    further factor b2 before v. The author's report of 2015, Keras and this rule do not.

    Attributes:
        learning_rate: The rate, lr. Default 0.002.
        beta_1: Limit of mu_t. Default 0.99.
        beta_2: Decay rate of the second moment. Default 0.999.
        epsilon: Keeps the divisor from 0. Default 1e-08.
        schedule_decay: The schedule's decay, 0.004 (the default) in the paper; Keras has no such factor, which means
            1.
        scheduled_average: Average the first moment with mu_t; Keras averages it with b1 throughout. Default True.
    """

    learning_rate: float = 0.002
    beta_1: float = 0.99
    beta_2: float = 0.999
    epsilon: float = 1e-8
    schedule_decay: float = 0.004
    scheduled_average: bool = True

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
        t = state.t + 1

        def mu(updates: Array) -> Array:
            return self.beta_1 * (1 - 0.5 * 0.96 ** (self.schedule_decay * updates))

        # Python's numbers, which keep float32 weights in float32.
        here, ahead = (float(value) for value in mu(np.array([t, t + 1.0])))
        product = float(np.prod(mu(np.arange(1.0, t + 1))))
        kept = here if self.scheduled_average else self.beta_1

        def update(w: Array, g: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
            m = kept * m + (1 - kept) * g
            v = self.beta_2 * v + (1 - self.beta_2) * g**2
            m_hat = ahead * m / (1 - product * ahead) + (1 - here) * g / (1 - product)
            v_hat = v / (1 - self.beta_2**t)
            return w - self.learning_rate * ratio(m_hat, np.sqrt(v_hat) + self.epsilon), m, v

        return each(update, parameters, gradients, state)
