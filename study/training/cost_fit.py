"""Costs of a trainer from the durations of a few studies, by least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from study.training.auto_costs import Cost, Speed, Timing


def fit_cost(trainer: str, backend: str, timed: Sequence[Timing], speed: Speed) -> Cost:
    """Return the costs that explain measured durations best.

    The time of a training is a sum of four terms: one for each training, step, operation, and weight in a step. The
    sum of the squared relative errors is least among costs of at least zero (C. Lawson and R. Hanson, "Solving Least
    Squares Problems", 1974, chapter 23). The time for compiling is the mean of the measured ones.

    Args:
        trainer: Name of the trainer.
        backend: Name of the backend.
        timed: Durations of studies of different size, of one kind of network.
        speed: The machine's speed.
    """
    seconds = np.array([each.training_s for each in timed])
    product_s = 1 / (speed.gflops * 1e9)
    terms = np.array(
        [
            (
                speed.start_s,
                speed.start_s * each.size.n_steps,
                product_s * each.size.flops,
                product_s * each.size.n_weights * each.size.n_steps,
            )
            for each in timed
        ]
    )
    (training, step, flop, weight), _ = nnls(terms / seconds[:, None], np.ones(len(timed)))
    compiling = float(np.mean([each.compiling_s for each in timed])) / speed.start_s
    return Cost(
        trainer=trainer,
        backend=backend,
        compiling=compiling,
        training=float(training),
        step=float(step),
        flop=float(flop),
        weight=float(weight),
    )
