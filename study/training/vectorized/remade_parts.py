"""Parts that are made again for every trial: losses, class weights, augmentation, and the schedule.

The numbers that such a part keeps in attributes are read for every trial. A part of the user's can hide a number: in a
closure, an array, an object of its own. So it is traced at several points of the ranges, with the numbers of the first
point in the places of the others. If the traces are not equal, it depends on a key in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import keras

from study.config.at_point import at
from study.config.instantiate import instantiate
from study.config.losses import built_loss
from study.config.schema import StudyConfig
from study.config.task import CLASS_WEIGHT
from study.core.search_space import Range, Value
from study.training.augmentation import augmentation_layers
from study.training.build_optimizer import build_schedule
from study.training.vectorized.class_weighting import class_weights
from study.training.vectorized.number_places import Found, find_numbers
from study.training.vectorized.traces import traced

# The parts, and the keys that change them.
PARTS: Mapping[str, str] = {
    "loss": "dataset.task.loss",
    "class_weight": CLASS_WEIGHT,
    "augment": "dataset.augment.",
    "schedule": "schedule.",
}
# Homes of losses and schedules whose attributes hold all of their numbers.
_KNOWN = ("keras.", "study.")
_TARGET = "_target_"


def remade(config: StudyConfig, part: str, *, n_steps: int) -> Found:
    """Make a part of a config, and return what it is made of.

    Args:
        config: The config.
        part: The name of the part, one of `PARTS`.
        n_steps: Number of steps of a whole training.
    """
    if part == "schedule":
        return _of_schedule(build_schedule(config.schedule.section, n_steps=n_steps))
    if part == "class_weight":
        return find_numbers({"class_weight": class_weights(config)})
    if part == "augment":
        return find_numbers({"augment": augmentation_layers(config)})
    weights = {output: float(weight) for output, weight in (config.task.loss_weights or {}).items()}
    losses = {output: instantiate(built_loss(loss)) for output, loss in config.task.losses.items()}
    return find_numbers({"loss": losses, "loss_weights": weights})


class PartChecks:
    """Checks that parts depend on the searched keys by the numbers in their attributes alone.

    Args:
        config: The study's config.
        steps: Traces the steps of the model of a config, after the given numbers are put into its places, by name.
        n_steps: Returns the number of steps of a whole training by a config.
        points: Values of keys at several places of their ranges, the first of which is the middle.
    """

    def __init__(
        self,
        config: StudyConfig,
        steps: Callable[[StudyConfig, Mapping[str, float]], str],
        n_steps: Callable[[StudyConfig], int],
        points: Callable[[Collection[str]], Sequence[Mapping[str, Value]]],
    ) -> None:
        self._config, self._steps, self._n_steps, self._points = config, steps, n_steps, points

    def hidden(self, part: str) -> frozenset[str]:
        """Return the searched keys on which a part depends by more than numbers in its attributes.

        Args:
            part: The name of the part, one of `PARTS`.
        """
        if not self._may_hide(part):
            return frozenset()
        searched = {key: r for key, r in self._config.searched.items() if key.startswith(PARTS[part])}
        numeric = frozenset(key for key, r in searched.items() if _is_numeric(r))
        others = frozenset(searched) - numeric
        together = self._are_numbers(part, numeric) if numeric else True
        if together:
            return others
        alone = {key for key in numeric if not self._are_numbers(part, {key})}
        # Several keys may have no point at which they fit together, such as boundaries that must rise.
        return others | (alone if alone or together is None else numeric)

    def _may_hide(self, part: str) -> bool:
        if part == "loss":
            return not all(map(_is_known, self._config.task.losses.values()))
        return part == "augment" or (part == "schedule" and not _is_known(self._config.schedule.section))

    def _are_numbers(self, part: str, keys: Collection[str]) -> bool | None:
        """Return whether a part's traces at several points are equal, apart from the numbers in its attributes.

        Args:
            part: The name of the part.
            keys: The keys that differ between the points.

        Returns:
            None if the part can be made at fewer than two of the points.
        """
        made = [each for point in self._points(keys) if (each := self._made(part, point)) is not None]
        if len(made) < 2:
            return None
        (first, found), *others = made
        try:
            text = self._traced(first, part, found.numbers)
            for config, there in others:
                if there.fixed != found.fixed or there.places.keys() != found.places.keys():
                    return False
                if self._traced(config, part, found.numbers) != text:
                    return False
        except Exception:  # a part of the user's that cannot be traced can fail in any way
            return False
        return True

    def _made(self, part: str, point: Mapping[str, Value]) -> tuple[StudyConfig, Found] | None:
        """Return the config of a point and what a part is made of there; None if it cannot be made there."""
        try:
            config = at(self._config, point)
            return config, remade(config, part, n_steps=self._n_steps(config))
        except Exception:  # a part of the user's can refuse some values in any way
            return None

    def _traced(self, config: StudyConfig, part: str, numbers: Mapping[str, float]) -> str:
        if part != "schedule":
            return self._steps(config, numbers)
        schedule = build_schedule(config.schedule.section, n_steps=self._n_steps(config))
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            return ""  # a rule between epochs, which each trial has for itself
        places = _of_schedule(schedule).places
        for name, number in numbers.items():
            places[name].put(number)
        return traced(schedule, jnp.zeros((), "int32"))


def _is_numeric(searched: Range) -> bool:
    """Return whether all values of a range are numbers."""
    return searched.choices is None or all(type(choice) in (int, float) for choice in searched.choices)


def _of_schedule(schedule: Any) -> Found:
    return find_numbers({"schedule": schedule}, whole_too=True)


def _is_known(section: Any) -> bool:
    """Return whether everything that a section names is of Keras or of ours."""
    if isinstance(section, Mapping):
        home = str(section.get(_TARGET, _KNOWN[0]))
        return home.startswith(_KNOWN) and all(map(_is_known, section.values()))
    return not isinstance(section, list | tuple) or all(map(_is_known, section))
