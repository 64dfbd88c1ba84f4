"""Weights under a fixed sequence of gradients, by an optimizer of Keras, by optax and by a rule in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np
import optax
import tensorflow as tf
from numpy.typing import NDArray

from study.optimizers.reference import Rule
from study.training.build_optimizer import build_optimizer

Array = NDArray[np.float64]
Arrays = Sequence[Array]
# From start weights and the gradients of every update to the weights after every update, (n_steps, n_weights).
Walk = Callable[[Arrays, Sequence[Arrays]], Array]

N_STEPS = 100
_CONSTANT = {"_target_": None}
# The names decide which part of Muon takes a weight.
_SHAPES = {"hidden_kernel": (8, 5), "hidden_bias": (5,), "output_kernel": (5, 3), "output_bias": (3,)}
NAMES = tuple(_SHAPES)


def start() -> list[Array]:
    """Return the weights before the first update: those of two dense layers."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in _SHAPES.values()]


def gradients(weights: Arrays | None = None) -> list[list[Array]]:
    """Return the gradients of every update: noise around a mean, of sizes from 1e-3 to 10."""
    weights = start() if weights is None else weights
    rng = np.random.default_rng(2)
    sizes = [10 ** rng.uniform(-3, 1, size=w.shape) for w in weights]
    return [[size * (rng.normal(size=size.shape) + 0.5) for size in sizes] for _ in range(N_STEPS)]


def departure(ours: Array, theirs: Array, weights: Arrays) -> float:
    """Return the largest distance between two walks, relative to how far the second one has come by then."""
    come = np.linalg.norm(theirs - flat(weights), axis=1)
    return float(np.max(np.linalg.norm(ours - theirs, axis=1) / come))


def by_keras(target: str, arguments: Mapping[str, Any], *, names: Sequence[str] = NAMES) -> Walk:
    """Return the walk of an optimizer that the project builds, in float64; call it within `double_precision`."""

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        optimizer = build_optimizer(target, arguments, schedule=_CONSTANT, n_steps=len(steps))
        variables = [keras.Variable(w, dtype="float64", name=name) for w, name in zip(weights, names, strict=True)]
        optimizer.build(variables)
        apply = tf.function(optimizer.apply, autograph=False)
        path = []
        for gradient in steps:
            apply([tf.constant(g) for g in gradient])
            path.append(flat([keras.ops.convert_to_numpy(w) for w in variables]))
        return np.stack(path)

    return walk


def by_optax(transformation: Callable[[], optax.GradientTransformation]) -> Walk:
    """Return the walk of an optimizer of optax, in float64."""

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        with jax.enable_x64(True):
            optimizer = transformation()
            here = [jax.numpy.asarray(w) for w in weights]

            @jax.jit
            def update(gradient: Any, state: Any, here: Any) -> Any:
                change, state = optimizer.update(gradient, state, here)
                return optax.apply_updates(here, change), state

            state, path = optimizer.init(here), []
            for gradient in steps:
                here, state = update([jax.numpy.asarray(g) for g in gradient], state, here)
                path.append(flat([np.asarray(w) for w in here]))
        return np.stack(path)

    return walk


def by_rule(rule: Rule, *, decay: float = 0.0) -> Walk:
    """Return the walk of a rule in NumPy whose steps do not depend on the weights, with a decay of decay w beside it."""

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        here, state, path = list(weights), rule.init(weights), []
        for gradient in steps:
            after, state = rule.step(here, gradient, state)
            here = [new - decay * old for new, old in zip(after, here, strict=True)]
            path.append(flat(here))
        return np.stack(path)

    return walk


def flat(weights: Arrays) -> Array:
    return np.concatenate([np.ravel(w) for w in weights])
