"""The weights and gradients that every rule is measured on, and the distance between two walks of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = Sequence[Array]
# From start weights and the gradients of every update to the weights after every update, (n_steps, n_weights).
Walk = Callable[[Arrays, Sequence[Arrays]], Array]

N_STEPS = 100
# The names decide which part of Muon takes a weight.
_SHAPES = {"hidden_kernel": (8, 5), "output_bias": (5,)}
NAMES = tuple(_SHAPES)


def start() -> list[Array]:
    """Return the weights before the first update: a kernel and a bias."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in _SHAPES.values()]


def gradients(weights: Arrays | None = None) -> list[list[Array]]:
    """Return the gradients of every update: noise around a mean, of sizes from 1e-3 to 10."""
    rng = np.random.default_rng(2)
    sizes = [10 ** rng.uniform(-3, 1, size=w.shape) for w in (start() if weights is None else weights)]
    return [[size * (rng.normal(size=size.shape) + 0.5) for size in sizes] for _ in range(N_STEPS)]


def apart(ours: Walk, theirs: Walk, *, weights: Arrays | None = None, steps: Sequence[Arrays] | None = None) -> float:
    """Return the largest distance between two walks, relative to how far the second one has come by then.

    Args:
        ours: One walk.
        theirs: The other.
        weights: The weights before the first update; None: those of `start`.
        steps: The gradients of every update; None: those of `gradients` for the weights.
    """
    weights = start() if weights is None else weights
    steps = gradients(weights) if steps is None else steps
    one, other = ours(weights, steps), theirs(weights, steps)
    come = np.linalg.norm(other - flat(weights), axis=1)
    return float(np.max(np.linalg.norm(one - other, axis=1) / come))


def flat(weights: Arrays) -> Array:
    """Return all weights as one vector."""
    return np.concatenate([np.ravel(w) for w in weights])
