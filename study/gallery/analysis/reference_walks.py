"""Paths of published rules on quadratic landscapes, computed in NumPy, for a comparison with the recorded paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from study.gallery.figures.paths import Floats
from study.optimizers.reference import SGD, Adagrad, Adam, Momentum, RMSprop, Rule, State
from study.optimizers.stability import Quadratic

# Epsilon of the article, added to the divisor. Keras adds the same value; for Adagrad and RMSprop, inside the root.
EPSILON = 1e-7


def article_rule(optimizer: Mapping[str, Any]) -> Rule:
    """Return the rule of the article for the optimizer's section of a resolved config.

    The article adds epsilon outside the root. It corrects the rate of Adam for bias, not the moments. Adam's authors
    give
    this form at the end of their section 2, and Keras has it too.

    Args:
        optimizer: The optimizer's section.

    Raises:
        LookupError: The article has no such optimizer, or the section does not fix an argument of its rule.
    """
    given = {name: float(value) for name, value in optimizer.items() if isinstance(value, int | float)}
    rate = given["learning_rate"]
    match optimizer["name"]:
        case "sgd":
            return SGD(learning_rate=rate)
        case "momentum":
            return Momentum(learning_rate=rate, momentum=given["momentum"])
        case "adagrad":
            start = given["initial_accumulator_value"]
            return Adagrad(learning_rate=rate, initial_accumulator_value=start, epsilon=EPSILON)
        case "adam":
            return Adam(learning_rate=rate, epsilon=EPSILON, epsilon_form="epsilon_hat")
        case "rmsprop":
            return RMSprop(learning_rate=rate, rho=given["rho"], epsilon=EPSILON)
    raise LookupError(f"optimizer={optimizer['name']}: the published article has no optimizer of this name")


def walk(
    quadratic: Quadratic, rule: Rule, start: Floats, *, n_steps: int, state: State | None = None
) -> tuple[Floats, State]:
    """Take steps by a rule.

    Args:
        quadratic: The landscape.
        rule: The rule.
        start: The first position, shape (n_dimensions,).
        n_steps: Number of steps.
        state: The rule's state after an earlier walk. None (the default): a fresh state.

    Returns:
        The positions before the first and after each step, shape (n_steps + 1, n_dimensions), and the rule's last
        state.
    """
    positions = [np.asarray(start, dtype=np.float64)]
    state = rule.init(positions) if state is None else state
    with np.errstate(all="ignore"):  # some diverge
        for _ in range(n_steps):
            (position,), state = rule.step(positions[-1:], [quadratic.gradient(positions[-1])], state)
            positions.append(position)
    return np.stack(positions), state
