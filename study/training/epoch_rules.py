"""Apply the rules of early stopping and of a rate that falls on a plateau, the same for every trainer.

The rules are those of `keras.callbacks.EarlyStopping` and `keras.callbacks.ReduceLROnPlateau`. Unlike there, a value
that is not a number is never an improvement, not even in the first epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from study.config.epoch_rules import Monitor
from study.config.schema import StudyConfig
from study.core.errors import StudyError


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The consequences of an epoch of a training.

    Attributes:
        keeps: The weights after this epoch are those to keep, as long as no later epoch replaces them.
        stops: The training ends here.
        reduces: The learning rate falls.
    """

    keeps: bool
    stops: bool
    reduces: bool


class EpochRules:
    """The rules of one training, and what they have seen of it.

    Args:
        config: The study's config.
        first_rate: The learning rate at the beginning.

    Attributes:
        n_epochs: Number of epochs so far.
        kept_epoch: Number of epochs after which the weights to keep were reached.
    """

    def __init__(self, config: StudyConfig, *, first_rate: float) -> None:
        self._config, self._first_rate = config, first_rate
        self._stopping, self._reduction = config.early_stopping, config.rate_reduction
        self._until_stop = _Patience(self._stopping.monitor) if self._stopping else None
        self._until_reduction = _Patience(self._reduction.monitor) if self._reduction else None
        self._n_cooling = 0
        self.n_epochs = self.kept_epoch = 0

    def fresh(self) -> EpochRules:
        """Return the same rules for a training that begins again."""
        return EpochRules(self._config, first_rate=self._first_rate)

    @property
    def stops_early(self) -> bool:
        """True if the training may stop before its last epoch."""
        return self._stopping is not None

    @property
    def keeps_weights(self) -> bool:
        """True if weights of an earlier epoch may be the ones to keep."""
        return self._stopping is not None and self._stopping.restore_best

    def after(self, metrics: Mapping[str, float]) -> Decision:
        """Return what follows from an epoch.

        Args:
            metrics: The epoch's metrics.
        """
        self.n_epochs += 1
        keeps, stops = not self.keeps_weights, False
        if self._until_stop is not None:
            is_better = self._until_stop.sees(metrics)
            keeps |= is_better or self.n_epochs == 1
            stops = self._until_stop.is_over
        if keeps:
            self.kept_epoch = self.n_epochs
        return Decision(keeps=keeps, stops=stops, reduces=self._reduces(metrics))

    def reduced(self, rate: float) -> float:
        """Return the learning rate after a reduction.

        Args:
            rate: The rate before it.
        """
        assert self._reduction is not None
        lowest = self._first_rate * self._reduction.min_factor
        return max(rate * self._reduction.factor, lowest) if rate > float(np.float32(lowest)) else rate

    def summary(self) -> dict[str, float]:
        """Return the number of epochs and the kept one as numbers of a result; none without early stopping."""
        if self._stopping is None:
            return {}
        return {"n_epochs": float(self.n_epochs), "kept_epoch": float(self.kept_epoch)}

    def _reduces(self, metrics: Mapping[str, float]) -> bool:
        if self._until_reduction is None or self._reduction is None:
            return False
        if self._n_cooling:
            self._n_cooling -= 1
            self._until_reduction.n_waited = 0
        is_better = self._until_reduction.sees(metrics, counts=not self._n_cooling)
        if is_better or self._n_cooling or not self._until_reduction.is_over:
            return False
        self._n_cooling, self._until_reduction.n_waited = self._reduction.cooldown, 0
        return True


class _Patience:
    """Counter of epochs without an improvement."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor, self._sign = monitor, 1.0 if monitor.direction == "maximize" else -1.0
        self._best = -math.inf
        self.n_waited = 0

    @property
    def is_over(self) -> bool:
        """True after as many epochs without an improvement as the monitor allows."""
        return self.n_waited >= self._monitor.patience

    def sees(self, metrics: Mapping[str, float], *, counts: bool = True) -> bool:
        """Return whether an epoch is an improvement; one that is not counts unless told otherwise."""
        value = self._sign * metrics[self._monitor.metric]
        if value - self._monitor.min_delta > self._best:
            self._best, self.n_waited = value, 0
            return True
        self.n_waited += counts
        return False


def epoch_rules(config: StudyConfig, *, first_rate: float) -> EpochRules | None:
    """Return the rules for one training; None if the study has none.

    Args:
        config: The study's config.
        first_rate: The learning rate at the beginning.
    """
    if config.early_stopping is None and config.rate_reduction is None:
        return None
    return EpochRules(config, first_rate=first_rate)


def check_more_epochs(config: StudyConfig, *, n_epochs: int) -> None:
    """Refuse early stopping of trainings of one epoch, whose number follows from `budget.n_steps`.

    Args:
        config: The study's config.
        n_epochs: Number of epochs of a whole training.

    Raises:
        StudyError: There is one epoch.
    """
    stopping = config.early_stopping
    if stopping is not None and n_epochs == 1:
        raise StudyError(
            f"trainer.early_stopping.patience={stopping.monitor.patience}: expected a budget of more than one epoch, "
            f"and budget.n_steps={config.budget.n_steps} is one. Raise it, or leave out early stopping."
        )
