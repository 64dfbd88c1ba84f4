"""The start of every training: a fresh model, the examples for its first and last loss, the steps of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.config.instantiate import instantiate, takes
from study.config.schema import StudyConfig
from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split
from study.training.augmentation import augment_training
from study.training.initial_weights import built_with
from study.training.precision import use_precision

# Largest number of examples for the loss before and after training: the first ones in their stored order.
N_LOSS_EXAMPLES = 10_000


def fresh_model(
    config: StudyConfig, dataset: Dataset, *, precision: str, weights: Sequence[NDArray[np.generic]] | None = None
) -> Any:
    """Build a study's model, not compiled; a model without given weights begins its training steps with augmentation.

    Args:
        config: The study's config.
        dataset: The study's data set.
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.
        weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.

    Raises:
        ConfigError: The model cannot be made, or what its target returns is no model of Keras.
    """
    use_precision(precision)
    if weights is not None:
        return built_with(partial(_build, config, dataset), weights, example=dataset.train.first(1).x)
    model = _build(config, dataset)
    augment_training(config, model)  # after the model, whose initial weights are then those without augmentation
    return model


def _build(config: StudyConfig, dataset: Dataset) -> Any:
    section = config.model.section
    told = {"input_shape": dataset.input_shape, "n_outputs": dataset.n_outputs}
    built = instantiate(section, **{name: value for name, value in told.items() if takes(section["_target_"], name)})
    if not isinstance(built, keras.Model):
        allowed = f"a function that returns a keras.Model; {section['_target_']} returns {type(built).__name__}"
        advice = "Let it return the model, not compiled, such as keras.Sequential([...])."
        raise ConfigError([Fault(key="model", value=config.model.name, allowed=allowed, advice=advice)])
    return built


def steps_per_epoch(n_examples: int, *, batch_size: int) -> int:
    """Return the number of steps of one pass over the examples; the last batch may be smaller.

    Args:
        n_examples: Number of training examples.
        batch_size: Number of examples of a step.
    """
    return -(-n_examples // batch_size)


def examples_seen(n_steps: int, *, n_examples: int, batch_size: int) -> int:
    """Return the number of examples seen in a number of steps, repetitions counted.

    The last batch of a pass may be smaller.

    Args:
        n_steps: Number of steps taken.
        n_examples: Number of training examples.
        batch_size: Number of examples of a step.
    """
    passes, steps = divmod(n_steps, steps_per_epoch(n_examples, batch_size=batch_size))
    return passes * n_examples + steps * batch_size


def loss_sample(dataset: Dataset) -> Split:
    """Return the training examples for the loss before and after training.

    Args:
        dataset: The study's data set.
    """
    train = dataset.train
    return Split(x=train.x[:N_LOSS_EXAMPLES], y=train.y[:N_LOSS_EXAMPLES])
