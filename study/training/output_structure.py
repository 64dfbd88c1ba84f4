"""Compare a model's outputs, the targets and the losses of a task by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from study.config.schema import StudyConfig
from study.core.errors import Fault
from study.datasets import Dataset

_LOSS = "dataset.task.loss"


def structure_faults(config: StudyConfig, dataset: Dataset, model: Any, output: Any) -> Iterator[Fault]:
    """Yield the faults of outputs, targets and losses, compared by their names, or in a tuple by their order.

    Args:
        config: The study's config.
        dataset: The study's data set, checked.
        model: The model.
        output: What the model returns, as tensors without values.
    """
    name, losses, y = config.model.name, config.task.losses, dataset.train.first(1).y
    if "" in losses:
        if not isinstance(output, keras.KerasTensor):
            advice = f"Return one output from the model, or give {_LOSS} a section for each output, by its name."
            yield _fault("model", name, f"a model with one output, not {_described(output)}", advice)
        elif not hasattr(y, "shape"):
            advice = f"Return one array, or give {_LOSS} a section for each output, by its name."
            yield _fault("train.y", _described(y), "one array of targets, since there is one loss", advice)
        return
    expected, advice = ", ".join(losses), f"Correct the names, or those of {_LOSS}."
    is_tuple = isinstance(output, list | tuple)
    found = list(getattr(model, "output_names", ())) if is_tuple else list(output) if isinstance(output, dict) else []
    if (
        not found
        or len(found) != len(output)
        or not all(isinstance(each, keras.KerasTensor) for each in _each(output))
    ):
        allowed = f"a model that returns a dict with the names of {_LOSS}: {expected}; it returns {_described(output)}"
        yield _fault("model", name, allowed, "Return a dict of tensors by the names of the outputs.")
    elif is_tuple and found != list(losses):
        allowed = (
            f"output layers of the names that {_LOSS} has, in this order: {expected}; they are {', '.join(found)}"
        )
        yield _fault("model", name, allowed, advice)
    elif set(found) != set(losses):
        allowed = f"a model that returns a dict of {expected}, as {_LOSS} has; these are {', '.join(found)}"
        yield _fault("model", name, allowed, advice)
    if is_tuple and not (isinstance(y, tuple) and len(y) == len(output)):
        allowed = f"a tuple of targets in the order of the model's outputs: {expected}"
        yield _fault("train.y", _described(y), allowed, "Return them so, or let the model return a dict.")
    elif not is_tuple and not isinstance(y, dict):
        allowed = f"targets in a dict with the names of {_LOSS}: {expected}"
        yield _fault("train.y", _described(y), allowed, "Return a dict by the names of the outputs.")
    elif not is_tuple and set(y) != set(losses):
        allowed = f"targets in a dict of {expected}, as {_LOSS} has; these are {', '.join(y)}"
        yield _fault("train.y", _described(y), allowed, advice)


def _each(outputs: Any) -> Iterable[Any]:
    return outputs.values() if isinstance(outputs, dict) else outputs


def _described(found: Any) -> str:
    kind = type(found).__name__
    return f"a {kind} of {len(found)}" if isinstance(found, dict | list | tuple) else f"a {kind}"


def _fault(key: str, value: Any, allowed: str, advice: str) -> Fault:
    return Fault(key=key, value=value, allowed=allowed, advice=advice)
