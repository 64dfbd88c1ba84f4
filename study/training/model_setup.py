"""What every trainer begins with: a fresh model, and the examples on which the loss is taken beside a training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.instantiate import instantiate
from study.config.schema import StudyConfig
from study.datasets import Dataset, Split
from study.training.initial_weights import built_with
from study.training.precision import use_precision

# Before and after training the loss is taken on so many examples, the first ones as they are stored.
N_LOSS_EXAMPLES = 10_000


def fresh_model(
    config: StudyConfig, dataset: Dataset, *, precision: str, weights: Sequence[NDArray[np.generic]] | None = None
) -> Any:
    """Build a study's model, not compiled, with given weights if there are any.

    Raises:
        ConfigError: The model cannot be made.
    """
    use_precision(precision)
    shape, n_outputs = dataset.input_shape, dataset.n_outputs
    build = partial(instantiate, config.model.section, input_shape=shape, n_outputs=n_outputs)
    return build() if weights is None else built_with(build, weights)


def examples_seen(n_steps: int, *, n_examples: int, batch_size: int) -> int:
    """Return how many examples steps have trained on, where a pass ends in a batch of what is left of them."""
    passes, steps = divmod(n_steps, -(-n_examples // batch_size))
    return passes * n_examples + steps * batch_size


def loss_sample(dataset: Dataset) -> Split:
    """Return the training examples on which the loss is taken."""
    train = dataset.train
    return Split(x=train.x[:N_LOSS_EXAMPLES], y=train.y[:N_LOSS_EXAMPLES])
