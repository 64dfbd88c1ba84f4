"""Costs of a trainer from the durations of a few studies, by least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from study.training.auto_costs import Cost, Device, Speed, Timing

_TERMS = ("training", "step", "flop", "weight")


def fit_cost(
    trainer: str, backend: str, timed: Sequence[Timing], speed: Speed, *, side_by_side: bool, device: Device
) -> Cost:
    """Return the costs that explain measured durations best.

    The time of a training is a sum of four terms, those of `Cost.seconds`. The sum of the squared relative errors is
    least among costs of at least zero (C. Lawson and R. Hanson, "Solving Least Squares Problems", 1974, chapter 23).
    The time for compiling is the mean of the measured ones.

    Args:
        trainer: Name of the trainer.
        backend: Name of the backend.
        timed: Durations of studies of different size, of one kind of network.
        speed: The machine's speed.
        side_by_side: The trainer trains the trials of a batch side by side.
        device: The device that trained.
    """

    def cost(**terms: float) -> Cost:
        given = {"compiling": 0.0, **dict.fromkeys(_TERMS, 0.0), **terms}
        return Cost(trainer=trainer, backend=backend, **given)

    def training_s(alone: Cost, timing: Timing) -> float:
        whole = alone.seconds(timing.size, speed, side_by_side=side_by_side, device=device)
        return whole / sum(timing.size.batches)

    shares = np.array([[training_s(cost(**{term: 1.0}), each) / each.training_s for term in _TERMS] for each in timed])
    found, _ = nnls(shares, np.ones(len(timed)))
    compiling = float(np.mean([each.compiling_s for each in timed])) / speed.start_s
    return cost(compiling=compiling, **dict(zip(_TERMS, map(float, found), strict=True)))
