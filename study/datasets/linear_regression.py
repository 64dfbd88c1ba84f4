"""A line with noise: y = slope x + intercept + noise e, x in [-1, 1].

Source: made by this formula. It is the only problem here whose best weights are known beforehand.
"""

from __future__ import annotations

from study.datasets import Dataset, Whereabouts
from study.datasets._points import draw_points


def load(
    *, slope: float = 2.0, intercept: float = -1.0, n_train: int = 1000, noise: float = 0.1, split_seed: int
) -> Dataset:
    """Draw the points.

    Args:
        slope: The best value of a model's weight. Default 2.
        intercept: The best value of a model's bias. Default -1.
        n_train: Number of examples of the training split. Default 1000.
        noise: Standard deviation of the noise, at least 0. Default 0.1.
        split_seed: Seed of the noise.

    Returns:
        A data set with x and y of shape (n, 1), float32.

    Raises:
        ConfigError: An argument is invalid.
    """
    return draw_points(
        "linear_regression",
        lambda x: slope * x + intercept,
        n_train=n_train,
        noise=noise,
        split_seed=split_seed,
        numbers={"dataset.slope": slope, "dataset.intercept": intercept},
    )


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="made by a formula")
