"""Train trials of different configs with a trainer for one config: a trainer of its own for each config."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.at_point import at
from study.config.schema import StudyConfig
from study.core.failure_text import failure_text
from study.core.search_space import Value
from study.core.trainer_interface import UNWATCHED, OnEpoch, Together, Trainer, Trial, TrialResult

# Largest number of trainers that are kept, with their traced steps.
_MAX_TRAINERS = 8

# Values of keys, by key.
Point = tuple[tuple[str, Value], ...]


class TrainerByPoint:
    """Trainer of a study that searches keys of the config besides the optimizer's arguments.

    A trial is trained exactly as by a study whose config has the trial's values. Trials of the same values share a
    trainer, and so its traced steps.

    Args:
        config: The study's config.
        keys: The keys whose values a trainer takes from its config; others are the trainer's own business.
        build: Builds the trainer of a config.
    """

    def __init__(self, config: StudyConfig, *, keys: Collection[str], build: Callable[[StudyConfig], Trainer]) -> None:
        self._config, self._keys, self._build = config, keys, build
        self._trainers: dict[Point, Trainer] = {}
        self._own = self._trainer(self._point(config.own_values))

    @property
    def capacity(self) -> int:
        """Number of trials that train at once."""
        return self._own.capacity

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together = UNWATCHED) -> list[TrialResult]:
        """Train trials, those of the same values together.

        Args:
            trials: The trials.
            on_epoch: Called after every epoch. Returning False stops the trial, which becomes `pruned`.
            together: See `Together`; a batch keeps its trials. Default: calls that do nothing.

        Returns:
            A result for each trial, in their order.
        """
        groups: dict[Point, list[Trial]] = {}
        for trial in trials:
            groups.setdefault(self._point(trial.hyperparameters), []).append(trial)
        results = {}
        for point, of_group in groups.items():
            for result in self._train_group(point, of_group, on_epoch, together):
                results[result.trial.number] = result
        return [results[trial.number] for trial in trials]

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Return a fresh, uncompiled Keras model at the config's own values.

        Args:
            weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.
        """
        return self._own.build_model(weights)

    def _train_group(
        self, point: Point, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together
    ) -> list[TrialResult]:
        try:
            trainer = self._trainer(point)
        except Exception as error:  # a model of the user's can fail in any way
            text = failure_text(error)
            return [TrialResult(trial=trial, state="failed", history={}, summary={}, error=text) for trial in trials]
        if trainer.capacity > 1:
            return trainer.train(trials, on_epoch, replace(together, more=None))
        return trainer.train(trials, on_epoch)

    def _point(self, hyperparameters: Mapping[str, Value]) -> Point:
        return tuple((key, hyperparameters[key]) for key in sorted(self._keys))

    def _trainer(self, point: Point) -> Trainer:
        trainer = self._trainers.pop(point, None) or self._build(at(self._config, dict(point)))
        self._trainers[point] = trainer  # the last one used stands at the end
        for old in list(self._trainers)[:-_MAX_TRAINERS]:
            del self._trainers[old]
        return trainer
