"""The state of reference rules between two updates, and one formula applied to all weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = Sequence[Array]


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of a rule between two updates.

    Attributes:
        t: Number of updates made so far. Default 0.
        slots: One entry for each quantity that the rule keeps, such as a velocity; each entry has one array per
            weight. Default: no entries.
    """

    t: int = 0
    slots: tuple[tuple[Array, ...], ...] = ()


class Rule(Protocol):
    """An update rule: pure, nothing is changed in place."""

    def init(self, parameters: Arrays) -> State:
        """Return the state of parameters before the first update."""
        ...

    def step(
        self, parameters: Arrays, gradients: Arrays, state: State, *, epoch: int = 0
    ) -> tuple[list[Array], State]:
        """Make one update.

        Args:
            parameters: The weights.
            gradients: The gradient with respect to each weight, of the same shape.
            state: The state from `init` or the last update.
            epoch: Index of the pass over the data, from 0; most rules count updates instead. Default 0.

        Returns:
            The new weights and the new state.
        """
        ...


def fill(parameters: Arrays, *values: float) -> State:
    """Return a state with one slot for each value.

    Args:
        parameters: The weights.
        *values: The values that fill the slots.
    """
    return State(slots=tuple(tuple(np.full_like(w, value) for w in parameters) for value in values))


def each(
    update: Callable[..., tuple[Array, ...]], parameters: Arrays, gradients: Arrays, state: State
) -> tuple[list[Array], State]:
    """Apply a formula to every weight.

    Args:
        update: Maps a weight, its gradient and its entry of each slot to the new weight and the new entries.
        parameters: The weights.
        gradients: The gradient with respect to each weight, of the same shape.
        state: The state before the update.

    Returns:
        The new weights and the new state.
    """
    weights, *slots = zip(*map(update, parameters, gradients, *state.slots), strict=True)
    return list(weights), State(t=state.t + 1, slots=tuple(slots))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide, with 0 / 0 = 0: a weight that never had a gradient does not move, even without an epsilon.

    Args:
        numerator: The numerators.
        denominator: The denominators, of the same shape.
    """
    with np.errstate(divide="ignore"):
        return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=(numerator != 0))


def check_choice(rule: str, argument: str, value: object, allowed: Collection[object]) -> None:
    """Refuse a value that a rule has no form for.

    Args:
        rule: Name of the rule.
        argument: Name of the argument.
        value: The value.
        allowed: The allowed values.

    Raises:
        ValueError: The value is not allowed.
    """
    if value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ValueError(f"{rule}: {argument}={value!r}: expected one of {listed}. Choose one of them.")
