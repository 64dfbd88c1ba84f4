"""How far a batch has come: the variables of its lanes, and what its epochs came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from study.training.checkpoints import Checkpoint

# Steps of an epoch; the running mean of the loss at each, shape (n_batches, n_trials); its metrics, each (n_trials,).
Epoch = tuple[int, NDArray[Any], dict[str, NDArray[Any]]]


def pack(state: Any, epochs: Sequence[Epoch]) -> Checkpoint:
    """Put variables and epochs into a checkpoint."""
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    names = sorted(epochs[0][2])
    for _, means, logs in epochs:
        arrays += [means, *(logs[name] for name in names)]
    return Checkpoint(arrays=arrays, told={"n_steps": [n_steps for n_steps, _, _ in epochs], "names": names})


def unpack(kept: Checkpoint, *, like: Any) -> tuple[Any, list[Epoch]]:
    """Take variables, arranged as others are, and epochs out of a checkpoint."""
    leaves, structure = jax.tree.flatten(like)
    state = jax.tree.unflatten(structure, kept.arrays[: len(leaves)])
    names, size = kept.told["names"], 1 + len(kept.told["names"])
    epochs = []
    for index, n_steps in enumerate(kept.told["n_steps"]):
        means, *values = kept.arrays[len(leaves) + index * size :][:size]
        epochs.append((n_steps, means, dict(zip(names, values, strict=True))))
    return state, epochs
