"""Pruning: ask a pruner about a whole batch, and a pruner that compares the trials of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from study.config.instantiate import Section
from study.search.optuna_internals import storage_of, trial_id


def to_stop(optuna_study: optuna.Study, trial_ids: Mapping[int, int]) -> set[int]:
    """Ask the study's pruner about trials that have all reported; their order does not matter.

    Successive halving and Hyperband compare a trial with those that reached its rung before. When asked about a trial,
    they write the rung to the trial. So if the first round wrote rungs, a second round asks again: it takes the trials
    in
    their state before the first round, and finds the rungs of the whole batch in the store.

    Args:
        optuna_study: The study.
        trial_ids: Ids of the trials in the storage, by the caller's own numbers.

    Returns:
        The numbers of the trials to stop.
    """
    storage, pruner = storage_of(optuna_study), optuna_study.pruner
    before = {number: storage.get_trial(stored) for number, stored in trial_ids.items()}

    def ask() -> set[int]:
        return {number for number, frozen in before.items() if pruner.prune(optuna_study, frozen)}

    stopped = ask()
    if len(before) > 1 and any(
        storage.get_trial(trial_id(frozen)).system_attrs != frozen.system_attrs for frozen in before.values()
    ):
        return ask()
    return stopped


def waits_for_finished_trials(section: Section) -> bool:
    """Return whether a pruner needs finished trials before it stops one.

    Args:
        section: The pruner's section: `_target_` and its arguments.
    """
    waits = bool(section.get("n_startup_trials"))
    return waits or "auto" in (section.get("min_resource"), section.get("max_resource"))


class BatchQuantile(optuna.pruners.BasePruner):
    """Pruner that stops a trial whose value at an epoch is worse than a quantile of all trials that reported it.

    Trials that are still running count. So this works within a batch as well as from trial to trial.

    Args:
        quantile: Share of the trials at an epoch that are stopped, from 0 to below 1.
        n_warmup_epochs: Number of epochs at the beginning at which no trial is stopped. Default 0.
        every_n_epochs: Stop trials only at every n-th epoch after the warm-up. Default 1.
        n_min_trials: Stop no trial at an epoch that fewer trials have reported. Default 2.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self, *, quantile: float, n_warmup_epochs: int = 0, every_n_epochs: int = 1, n_min_trials: int = 2
    ) -> None:
        _check("quantile", quantile, allowed="from 0 to below 1", holds=0 <= quantile < 1)
        _check("n_warmup_epochs", n_warmup_epochs, allowed="at least 0", holds=n_warmup_epochs >= 0)
        _check("every_n_epochs", every_n_epochs, allowed="at least 1", holds=every_n_epochs >= 1)
        _check("n_min_trials", n_min_trials, allowed="at least 1", holds=n_min_trials >= 1)
        self._quantile, self._n_min_trials = quantile, n_min_trials
        self._n_warmup_epochs, self._every_n_epochs = n_warmup_epochs, every_n_epochs

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to stop a trial at the last epoch that it reported.

        Args:
            study: The study, whose trials are compared.
            trial: The trial, with its reported values.
        """
        epoch = trial.last_step
        if epoch is None:
            return False
        after_warmup = epoch - self._n_warmup_epochs
        if after_warmup < 0 or (after_warmup + 1) % self._every_n_epochs:
            return False
        value = trial.intermediate_values[epoch]
        if math.isnan(value):
            return True
        others = (t.intermediate_values.get(epoch, math.nan) for t in study.get_trials(deepcopy=False))
        values = [other for other in others if not math.isnan(other)]
        if len(values) < self._n_min_trials:
            return False
        # The quantile is the value of a trial; between two values, the better one. So the worst of four is below it.
        if study.direction == StudyDirection.MAXIMIZE:
            return value < float(np.quantile(values, self._quantile, method="higher"))
        return value > float(np.quantile(values, 1 - self._quantile, method="lower"))


def _check(name: str, value: float, *, allowed: str, holds: bool) -> None:
    if not holds:
        raise ValueError(f"pruner.{name}={value}: expected a number {allowed}. Correct pruner.{name}.")
