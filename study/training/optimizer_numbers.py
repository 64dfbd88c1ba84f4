"""Separate an optimizer's numbers, which a program takes as arguments, from settings that are part of the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from study.config.instantiate import parameters
from study.core.search_space import Value
from study.training.build_optimizer import coerce

RATE = "learning_rate"
# Attributes of an optimizer of Keras 3.15 that do not affect its results; TensorFlow's begin with `_self_`.
_BOOKKEEPING = ("name", "_name", "_lock", "built", "_trainable_variables_indices")
_TENSORFLOW = "_self_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An optimizer's settings: numbers, which a program takes as arguments, and settings that are part of its code.

    Attributes:
        numbers: All floating-point numbers, by attribute.
        fixed: All other settings, by attribute, as text.
    """

    numbers: Mapping[str, float]
    fixed: tuple[tuple[str, str], ...]

    def with_others(self, numbers: Mapping[str, float], fixed: tuple[tuple[str, str], ...]) -> Settings:
        """Return these settings together with those of the model, its loss and its schedule.

        Args:
            numbers: Further numbers, by name.
            fixed: Further settings that are part of the program, by name, as text.
        """
        return Settings(numbers={**self.numbers, **numbers}, fixed=(*self.fixed, *fixed))


def settings_of(optimizer: Any, target: str, hyperparameters: Mapping[str, Value]) -> Settings:
    """Read the settings of an optimizer.

    Args:
        optimizer: The optimizer that the target made of the hyperparameters.
        target: Dotted path of the optimizer.
        hyperparameters: The arguments of the call, by name.
    """
    arguments = coerce(target, hyperparameters)
    numbers: dict[str, float] = {}
    fixed: dict[str, str] = {}
    for name, value in vars(optimizer).items():
        if name in _BOOKKEEPING or name.startswith(_TENSORFLOW):
            continue
        if type(value) is float:
            numbers[name] = value
        elif _is_plain(value):
            fixed[name] = repr(value)
    numbers[RATE] = float(arguments.get(RATE, parameters(target)[RATE].default))
    # An argument that the optimizer stores in another way counts as part of the program's code, so it is not missed.
    for name, value in arguments.items():
        if name != RATE and name not in fixed and numbers.get(name) != value:
            fixed[f"argument {name}"] = repr(value)
    return Settings(numbers=numbers, fixed=tuple(sorted(fixed.items())))


def _is_plain(value: Any) -> bool:
    """Return whether a value's text describes it: not an object, and not a list of variables."""
    if not isinstance(value, bool | int | str | None | list | tuple | dict | set):
        return False
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
    return not any(isinstance(item, keras.Variable) for item in items)
