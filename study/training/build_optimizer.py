"""Build a Keras optimizer from a point of hyperparameters and a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from study.config.epoch_rules import PLATEAU
from study.config.instantiate import Section, Unimportable, instantiate, like_default, parameters
from study.core.search_space import Value, of_optimizer


def build_optimizer(target: str, hyperparameters: Mapping[str, Value], *, schedule: Section, n_steps: int) -> Any:
    """Build an optimizer whose learning rate follows a schedule.

    Args:
        target: Dotted path of a Keras optimizer.
        hyperparameters: Values for the optimizer's constructor, by argument; arguments left out keep their defaults.
        schedule: Section of a schedule whose values are factors on the rate; a null `_target_` is constant.
        n_steps: Number of batches of the whole training. Keras's schedules count these, also if the optimizer takes
            one step for several of them (`gradient_accumulation_steps`). An optimizer with an argument of this name
            gets this number, too.

    Returns:
        A fresh optimizer.
    """
    arguments = coerce(target, hyperparameters)
    if "n_steps" in parameters(target):
        arguments.setdefault("n_steps", n_steps)
    if schedule.get("_target_") not in (None, PLATEAU):  # the trainers lower the rate of the latter themselves
        rate = arguments.get("learning_rate", parameters(target)["learning_rate"].default)
        arguments["learning_rate"] = ScaledSchedule(rate, build_schedule(schedule, n_steps=n_steps))
    return instantiate({"_target_": target, **arguments})


def build_schedule(section: Section, *, n_steps: int) -> Any:
    """Build a schedule of factors.

    Args:
        section: Section of the schedule: `_target_` and its arguments.
        n_steps: Number of steps of the whole training.
    """
    return instantiate(filled_section(section, n_steps=n_steps))


def filled_section(section: Section, *, n_steps: int) -> dict[str, Any]:
    """Return the section of a schedule with all that it needs to know of the steps.

    Each `{fraction_of_steps: f}` becomes that share of the steps, at least 1. A schedule with an argument `n_steps`
    gets their number.

    Args:
        section: Section of the schedule: `_target_` and its arguments.
        n_steps: Number of steps of the whole training.
    """
    told = {"n_steps": n_steps} if _takes_steps(section["_target_"]) else {}
    return {**told, **{key: filled_in(value, n_steps) for key, value in section.items()}}


def coerce(target: str, hyperparameters: Mapping[str, Value]) -> dict[str, Any]:
    """Give each argument the type that Keras requires.

    An integer becomes a float for `learning_rate` and if the constructor's default is a float; it stays an integer
    elsewhere (`ns_steps`, `gradient_accumulation_steps`). A tuple becomes a list. Hyperparameters of other parts are
    left out.

    Args:
        target: Dotted path of the optimizer.
        hyperparameters: Values of its arguments, by name, and perhaps of keys of the config, by dotted key.
    """
    known = parameters(target)
    coerced: dict[str, Any] = {}
    for name, value in of_optimizer(hyperparameters).items():
        default: object = known[name].default if name in known else None
        if name == "learning_rate":  # an optimizer of one's own may have no default for it
            default = 0.0
        coerced[name] = list(value) if isinstance(value, tuple) else like_default(value, default)
    return coerced


class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate times a factor that depends on the step.

    Args:
        rate: The learning rate.
        factor: A schedule whose values are factors.
    """

    def __init__(self, rate: float, factor: Any) -> None:
        self.rate = rate
        self.factor = factor

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step, counted from 0."""
        return self.factor(step) * self.rate

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the schedule."""
        return {"rate": self.rate, "factor": keras.optimizers.schedules.serialize(self.factor)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ScaledSchedule:
        """Build the schedule from the arguments that `get_config` returned.

        Args:
            config: These arguments.
        """
        return cls(config["rate"], keras.optimizers.schedules.deserialize(config["factor"]))


def _takes_steps(target: str) -> bool:
    try:
        return "n_steps" in parameters(target)
    except Unimportable:  # it has no readable signature
        return False


def filled_in(value: Any, n_steps: int) -> Any:
    """Return a value of a schedule's section with each `{fraction_of_steps: f}` as that share of the steps.

    Args:
        value: The value: a number, a text, or mappings and lists of them.
        n_steps: Number of steps of the whole training.
    """
    if isinstance(value, Mapping):
        if set(value) == {"fraction_of_steps"}:
            return max(1, round(float(value["fraction_of_steps"]) * n_steps))
        return {key: filled_in(nested, n_steps) for key, nested in value.items()}
    if isinstance(value, list | tuple):
        return [filled_in(nested, n_steps) for nested in value]
    return value
