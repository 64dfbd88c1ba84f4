"""Facts of a model from which a task can be told: its last activation, its width, and what it was compiled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from study.config.schema import StudyConfig
from study.core.trees import mapped
from study.datasets import Dataset
from study.training.initial_weights import outline
from study.training.keras_internals import compiled_loss, last_operations
from study.training.model_setup import fresh_model
from study.training.task_check import PROBABILITIES, activation_of, like_batch

_LOSSES, _METRICS = "keras.losses", "keras.metrics"
# Arguments of losses and metrics with their usual values, which a config leaves out.
_USUAL = {"reduction": "sum_over_batch_size", "dtype": None}


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """Facts of a model.

    Attributes:
        gives_probabilities: True if it ends with a softmax or a sigmoid.
        width: Width of its output; None: not known, or it has several outputs.
        loss: The loss that it was compiled with, as a config has it. None: it was not compiled.
        metrics: The metrics that it was compiled with, as a config has them.
        foreign: The loss or metric that it was compiled with and that a config cannot name, in words; empty: none.
    """

    gives_probabilities: bool
    width: int | None
    loss: dict[str, Any] | None = None
    metrics: tuple[Any, ...] = ()
    foreign: str = ""


def task_facts(config: StudyConfig, dataset: Dataset) -> TaskFacts:
    """Build a study's model once, without training, and return its facts.

    Args:
        config: The study's config, whose task may be a guess.
        dataset: The study's data set.

    Raises:
        StudyError: The model cannot be built.
    """
    precision = str(config.trainer.section.get("precision", "float32"))
    model = outline(partial(fresh_model, config, dataset, precision=precision))
    x = mapped(like_batch, dataset.train.first(1).x)
    with keras.StatelessScope(initialize_variables=False):
        last = [activation_of(operation) for operation in last_operations(model, x)]
    shape = getattr(model, "output_shape", None)
    width = shape[-1] if isinstance(shape, tuple) and shape and isinstance(shape[-1], int) else None
    loss, metrics, foreign = _compiled(model)
    return TaskFacts(
        gives_probabilities=bool(last) and last[0] in PROBABILITIES,
        width=width,
        loss=loss,
        metrics=metrics,
        foreign=foreign,
    )


def section_of(given: Any, namespace: str) -> Any:
    """Return a loss or a metric of Keras as a config has it; None if a config cannot name it.

    Args:
        given: A name such as `mse`, a function or a class of Keras, or an object.
        namespace: `keras.losses` or `keras.metrics`.
    """
    part: Any = given
    if namespace == _METRICS and isinstance(part, str):
        return part
    if isinstance(part, str):
        try:
            part = keras.losses.get(part)
        except ValueError:
            return None
    module = getattr(keras, namespace.partition(".")[2])
    name = "" if isinstance(part, type) else str(getattr(part, "__name__", ""))
    if name:  # a function, which has a class beside it
        part = getattr(module, "".join(word.capitalize() for word in name.split("_")), None)
    if isinstance(part, type) and getattr(module, part.__name__, None) is part:
        return {"_target_": f"{namespace}.{part.__name__}"}
    if getattr(module, type(part).__name__, None) is not type(part):
        return None
    arguments: Mapping[str, Any] = part.get_config()
    plain = {key: value for key, value in arguments.items() if key not in _USUAL or value != _USUAL[key]}
    if namespace == _LOSSES:
        plain.pop("name", None)
    plain.pop("dtype", None)
    return {"_target_": f"{namespace}.{type(part).__name__}", **plain}


def _compiled(model: Any) -> tuple[dict[str, Any] | None, tuple[Any, ...], str]:
    """Return the loss and the metrics that a model was compiled with, and what of them a config cannot name."""
    found = compiled_loss(model)
    if found is None:
        return None, (), ""
    given_loss, given_metrics = found
    loss = section_of(given_loss, _LOSSES)
    metrics = [(metric, section_of(metric, _METRICS)) for metric in given_metrics or ()]
    foreign = [given_loss] if loss is None else [metric for metric, section in metrics if section is None]
    return loss, tuple(section for _, section in metrics), ", ".join(map(repr, foreign))
