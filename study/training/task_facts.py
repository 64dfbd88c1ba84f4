"""Facts of a model from which a task can be told: its last activation, its width, and what it was compiled with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from study.config.schema import StudyConfig
from study.core.trees import mapped
from study.datasets import Dataset
from study.training.initial_weights import outline
from study.training.keras_internals import arguments_of, compiled_loss, inferred, last_operations
from study.training.model_setup import fresh_model
from study.training.task_check import PROBABILITIES, activation_of, like_batch

# Number of examples for which outputs are computed.
_N_TRIED = 8
_LOSSES, _METRICS = "keras.losses", "keras.metrics"


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """Facts of a model.

    Attributes:
        gives_probabilities: True if it ends with a softmax or a sigmoid.
        width: Width of its output; None: not known, or it has several outputs.
        last_activation: Name of its last activation or layer; empty: not known. Default: empty.
        sums_to_one: True if its outputs for some examples sum to 1, as probabilities do. Default False.
        loss: The loss that it was compiled with, as a config has it. None: it was not compiled.
        metrics: The metrics that it was compiled with, as a config has them.
        foreign: The loss or metric that it was compiled with and that a config cannot name, in words; empty: none.
    """

    gives_probabilities: bool
    width: int | None
    last_activation: str = ""
    sums_to_one: bool = False
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
    build = partial(fresh_model, config, dataset, precision=precision)
    model = outline(build)
    x = mapped(like_batch, dataset.train.first(1).x)
    with keras.StatelessScope(initialize_variables=False):
        shape: tuple[int, ...] = ()
        with contextlib.suppress(Exception):  # a model that does not fit the data, which the check of the task names
            shape = getattr(inferred(model, x), "shape", ())  # none with several outputs
        last = [activation_of(operation) for operation in last_operations(model, x)]
    width = shape[-1] if len(shape) > 1 else None
    loss, metrics, foreign = _compiled(model)
    return TaskFacts(
        gives_probabilities=bool(last) and last[0] in PROBABILITIES,
        width=width,
        last_activation=next(iter(last), ""),
        sums_to_one=width is not None
        and width > 1
        and _sums_to_one(fresh_model(config, dataset, precision=precision), dataset),
        loss=loss,
        metrics=metrics,
        foreign=foreign,
    )


def _sums_to_one(model: Any, dataset: Dataset) -> bool:
    """Return whether the outputs of a model with its initial weights are rows of probabilities."""
    try:
        x = mapped(keras.ops.convert_to_tensor, dataset.train.first(_N_TRIED).x)
        outputs = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    except Exception:  # a model of the user's can fail in any way, which the check of the task names
        return False
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3))


def section_of(given: Any, namespace: str) -> Any:
    """Return a loss or a metric of Keras as a config has it; None if a config cannot name it.

    Args:
        given: A name such as `mse`, a function or a class of Keras, or an object.
        namespace: `keras.losses` or `keras.metrics`.
    """
    if namespace == _METRICS and isinstance(given, str):
        return given
    part, module = given, getattr(keras, namespace.partition(".")[2])
    if isinstance(part, str):
        try:
            part = keras.losses.get(part)
        except ValueError:
            return None
    if not isinstance(part, type) and hasattr(part, "__name__"):  # a function, which has a class beside it
        if not str(part.__module__).startswith("keras."):
            return None
        camel = "".join(word.capitalize() for word in part.__name__.split("_"))
        return {"_target_": f"{namespace}.{camel}"} if hasattr(module, camel) else None
    kind = part if isinstance(part, type) else type(part)
    if getattr(module, kind.__name__, None) is not kind:
        return None
    if kind is part:
        return {"_target_": f"{namespace}.{kind.__name__}"}
    arguments = arguments_of(part)
    if arguments is None:
        return None
    named = {"name": part.name} if namespace == _METRICS else {}
    return {"_target_": f"{namespace}.{kind.__name__}", **named, **arguments}


def _compiled(model: Any) -> tuple[dict[str, Any] | None, tuple[Any, ...], str]:
    """Return the loss and the metrics that a model was compiled with, and what of them a config cannot name."""
    found = compiled_loss(model)
    if found is None:
        return None, (), ""
    given_loss, given_metrics, weights = found
    loss = section_of(given_loss, _LOSSES)
    metrics = [(metric, section_of(metric, _METRICS)) for metric in given_metrics or ()]
    foreign = [given_loss] if loss is None else [metric for metric, section in metrics if section is None] + weights
    return loss, tuple(section for _, section in metrics), ", ".join(map(repr, foreign))
