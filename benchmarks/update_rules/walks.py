"""Weights under a fixed sequence of gradients, by an optimizer of Keras, by optax and by a rule in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np
import optax
import tensorflow as tf

from benchmarks.update_rules.weights import NAMES, Array, Arrays, Walk, flat
from study.optimizers.reference import Rule
from study.training.build_optimizer import build_optimizer

_CONSTANT = {"_target_": None}


def by_keras(
    target: str,
    arguments: Mapping[str, Any],
    *,
    schedule: Mapping[str, Any] = _CONSTANT,
    names: Sequence[str] = NAMES,
) -> Walk:
    """Return the walk of an optimizer that the project builds, in float64; call it within `double_precision`.

    Args:
        target: The optimizer's dotted path.
        arguments: Its arguments.
        schedule: The section of a schedule of factors on the rate.
        names: Names of the weights.
    """

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        optimizer = build_optimizer(target, arguments, schedule=schedule, n_steps=len(steps))
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
    """Return the walk of a rule in NumPy whose steps do not depend on the weights.

    Args:
        rule: The rule.
        decay: Share of the weights that decays in each update, beside the step.
    """

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        here, state, path = list(weights), rule.init(weights), []
        for gradient in steps:
            after, state = rule.step(here, gradient, state)
            here = [new - decay * old for new, old in zip(after, here, strict=True)]
            path.append(flat(here))
        return np.stack(path)

    return walk
