"""A parabola with noise: y = x^2 + 0.1 e over 1000 points in [-1, 1].

Source: made by this formula, with which tutorials of neural networks show optimizers side by side.
"""

from __future__ import annotations

import numpy as np

from study.datasets import Dataset, Whereabouts
from study.datasets._points import draw_points


def load(*, n_train: int = 1000, noise: float = 0.1, split_seed: int) -> Dataset:
    """Draw the points.

    Args:
        n_train: Number of examples of the training split. Default 1000.
        noise: Standard deviation of the noise, at least 0. Default 0.1.
        split_seed: Seed of the noise.

    Returns:
        A data set with x and y of shape (n, 1), float32.

    Raises:
        ConfigError: An argument is invalid.
    """
    return draw_points("toy_regression", np.square, n_train=n_train, noise=noise, split_seed=split_seed)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="made by a formula")
