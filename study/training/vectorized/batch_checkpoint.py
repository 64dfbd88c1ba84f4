"""Save a batch as a snapshot, and restore it: the variables of its lanes and the results of its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from study.training.checkpoint_files import Snapshot, check_arrays

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


def unpack(kept: Snapshot, *, like: Any, n_lanes: int, n_epochs: int) -> tuple[Any, list[Epoch]]:
    """Return the variables and the epochs of a snapshot.

    Args:
        kept: The snapshot.
        like: Variables of the same structure as the saved ones, a pytree whose arrays begin with an axis of lanes.
        n_lanes: Number of saved lanes.
        n_epochs: Number of epochs of the whole training.

    Raises:
        ValueError: The snapshot has other shapes or types, or is not from the middle of such a training.
    """
    leaves, structure = jax.tree.flatten(like)
    names, size = kept.notes["names"], 1 + len(kept.notes["names"])
    if not 0 < len(kept.notes["n_steps"]) < n_epochs:
        raise ValueError("its epochs are not those of this training")
    wanted = [np.broadcast_to(np.zeros((), leaf.dtype), (n_lanes, *leaf.shape[1:])) for leaf in leaves]
    check_arrays(kept.arrays[: len(leaves)], wanted)
    state = jax.tree.unflatten(structure, kept.arrays[: len(leaves)])
    epochs = []
    for index, n_steps in enumerate(kept.notes["n_steps"]):
        means, *values = kept.arrays[len(leaves) + index * size :][:size]
        if means.ndim != 2 or len(means) < n_steps or {means.shape[1:], *(v.shape for v in values)} != {(n_lanes,)}:
            raise ValueError("its epochs have other shapes")
        epochs.append((n_steps, means, dict(zip(names, values, strict=True))))
    return state, epochs
