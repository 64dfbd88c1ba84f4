"""Class weights: weights of the training examples by their class, as sample weights of the training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from study.config.task import BALANCED, CLASS_WEIGHT, Task
from study.core.errors import DataError, Fault
from study.core.trees import Tree, mapped, mapped_by_place, named_leaves
from study.datasets import Dataset, Split, pieces
from study.datasets.preparation.classes import classes_of
from study.datasets.preparation.streams import Stream, times
from study.pipeline.target_classes import class_counts

_OWN = "Give sample weights in load()."
# Number of examples of a stream at which the form of its targets is looked at.
_FIRST = 100


def with_class_weights(task: Task, dataset: Dataset) -> Dataset:
    """Return a data set whose training examples have the weights of their classes, times their own.

    `balanced` gives each class the same sum of weights: n / (n_classes * count), with the classes that the training
    split has. A class that a mapping leaves out has the weight 1, as in Keras.

    Args:
        task: The task, with its class weights.
        dataset: The study's data set, checked, without a fault of its class weights.
    """
    if task.class_weight is None:
        return dataset
    train = dataset.train
    weighed = {place: _Weighed(task, train, place, weights) for place, weights in _by_place(task, train).items()}
    if isinstance(train, Stream):
        return replace(dataset, train=cast(Split, train.weighted(partial(_factors, weighed))))
    factors = _factors(weighed, mapped(_whole, train.y))
    weight = factors if train.sample_weight is None else times(mapped(_whole, train.sample_weight), factors)
    return replace(dataset, train=replace(train, sample_weight=weight))


def class_weight_faults(task: Task, dataset: Dataset) -> list[Fault]:
    """Return the faults of class weights: classes that are unknown, and targets that are no classes.

    Args:
        task: The task, with its class weights.
        dataset: The study's data set, checked.
    """
    faults, train = [], dataset.train
    for place, weights in _by_place(task, train).items():
        output = task.output_at(place)
        key = f"{CLASS_WEIGHT}.{output}" if output else CLASS_WEIGHT
        counts = class_counts(train, place, as_indices=task.takes_classes(place))
        y = dict(named_leaves(train.first(_FIRST).y, "y")).get(place)
        if y is None:
            advice = "Correct the name, or the targets."
            faults.append(Fault(key=key, value=str(weights), allowed="targets of this output", advice=advice))
        elif counts is None and (not isinstance(train, Stream) or _classes(task, place, y) is None):
            allowed = "none, since the targets are no class indices and no rows with a single 1"
            faults.append(Fault(key=key, value=str(weights), allowed=allowed, advice=_OWN))
        elif weights == BALANCED:
            if counts is None:
                allowed = "weights by class index, since the classes of this stream were not counted"
                faults.append(Fault(key=key, value=weights, allowed=allowed, advice=_OWN))
        else:
            faults += _table_faults(key, weights, counts, n_classes=_n_classes(task, dataset, place, y, counts))
    return faults


def _table_faults(
    key: str, weights: Mapping[Any, float], counts: Mapping[int, int] | None, *, n_classes: int | None
) -> list[Fault]:
    """Return the faults of weights by class index."""
    faults = []
    for name, weight in weights.items():
        if n_classes is not None and int(name) >= n_classes:
            allowed = f"classes from 0 to {n_classes - 1}"
            faults.append(Fault(key=f"{key}.{name}", value=weight, allowed=allowed, advice="Correct the class index."))
    table = {int(name): weight for name, weight in weights.items()}
    if not faults and counts is not None and not any(table.get(label, 1) for label in counts):
        allowed = "a weight above 0 for a class of the training split"
        faults.append(Fault(key=key, value=str(weights), allowed=allowed, advice="Otherwise nothing is learned."))
    return faults


def _n_classes(
    task: Task, dataset: Dataset, place: str, y: NDArray[Any], counts: Mapping[int, int] | None
) -> int | None:
    """Return the number of classes: the width of the output, or at least two for one number an example.

    None: it is not known, since a stream's classes were not counted.
    """
    if task.takes_classes(place) or (y.ndim == 2 and y.shape[1] > 1):
        widths: dict[str, int] = dict(named_leaves(dataset.n_outputs, "y"))
        return widths[place]
    return None if counts is None else max([1, *counts]) + 1


def _by_place(task: Task, train: Split | Stream) -> dict[str, Any]:
    """Return the class weights by the place of the targets, such as `y` or `y.digit`."""
    given = task.class_weight
    if given is None or "" in task.losses or not isinstance(given, Mapping):
        return {} if given is None else {"y": given}
    places = {task.output_at(place): place for place, _ in named_leaves(train.first(1).y, "y")}
    return {places.get(str(output), f"y.{output}"): weights for output, weights in given.items()}


def _classes(task: Task, place: str, y: NDArray[Any]) -> NDArray[np.int64] | None:
    return classes_of(y, as_indices=task.takes_classes(place))


class _Weighed:
    """The weights of the classes of an output.

    Args:
        task: The task.
        train: The training split.
        place: Place of the output's targets.
        weights: `balanced`, or a weight for each class index.
    """

    def __init__(self, task: Task, train: Split | Stream, place: str, weights: Any) -> None:
        self._task, self._place = task, place
        if weights == BALANCED:
            counts = class_counts(train, place, as_indices=task.takes_classes(place)) or Counter()
            n = sum(counts.values())
            by_class = {label: n / (len(counts) * count) for label, count in counts.items()}
        else:
            by_class = {int(label): float(weight) for label, weight in weights.items()}
        self._table = np.ones(max(by_class, default=0) + 1, np.float32)
        self._table[list(by_class)] = list(by_class.values())

    def __call__(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Return the weight of each example, shape (n,); 1 for a class that has none.

        Args:
            y: The targets.

        Raises:
            DataError: The targets are no classes.
        """
        classes = _classes(self._task, self._place, y)
        if classes is None:
            raise DataError(
                f"train.{self._place}: the targets of a batch are no class indices and no rows with a single 1, and "
                f"{CLASS_WEIGHT} needs them. Let the stream give them, or remove {CLASS_WEIGHT}."
            )
        n = len(self._table)
        return np.where(classes < n, self._table[np.minimum(classes, n - 1)], np.float32(1))


def _whole(array: Any) -> NDArray[Any]:
    """Return an array in memory."""
    return np.asarray(array) if isinstance(array, np.ndarray) else np.concatenate(list(pieces(array)))


def _factors(weighed: Mapping[str, Callable[[NDArray[Any]], NDArray[np.float32]]], y: Tree) -> Tree:
    """Return the factor of each example, shape (n,); for several outputs, a tree of them."""
    return mapped_by_place(
        lambda place, array: weighed[place](array) if place in weighed else np.ones(len(array), np.float32), y, "y"
    )
