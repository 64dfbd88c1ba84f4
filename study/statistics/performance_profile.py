"""Performance profiles: how often an optimizer is within a factor tau of the fastest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.score_arrays import as_scores

Floats = NDArray[np.float64]


def performance_profile(times: ArrayLike, *, taus: ArrayLike) -> Floats:
    """Return rho(tau), the fraction of the workloads on which each optimizer is within tau times the fastest.

    Args:
        times: Steps or seconds to the target, shape (n_workloads, n_optimizers), positive; infinite for never.
            A workload that no optimizer finishes counts against all.
        taus: Factors, at least 1, shape (n_taus,).

    Returns:
        rho, shape (n_taus, n_optimizers), rising with tau within [0, 1].

    Raises:
        ValueError: If times are missing, NaN or not positive, or a factor is less than 1.

    Source:
        E. Dolan and J. More (2002), Benchmarking optimization software with performance profiles; G. Dahl et al.
        (2023), Benchmarking neural network training algorithms (AlgoPerf), section 4.
    """
    factors = as_scores(taus)
    if np.any(factors < 1):
        raise ValueError(f"taus={factors.min()}: expected factors of at least 1, the fastest itself. Raise it.")
    return np.asarray(np.mean(_ratios(times) <= factors[:, None, None], axis=1))


def performance_score(times: ArrayLike, *, tau_max: float = 4.0) -> Floats:
    """Return the integral of rho over tau from 1 to tau_max, divided by tau_max - 1.

    1 is an optimizer that is the fastest everywhere, 0 one that is never within tau_max times the fastest. The steps
    of rho are integrated exactly: the score is the mean over workloads of max(0, tau_max - ratio) / (tau_max - 1).

    Args:
        times: As in `performance_profile`, shape (n_workloads, n_optimizers).
        tau_max: The largest factor that still counts; AlgoPerf takes 4.

    Returns:
        The scores, shape (n_optimizers,), within [0, 1].

    Raises:
        ValueError: If times are missing, NaN or not positive, or `tau_max` is not a finite number above 1.

    Source:
        G. Dahl et al. (2023), section 4.
    """
    if not 1.0 < tau_max < np.inf:
        raise ValueError(f"tau_max={tau_max}: expected a finite number above 1. AlgoPerf takes 4.")
    return np.asarray(np.mean(np.maximum(0.0, tau_max - _ratios(times)), axis=0) / (tau_max - 1.0))


def _ratios(times: ArrayLike) -> Floats:
    """Return times divided by the fastest of their workload, infinite where the target is never met."""
    values = as_scores(times, n_dimensions=2)
    if np.any(values <= 0):
        raise ValueError(
            f"times hold {values.min()}: expected positive steps or seconds, or infinity for a target never met. "
            "Count steps from 1."
        )
    met = np.isfinite(values)
    ratios = np.full_like(values, np.inf)
    np.divide(values, values.min(axis=1, keepdims=True), out=ratios, where=met)
    return ratios
