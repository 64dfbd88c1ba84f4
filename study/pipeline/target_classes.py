"""Classes of targets: their number in a split, and classes that the training split lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from study.config.task import Task
from study.core.errors import Fault
from study.core.trees import leaves, named_leaves
from study.datasets import Split, pieces
from study.datasets.preparation.classes import classes_of
from study.datasets.preparation.streams import Stream

# Number of axes of windows of tokens, with the examples first.
_TOKEN_AXES = 2
# Number of classes that a message shows.
_SHOWN = 5
_ADVICE = (
    "Let load() shuffle the examples before it splits them, leave these out, or write "
    'validation={"share": 0.1, "by": "stratified"} for a share of each class.'
)


def unknown_class_faults(task: Task, train: Split | Stream, validation: Split | Stream) -> list[Fault]:
    """Return a fault for each output whose validation targets have classes that no training example has.

    This is for targets of one class index for each example. In texts, as inputs or targets, rare words are usual: they
    are no fault.

    Args:
        task: The task.
        train: The training split, checked.
        validation: The validation split, checked.
    """
    faults = []
    first = validation.first(1)
    has_tokens = any(array.dtype.kind in "iu" and array.ndim == _TOKEN_AXES for array in leaves(first.x))
    for place, _ in named_leaves(first.y, "y"):
        if has_tokens or not task.takes_classes(place):
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
