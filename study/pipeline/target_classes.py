"""Classes of targets: their number in a split, and classes that the training split lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.task import Task
from study.core.errors import Fault
from study.core.trees import named_leaves
from study.datasets import Split, pieces
from study.datasets.preparation.streams import Stream

# Number of classes that a message shows.
_SHOWN = 5
_ADVICE = (
    "Let load() shuffle the examples before it splits them, leave these out, or write "
    'validation={"share": 0.1, "by": "stratified"} for a share of each class.'
)


def unknown_class_faults(task: Task, train: Split | Stream, validation: Split | Stream) -> list[Fault]:
    """Return a fault for each output whose validation targets have classes that no training example has.

    This is for targets of one class index for each example. In sequences, such as texts, rare words are usual.

    Args:
        task: The task.
        train: The training split, checked.
        validation: The validation split, checked.
    """
    faults = []
    for place, _ in named_leaves(validation.first(1).y, "y"):
        if not task.takes_classes(place):
            continue
        known, found = (class_counts(split, place, as_indices=True) for split in (train, validation))
        if known is None or found is None or not (unknown := sorted(found.keys() - known.keys())):
            continue
        at, label = ("", unknown[0]) if isinstance(validation, Stream) else _first(validation, place, unknown)
        n, total = sum(found[each] for each in unknown), sum(found.values())
        allowed = f"a class that the training split has ({n} of {total} examples have none: {_in_words(unknown)})"
        faults.append(Fault(key=f"validation.{place}{at}", value=label, allowed=allowed, advice=_ADVICE))
    return faults


def class_counts(split: Split | Stream, place: str, *, as_indices: bool) -> Counter[int] | None:
    """Return the number of examples of each class; None if the targets are no classes, or a stream is not read.

    Args:
        split: The split.
        place: Place of the targets, such as `y` or `y.digit`.
        as_indices: Take class indices alone, and no rows with a single 1.
    """
    if isinstance(split, Stream):
        return Counter(split.counts[place]) if place in split.counts else None
    y = dict(named_leaves(split.y, "y")).get(place)
    counts: Counter[int] = Counter()
    for piece in pieces(y) if y is not None else ():
        if (classes := classes_of(piece, as_indices=as_indices)) is None:
            return None
        labels, n = np.unique(classes, return_counts=True)
        counts.update(dict(zip(labels.tolist(), n.tolist(), strict=True)))
    return None if y is None else counts


def classes_of(y: NDArray[Any], *, as_indices: bool) -> NDArray[np.int64] | None:
    """Return the class index of each example from class indices or rows with a single 1; None if they are neither.

    Args:
        y: Targets, shape (n,), (n, 1) or (n, n_classes).
        as_indices: Take class indices alone, and no rows with a single 1.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1:
        with np.errstate(invalid="ignore"):  # a number that is no class may not fit
            indices = y.astype(np.int64)
        return indices if (indices == y).all() and (indices >= 0).all() else None
    is_one_hot = not as_indices and y.ndim == 2 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if is_one_hot else None


def _in_words(labels: Sequence[int]) -> str:
    shown = ", ".join(map(str, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
    return f"class{'es' if len(labels) > 1 else ''} {shown}"


def _first(split: Split, place: str, labels: Sequence[int]) -> tuple[str, int]:
    """Return the first example of some classes: its place in the array, and its class."""
    seen = 0
    for piece in pieces(dict(named_leaves(split.y, "y"))[place]):
        flat = piece.reshape(-1)
        if (is_one := np.isin(flat, labels)).any():
            first = int(np.argmax(is_one))
            return f"[{seen + first}]", int(flat[first])
        seen += len(piece)
    return "", labels[0]
