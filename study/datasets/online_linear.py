"""Linear costs that repeat in a cycle: an online problem, whose difficulty is the order of the examples.

Source: S. J. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, section 3: f_t(x) is C x
where t mod 3 is 1 and -x elsewhere, C > 2, and x lies in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split, Whereabouts

# The cost and the position: the outputs of model=bounded_point.
_N_OUTPUTS = 2


def load(*, costs: Sequence[float] = (3.0, -1.0, -1.0)) -> Dataset:
    """Make a cycle.

    Args:
        costs: The slopes of the costs of one cycle, in their order. Default (3.0, -1.0, -1.0).

    Returns:
        A data set with x of shape (n, 1), the slopes, and y of shape (n, 2), zeros, both float32; all three splits
        are the same cycle.

    Raises:
        ConfigError: The costs are not a list of finite numbers.
    """
    given: list[object] = list(costs) if isinstance(costs, list | tuple) else []
    if not given or not all(map(_is_finite, given)):
        allowed, advice = "a list of finite numbers, at least one", "Write dataset.costs=[3,-1,-1]."
        raise ConfigError([Fault(key="dataset.costs", value=costs, allowed=allowed, advice=advice)])
    slopes = np.asarray(given, dtype=np.float32)[:, None]
    cycle = Split(x=slopes, y=np.zeros((len(slopes), _N_OUTPUTS), np.float32))
    return Dataset(
        name="online_linear",
        source="made here: a cycle of linear costs",
        train=cycle,
        validation=cycle,
        test=cycle,
        n_outputs=_N_OUTPUTS,
    )


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="made here")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
