"""A random division of labelled examples that gives both parts each class in its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def stratified_split(labels: NDArray[np.integer], *, n_second: int, seed: int) -> tuple[Indices, Indices]:
    """Return the indices of both parts, each in random order.

    They are those of scikit-learn's `train_test_split(..., stratify=labels)`, which takes half a second to import.

    Args:
        labels: The class of each example, shape (n,).
        n_second: Number of examples of the second part.
        seed: Seed of the draw.

    Returns:
        Indices of the first part, shape (n - n_second,), and of the second, shape (n_second,).
    """
    _, of_class, counts = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(of_class, kind="stable"), np.cumsum(counts)[:-1])
    draw = np.random.RandomState(seed)  # scikit-learn draws from it
    n_first = _shares(counts, len(labels) - n_second, draw)
    _shares(counts - n_first, n_second, draw)  # these shares are the rest; ties take draws all the same
    parts: tuple[list[Indices], list[Indices]] = ([], [])
    for indices, n in zip(members, n_first, strict=True):
        drawn = indices[draw.permutation(len(indices))]
        parts[0].append(drawn[:n])
        parts[1].append(drawn[n:])
    first, second = (draw.permutation(np.concatenate(part)) for part in parts)
    return first, second


def _shares(counts: NDArray[np.integer], n: int, draw: np.random.RandomState) -> NDArray[np.intp]:
    """Divide n among classes by their counts: round down, then add one where most was cut, ties in random order."""
    exact = counts / counts.sum() * n
    shares = np.floor(exact)
    lacking = int(n - shares.sum())
    cut = exact - shares
    for size in np.unique(cut)[::-1]:
        if lacking <= 0:
            break
        tied = np.flatnonzero(cut == size)
        raised = draw.choice(tied, size=min(len(tied), lacking), replace=False)
        shares[raised] += 1
        lacking -= len(raised)
    return np.asarray(shares, np.intp)
