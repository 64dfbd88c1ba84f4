"""Weights under a fixed sequence of gradients, by Keras and by the reference rules."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# From far below any epsilon to far above it; the last weight never has a gradient.
SIZES = np.array([1e-8, 1e-5, 1e-3, 0.1, 1.0, 20.0, 0.0])
N_STEPS = 100


def start():
    return [np.linspace(-1.0, 1.0, 7), np.linspace(0.5, 2.0, 14).reshape(2, 7)]


def gradients():
    """Return the gradients of every update: noise around a mean, so that signs change and averages do not vanish."""
    rng = np.random.default_rng(20)
    return [[SIZES * (rng.normal(size=w.shape) + 0.5) for w in start()] for _ in range(N_STEPS)]


def by_rule(rule):
    """Return the weights after every update, shape (n_steps, n_weights)."""
    weights, path = start(), []
    state = rule.init(weights)
    for gradient in gradients():
        weights, state = rule.step(weights, gradient, state)
        path.append(flat(weights))
    return np.stack(path)


def by_keras(optimizer):
    """Return the weights after every update, shape (n_steps, n_weights); the optimizer is one of float64."""
    import keras
    import tensorflow as tf

    weights = [keras.Variable(w, dtype="float64") for w in start()]
    optimizer.build(weights)
    apply = tf.function(optimizer.apply, autograph=False)  # a traced step is a hundred times as quick
    path = []
    for gradient in gradients():
        apply([tf.constant(g) for g in gradient])
        path.append(flat([keras.ops.convert_to_numpy(w) for w in weights]))
    return np.stack(path)


def flat(weights):
    return np.concatenate([w.ravel() for w in weights])
