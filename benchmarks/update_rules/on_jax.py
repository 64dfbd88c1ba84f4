"""Walks of optimizers of Keras on JAX, in a process of its own: a process has one backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.update_rules.weights import NAMES, Array, Arrays, flat
from study.core.subprocess_call import call_in_subprocess

_ENVIRONMENT = {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}


def walks_on_jax(
    jobs: Sequence[tuple[str, Mapping[str, Any]]], weights: Arrays, steps: Sequence[Arrays]
) -> list[Array]:
    """Return the weights after every update, in float64.

    Args:
        jobs: Pairs of an optimizer's dotted path and its arguments.
        weights: The weights before the first update.
        steps: The gradients of every update.
    """
    function = f"{__name__}:walks_here"
    given = [(target, dict(arguments)) for target, arguments in jobs]
    found: list[Array] = call_in_subprocess(function, given, weights, steps, environment=_ENVIRONMENT, quiet=True)
    return found


def walks_here(jobs: Sequence[tuple[str, Mapping[str, Any]]], weights: Arrays, steps: Sequence[Arrays]) -> list[Array]:
    """Return the walks; called in a process on JAX."""
    import keras

    keras.config.set_floatx("float64")
    return [_walk(target, arguments, weights, steps) for target, arguments in jobs]


def _walk(target: str, arguments: Mapping[str, Any], weights: Arrays, steps: Sequence[Arrays]) -> Array:
    import jax
    import keras
    import numpy as np

    from study.training.build_optimizer import build_optimizer

    optimizer = build_optimizer(target, arguments, schedule={"_target_": None}, n_steps=len(steps))
    variables = [keras.Variable(w, dtype="float64", name=name) for w, name in zip(weights, NAMES, strict=True)]
    optimizer.build(variables)
    apply = jax.jit(optimizer.stateless_apply)
    here, state, path = [w.value for w in variables], [v.value for v in optimizer.variables], []
    for gradient in steps:
        here, state = apply(state, list(gradient), here)
        path.append(flat([np.asarray(w) for w in here]))
    return np.stack(path)
