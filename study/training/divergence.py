"""The rule by which a trial counts as diverged, the same for every trainer.

A trial diverges in one of two ways. During training, a step has a non-finite loss; the trainer stops the trial there.
At the end, `has_diverged` is true: the model is no better than before the training, or has broken weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray


def has_diverged(summary: Mapping[str, float], *, weights_are_finite: bool) -> bool:
    """Return whether a trial that trained to its end counts as diverged.

    Args:
        summary: Has `initial_loss`, before the first step, and `final_loss`, after the last one, on the same examples.
        weights_are_finite: False if a weight is NaN or infinite. The loss may still be finite: TensorFlow's relu turns
            NaN into zero.

    Examples:
        >>> has_diverged({"initial_loss": 2.3, "final_loss": 0.4}, weights_are_finite=True)
        False
        >>> has_diverged({"initial_loss": 2.3, "final_loss": float("nan")}, weights_are_finite=True)
        True
    """
    # `not <=`, so that a loss of NaN counts as diverged.
    return not (weights_are_finite and summary["final_loss"] <= summary["initial_loss"])


def are_finite(weights: Iterable[NDArray[np.generic]]) -> bool:
    """Return whether every weight is a finite number."""
    return all(bool(np.isfinite(weight).all()) for weight in weights)
