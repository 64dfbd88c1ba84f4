"""Points of a function of one number, with noise on the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split

# Number of examples of the validation and of the test split: enough that their mean loss hardly depends on the draw.
N_HELD_OUT = 500
_SPLITS = ("train", "validation", "test")


def draw_points(
    name: str,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    n_train: int,
    noise: float,
    split_seed: int,
    numbers: Mapping[str, Any] | None = None,
) -> Dataset:
    """Draw y = f(x) + noise * e with e standard normal, and x evenly spaced over [-1, 1] in each split.

    Args:
        name: Name of the data set.
        function: The function f, of arrays of shape (n,).
        n_train: Number of examples of the training split; the other splits have 500 each.
        noise: Standard deviation of the noise, at least 0.
        split_seed: Seed of the noise of the training and validation split; the test split is always the same.
        numbers: The function's own arguments by config key, for the check that they are finite numbers. None (the
            default): none.

    Returns:
        A data set with x and y of shape (n, 1), float32.

    Raises:
        ConfigError: An argument is invalid.
    """
    _check(n_train, noise, split_seed, numbers or {})
    splits = {}
    for number, (split, n) in enumerate(zip(_SPLITS, (n_train, N_HELD_OUT, N_HELD_OUT), strict=True)):
        generator = np.random.default_rng([0 if split == "test" else split_seed, number])
        x = np.linspace(-1, 1, n)
        y = function(x) + noise * generator.standard_normal(n)
        splits[split] = Split(x=x[:, np.newaxis].astype(np.float32), y=y[:, np.newaxis].astype(np.float32))
    return Dataset(
        name=name,
        source="made by a formula",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        n_outputs=1,
    )


def _check(n_train: Any, noise: Any, split_seed: Any, numbers: Mapping[str, Any]) -> None:
    faults = [
        Fault(
            key=key, value=value, allowed=f"a whole number of at least {least}", advice=f"Set {key}={least} or more."
        )
        for key, value, least in (("dataset.n_train", n_train, 1), ("split_seed", split_seed, 0))
        if not isinstance(value, int) or isinstance(value, bool) or value < least
    ]
    for key, value in numbers.items():
        if not _is_number(value):
            faults.append(
                Fault(key=key, value=value, allowed="a finite number", advice=f"Set for instance {key}=1.0.")
            )
    if not _is_number(noise) or noise < 0:
        advice = "Set dataset.noise=0.1, or 0 for none."
        faults.append(Fault(key="dataset.noise", value=noise, allowed="a number of at least 0", advice=advice))
    if faults:
        raise ConfigError(faults)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
