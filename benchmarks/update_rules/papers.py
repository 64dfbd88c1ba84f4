"""Rules of papers that neither optax nor the reference rules have, as printed, over all weights as one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from benchmarks.update_rules.weights import Array, Arrays, Walk, flat


def ftrl_proximal(
    *,
    learning_rate: float = 0.001,
    initial_accumulator_value: float = 0.1,
    beta: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.0,
) -> Walk:
    """Return the walk of FTRL-Proximal, begun at given weights.

    McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013, algorithm 1, with alpha the rate:

        sigma = (sqrt(n + g^2) - sqrt(n)) / alpha,  z <- z + g - sigma w,  n <- n + g^2,
        w = 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / alpha + l2).

    The paper begins with z = 0, n = 0 and so w = 0. Here n begins with `initial_accumulator_value`, and z with the
    value that belongs to the weights. Before each update, weights decay by alpha weight_decay w, and z with them.
    """

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        w = flat(weights)
        n = np.full_like(w, initial_accumulator_value)
        z = -w * ((beta + np.sqrt(n)) / learning_rate + l2) - np.sign(w) * l1
        path = []
        for g in map(flat, steps):
            z, w = z * (1 - learning_rate * weight_decay), w * (1 - learning_rate * weight_decay)
            sigma = (np.sqrt(n + g * g) - np.sqrt(n)) / learning_rate
            z = z + g - sigma * w
            n = n + g * g
            shrunk = np.where(np.abs(z) <= l1, 0.0, z - np.sign(z) * l1)
            w = -shrunk / ((beta + np.sqrt(n)) / learning_rate + l2)
            path.append(w)
        return np.stack(path)

    return walk


def swats(
    weights: Arrays,
    steps: Sequence[Arrays],
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-9,
    tolerance: float = 1e-9,
    switch_step: float = math.inf,
    sgd_learning_rate: float | None = None,
    weight_decay: float = 0.0,
) -> tuple[Array, int]:
    """Return the walk of SWATS, or of Adam that becomes SGD after `switch_step` updates, and when it switched or 0.

    Keskar and Socher, "Improving generalization performance by switching from Adam to SGD", 2017, algorithm 1. Weights
    decay at the rate of the step, which the paper leaves open.
    """
    w = flat(weights)
    m, a, v = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    average, sgd_rate, switched = 0.0, 0.0, 0
    path = []
    for k, g in enumerate(map(flat, steps), start=1):
        if switched:
            v = beta_1 * v + g
            w = w - (1 - beta_1) * sgd_rate * v - sgd_rate * weight_decay * w
        else:
            m = beta_1 * m + (1 - beta_1) * g
            a = beta_2 * a + (1 - beta_2) * g * g
            p = -learning_rate * math.sqrt(1 - beta_2**k) / (1 - beta_1**k) * m / (np.sqrt(a) + epsilon)
            w = w + p - learning_rate * weight_decay * w
            settled = False
            if p @ g != 0:
                gamma = (p @ p) / -(p @ g)
                average = beta_2 * average + (1 - beta_2) * gamma
                settled = k > 1 and abs(average / (1 - beta_2**k) - gamma) < tolerance
            corrected = average / (1 - beta_2**k)
            due = settled if switch_step == math.inf else k >= switch_step
            if due and corrected > 0:
                switched, sgd_rate = k, corrected if sgd_learning_rate is None else sgd_learning_rate
        path.append(w)
    return np.stack(path), switched


def schedule_free(
    *,
    learning_rate: float = 0.0025,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    warmup_steps: int = 0,
    weight_decay: float = 0.0,
    stale: bool = False,
    returned: Literal["y", "x"] = "y",
) -> Walk:
    """Return the walk of schedule-free AdamW.

    Defazio et al., "The road less scheduled", NeurIPS 2024, algorithm 1; the authors' code weights the average with
    the square of the largest rate so far. With c = rate^2 / (sum of rate^2):

        v <- b2 v + (1 - b2) g^2,  z <- z - rate (g / (sqrt(v / (1 - b2^t)) + epsilon) + weight_decay y),
        x <- (1 - c) x + c z,  y = (1 - b1) z + b1 x.

    Gradients are taken at y. The model that the paper evaluates is x.

    Args:
        learning_rate: The rate after the warm-up.
        beta_1: Share of x in y.
        beta_2: Decay rate of the second moment.
        epsilon: Keeps the divisor from 0.
        warmup_steps: Updates over which the rate grows linearly.
        weight_decay: Factor on y in z's step.
        stale: Recover x from y with z after its step instead of z before it, as Keras 3.15 on TensorFlow.
        returned: The point that the walk consists of.
    """

    def walk(weights: Arrays, steps: Sequence[Arrays]) -> Array:
        x = y = z = flat(weights)
        v, total = np.zeros_like(z), 0.0
        path = []
        for t, g in enumerate(map(flat, steps), start=1):
            rate = learning_rate * (min(t / warmup_steps, 1.0) if warmup_steps else 1.0)
            total += rate**2
            v = beta_2 * v + (1 - beta_2) * g * g
            z = z - rate * (g / (np.sqrt(v / (1 - beta_2**t)) + epsilon) + weight_decay * y)
            if stale:
                x = (y - (1 - beta_1) * z) / beta_1
            c = rate**2 / total
            x = (1 - c) * x + c * z
            y = (1 - beta_1) * z + beta_1 * x
            path.append(y if returned == "y" else x)
        return np.stack(path)

    return walk
