"""Rules that act on a training after each of its epochs: early stopping, and a rate that falls on a plateau."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# The schedule that is a rule of this kind.
PLATEAU = "study.optimizers.plateau.Plateau"


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """A metric of an epoch, and the number of epochs without an improvement after which a rule acts.

    Attributes:
        metric: Name of the metric, such as `val_loss`.
        direction: `maximize` if large values are good, `minimize` if small ones are.
        patience: Number of epochs, at least 1.
        min_delta: A value must be better by more than this to be an improvement, in the metric's units.
    """

    metric: str
    direction: Literal["maximize", "minimize"]
    patience: int
    min_delta: float


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Early stopping, as `keras.callbacks.EarlyStopping`.

    Attributes:
        monitor: A training stops at the first epoch at which its patience ends.
        restore_best: Keep the weights of the last epoch that was an improvement, otherwise those of the last epoch.
    """

    monitor: Monitor
    restore_best: bool


@dataclass(frozen=True, kw_only=True)
class RateReduction:
    """A learning rate that falls on a plateau, as `keras.callbacks.ReduceLROnPlateau`.

    Attributes:
        monitor: The rate falls whenever its patience ends.
        factor: Factor on the rate, between 0 and 1.
        cooldown: Number of epochs after a reduction that do not count.
        min_factor: Lowest rate, as a share of the first one.
    """

    monitor: Monitor
    factor: float
    cooldown: int
    min_factor: float


def without_idle_rules(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section `trainer` without early stopping that stops nothing and without an empty list of callbacks.

    A study of an earlier version, whose config has neither key, is then the same study.

    Args:
        trainer: The section.
    """
    stopping = trainer.get("early_stopping")
    is_idle = stopping is None or (isinstance(stopping, Mapping) and all(stopping.get(k) is None for k in _DECISIVE))
    idle = {"early_stopping": is_idle, "callbacks": not trainer.get("callbacks")}
    return {key: value for key, value in trainer.items() if not idle.get(key, False)}


# Without a value for either of them, there is no early stopping.
_DECISIVE = ("monitor", "patience")
