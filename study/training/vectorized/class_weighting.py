"""Class weights inside the step, so that lanes can have different ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from study.config.schema import StudyConfig
from study.datasets import Dataset
from study.datasets.preparation.streams import Stream

# Attribute of a training step that holds the weight of each class.
WEIGHTS = "class_weights"


def are_in_step(config: StudyConfig, dataset: Dataset) -> bool:
    """Return whether searched class weights can be a part of the step.

    The step tells training examples by their sample weights, which examples of other splits then must not have.

    Args:
        config: The study's config.
        dataset: The study's data set, without class weights.
    """
    of_others = (dataset.validation.sample_weight, dataset.test.sample_weight)
    has_one_output = "" in config.task.losses and isinstance(dataset.train.y, np.ndarray)
    is_table = isinstance(config.task.class_weight, Mapping)
    return has_one_output and is_table and not isinstance(dataset.train, Stream) and of_others == (None, None)


def with_sample_weights(dataset: Dataset) -> Dataset:
    """Return a data set whose training examples have sample weights: their own, or 1.

    Args:
        dataset: The data set.
    """
    train = dataset.train
    if train.sample_weight is not None:
        return dataset
    return replace(dataset, train=replace(train, sample_weight=np.ones(len(train), np.float32)))


def weigh_classes(config: StudyConfig, model: Any) -> None:
    """Let the steps of a model multiply sample weights by the weights of the classes.

    Args:
        config: The config with the class weights.
        model: The model, not compiled.
    """
    weights = class_weights(config)
    train_step = _weighed(model.train_step, weights)
    vars(train_step).update({**vars(model.train_step), WEIGHTS: weights})
    model.train_step, model.test_step = train_step, _weighed(model.test_step, weights)


def class_weights(config: StudyConfig) -> list[Any]:
    """Return the weight of each class, 1 for a class without one; a class beyond the last has 1 too.

    Args:
        config: The config.
    """
    table = cast(Mapping[Any, float], config.task.class_weight)
    given = {int(label): float(weight) for label, weight in table.items()}
    return [given.get(label, 1.0) for label in range(max(given) + 1)]


def _weighed(step: Callable[..., Any], weights: list[Any]) -> Callable[..., Any]:
    def weighed_step(state: Any, data: Any) -> Any:
        x, y, *weight = data
        if not weight:
            return step(state, data)
        table = jnp.stack([jnp.asarray(each, jnp.float32) for each in weights])
        labels = _labels(y)
        factors = jnp.where(labels < len(weights), table[jnp.minimum(labels, len(weights) - 1)], jnp.float32(1))
        return step(state, (x, y, weight[0] * factors))

    return weighed_step


def _labels(y: Any) -> Any:
    """Return the class of each example, from an index or from a row with a single 1."""
    if y.ndim == 2 and y.shape[1] > 1:
        return jnp.argmax(y, axis=1)
    return y.reshape(-1).astype(jnp.int32)
