"""Save a batch as a snapshot, and restore it: the variables of its lanes and the results of its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from study.training.checkpoint_files import Snapshot

# Number of steps of an epoch; running mean of the loss at each step, shape (n_batches, n_trials); metrics of the
# epoch, each of shape (n_trials,).
Epoch = tuple[int, NDArray[Any], dict[str, NDArray[Any]]]


def pack(state: Any, epochs: Sequence[Epoch]) -> Snapshot:
    """Put variables and epochs into a snapshot.

    Args:
        state: The variables of the lanes, a pytree of arrays.
        epochs: The results of the epochs so far, at least one.
    """
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    names = sorted(epochs[0][2])
    for _, means, logs in epochs:
        arrays += [means, *(logs[name] for name in names)]
    return Snapshot(arrays=arrays, notes={"n_steps": [n_steps for n_steps, _, _ in epochs], "names": names})


def unpack(kept: Snapshot, *, like: Any) -> tuple[Any, list[Epoch]]:
    """Return the variables and the epochs of a snapshot.

    Args:
        kept: The snapshot.
        like: Variables of the same structure as the saved ones, a pytree.
    """
    leaves, structure = jax.tree.flatten(like)
    state = jax.tree.unflatten(structure, kept.arrays[: len(leaves)])
    names, size = kept.notes["names"], 1 + len(kept.notes["names"])
    epochs = []
    for index, n_steps in enumerate(kept.notes["n_steps"]):
        means, *values = kept.arrays[len(leaves) + index * size :][:size]
        epochs.append((n_steps, means, dict(zip(names, values, strict=True))))
    return state, epochs
