"""A second optimizer for the layers that `optimizer.exclude` names."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import keras

from study.config.instantiate import instantiate
from study.config.schema import Exclusion, StudyConfig
from study.core.errors import Fault, told_with_place

_KEY = "optimizer.exclude"


def with_second_optimizer(optimizer: Any, exclude: Exclusion | None) -> Any:
    """Return an optimizer that leaves some layers to a second one: `keras.optimizers.MultiOptimizer`.

    Args:
        optimizer: The optimizer of all other layers.
        exclude: The layers and their optimizer; None: return the optimizer as it is.
    """
    if exclude is None:
        return optimizer
    second = instantiate(exclude.optimizer)

    def of_variable(variable: Any) -> Any:
        return second if is_excluded(variable, exclude) else optimizer

    return keras.optimizers.MultiOptimizer(of_variable, name=optimizer.name)


def is_excluded(variable: Any, exclude: Exclusion) -> bool:
    """Return whether a variable is of an excluded layer, or of one inside it: by the names in its path.

    Args:
        variable: A variable of a model, whose path is such as `functional/dense_1/kernel`.
        exclude: The layers.
    """
    *layers, _ = variable.path.split("/")
    return any(fnmatchcase(layer, pattern) for layer in layers for pattern in exclude.layers)


def exclusion_faults(config: StudyConfig, model: Any) -> Iterator[Fault]:
    """Yield the faults of `optimizer.exclude`: layers that the model does not train, or all of them.

    Args:
        config: The study's config.
        model: The model, which has seen symbolic inputs.
    """
    exclude = config.optimizer.exclude
    if exclude is None:
        return
    try:
        second = instantiate(exclude.optimizer)
    except Exception as error:  # an optimizer of the user's can fail in any way
        allowed = f"arguments with which it can be built; it {told_with_place(error)}"
        yield Fault(
            key=f"{_KEY}.optimizer", value=exclude.optimizer["_target_"], allowed=allowed, advice="Correct them."
        )
        return
    if not isinstance(second, keras.optimizers.Optimizer):
        allowed = f"an optimizer of Keras; it is a {type(second).__name__}"
        yield Fault(key=f"{_KEY}.optimizer", value=exclude.optimizer["_target_"], allowed=allowed, advice="Name one.")
    trained = list(model.trainable_variables)
    there = ", ".join(dict.fromkeys(layer for variable in trained for layer in variable.path.split("/")[:-1]))
    for pattern in exclude.layers:
        one = Exclusion(layers=(pattern,), optimizer=exclude.optimizer)
        if not any(is_excluded(variable, one) for variable in trained):
            allowed = f"the name of a layer that trains, perhaps with *: {there}"
            yield Fault(key=f"{_KEY}.layers", value=pattern, allowed=allowed, advice="Correct it.")
    if trained and all(is_excluded(variable, exclude) for variable in trained):
        allowed = f"some of the layers {there}; with these, {config.optimizer.name} would train none"
        yield Fault(
            key=f"{_KEY}.layers", value=list(exclude.layers), allowed=allowed, advice="Leave some of them out."
        )
