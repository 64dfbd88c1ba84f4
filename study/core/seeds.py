"""Every random choice of a study as a pure function of its seeds.

The numbers depend on nothing else, so a resumed study draws the same numbers as an undisturbed one. Two optimizers
with the same `study_seed` are paired: trial k and confirmation r have the same seeds for both.

| choice | depends on |
|---|---|
| points of the search | study_seed, trial |
| initialisation and dropout | study_seed, trial or confirmation |
| batch order of a confirmation | study_seed, order_seed, confirmation |
| batch order of the search | order_seed: one order for all its trials, under every study_seed |
| split of the data | split_seed |

So several study seeds vary all random choices of a confirmation except the split (Bouthillier et al. 2021, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Version of these rules. A study that began under another version is not continued.
VERSION = 1

# One stream for each purpose, so that a confirmation never has the run seed of a trial.
_TRIAL, _CONFIRMATION, _CONFIRMATION_ORDER, _SAMPLER, _DROPOUT, _STREAM = range(6)


def trial_run_seed(study_seed: int, trial_number: int) -> int:
    """Return the seed of initialization and dropout for a trial, shared by all optimizers.

    Args:
        study_seed: Seed of the study.
        trial_number: The trial's index in the study, from 0.
    """
    return _draw(study_seed, _TRIAL, trial_number)


def confirmation_run_seed(study_seed: int, repetition: int) -> int:
    """Return the seed of initialization and dropout for a confirmation, shared by all optimizers.

    Args:
        study_seed: Seed of the study.
        repetition: The confirmation's repetition, from 0.
    """
    return _draw(study_seed, _CONFIRMATION, repetition)


def confirmation_order_seed(study_seed: int, order_seed: int, repetition: int) -> int:
    """Return the seed of the batch order for a confirmation, the same for all optimizers of a `study_seed`.

    Args:
        study_seed: Seed of the study.
        order_seed: Seed of the batch order in the search.
        repetition: The confirmation's repetition, from 0.
    """
    # The stream is second, as in the other draws. NumPy pads with zeros, so two streams never have the same numbers.
    return _draw(study_seed, _CONFIRMATION_ORDER, repetition, order_seed)


def sampler_seed(study_seed: int, trial_number: int) -> int:
    """Return the sampler's seed for the proposal of one trial.

    Args:
        study_seed: Seed of the study.
        trial_number: The trial's index in the study, from 0.
    """
    return _draw(study_seed, _SAMPLER, trial_number)


def epoch_order(order_seed: int, epoch: int, n_examples: int, *, shuffle: bool = True) -> NDArray[np.int32]:
    """Return the order in which an epoch visits the training examples, shape (n_examples,).

    The order depends on the epoch's index alone, so training can resume at any epoch.

    Args:
        order_seed: Seed of the batch order.
        epoch: Index of the epoch, from 0.
        n_examples: Number of training examples.
        shuffle: Draw an order for the epoch, instead of the order of the data. Default True.
    """
    if not shuffle:
        return np.arange(n_examples, dtype=np.int32)
    return np.random.default_rng([order_seed, epoch]).permutation(n_examples).astype(np.int32)


def stream_seed(order_seed: int, epoch: int) -> int:
    """Return the seed that a function gets that makes the batches of an epoch.

    Args:
        order_seed: Seed of the batch order.
        epoch: Index of the epoch, from 0.
    """
    return _draw(order_seed, _STREAM, epoch)


def epoch_dropout(run_seed: int, epoch: int) -> np.random.Generator:
    """Return the random generator for the dropout masks of one epoch of a training in NumPy.

    Args:
        run_seed: Seed of initialization and dropout.
        epoch: Index of the epoch, from 0.
    """
    return np.random.default_rng([run_seed, _DROPOUT, epoch])


def _draw(seed: int, stream: int, index: int, *more: int) -> int:
    """Return 31 random bits, which every library accepts as a seed."""
    return int(np.random.SeedSequence([seed, stream, index, *more]).generate_state(1)[0] >> 1)
