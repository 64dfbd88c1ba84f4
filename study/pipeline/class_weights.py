"""Class weights: weights of the training examples by their class, as sample weights of the training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from study.config.task import BALANCED, Task
from study.core.errors import Fault
from study.core.trees import Tree, flattened, mapped, named_leaves
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import Stream

_KEY = "dataset.task.class_weight"


def with_class_weights(task: Task, dataset: Dataset) -> Dataset:
    """Return a data set whose training examples have the weights of their classes, times their own.

    `balanced` gives each class the same sum of weights: n / (n_classes * count), with the classes that the training
    split has. A class that a mapping leaves out has the weight 1, as in Keras.

    Args:
        task: The task, with its class weights.
        dataset: The study's data set, checked.
    """
    if task.class_weight is None:
        return dataset
    tables = {place: _table(weights, dataset.train, place) for place, weights in _by_place(task).items()}
    if isinstance(dataset.train, Stream):
        return replace(dataset, train=cast(Split, dataset.train.weighted(partial(_factors, tables))))
    train = dataset.train
    factors = _factors(tables, mapped(np.asarray, train.y))
    weight = factors if train.sample_weight is None else _product(train.sample_weight, factors)
    return replace(dataset, train=replace(train, sample_weight=weight))


def class_weight_faults(task: Task, dataset: Dataset) -> list[Fault]:
    """Return the faults of class weights: classes that are unknown, and targets that are no classes.

    Args:
        task: The task, with its class weights.
        dataset: The study's data set, checked.
    """
    faults = []
    for place, weights in _by_place(task).items():
        key = _KEY + place.removeprefix("y")
        found = _counts(dataset.train, place)
        if found is None:
            allowed = "none, since the targets are no class indices and no rows with a single 1"
            faults.append(Fault(key=key, value=str(weights), allowed=allowed, advice="Give sample weights in load()."))
            continue
        known = range(dict(named_leaves(dataset.n_outputs, "y")).get(place, max(found) + 1))
        for name in weights if isinstance(weights, Mapping) else ():
            if int(name) not in known:
                allowed = f"classes from 0 to {len(known) - 1}"
                advice = "Correct the class index."
                faults.append(Fault(key=f"{key}.{name}", value=weights[name], allowed=allowed, advice=advice))
    return faults


def _by_place(task: Task) -> dict[str, Any]:
    """Return the class weights by the place of the targets, such as `y` or `y.digit`."""
    given = task.class_weight
    if given is None:
        return {}
    if "" in task.losses:
        return {"y": given}
    return {f"y.{output}": weights for output, weights in given.items()} if isinstance(given, Mapping) else {}


def _counts(train: Split | Stream, place: str) -> Counter[int] | None:
    """Return the number of training examples of each class; None if the targets are no classes."""
    if isinstance(train, Stream) and place in train.counts:
        return Counter(train.counts[place])
    y = dict(named_leaves(train.first(1).y if isinstance(train, Stream) else train.y, "y")).get(place)
    if y is None or isinstance(train, Stream):
        return None
    classes = _classes(np.asarray(y))
    return (
        None
        if classes is None
        else Counter(dict(zip(*map(np.ndarray.tolist, np.unique(classes, return_counts=True)), strict=True)))
    )


def _classes(y: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the class index of each example; None if the targets are no classes."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1:
        return y.astype(np.int64) if (y == np.floor(y)).all() and (y >= 0).all() else None
    is_one_hot = y.ndim == 2 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if is_one_hot else None


def _table(weights: Any, train: Split | Stream, place: str) -> NDArray[np.float32]:
    """Return the weight of each class index, shape (n_classes,)."""
    counts = _counts(train, place) or Counter()
    n = sum(counts.values())
    by_class = (
        {label: n / (len(counts) * count) for label, count in counts.items()}
        if weights == BALANCED
        else {int(label): float(weight) for label, weight in weights.items()}
    )
    table = np.ones(max([*counts, *by_class], default=0) + 1, np.float32)
    for label, weight in by_class.items():
        table[label] = weight
    return table


def _factors(tables: Mapping[str, NDArray[np.float32]], y: Tree) -> Tree:
    """Return the factor of each example, shape (n,); for several outputs, a tree of them."""
    arrays, rebuild = flattened(y)
    places = [place for place, _ in named_leaves(y, "y")]
    return rebuild(
        [
            tables[place][_classes(np.asarray(array))] if place in tables else np.ones(len(array), np.float32)
            for place, array in zip(places, arrays, strict=True)
        ]
    )


def _product(weight: Tree, factors: Tree) -> Tree:
    """Return sample weights times factors; one weight for all outputs is taken for each."""
    if hasattr(weight, "shape"):
        return mapped(lambda factor: (np.asarray(weight) * factor).astype(np.float32), factors)
    return mapped(lambda own, factor: (np.asarray(own) * factor).astype(np.float32), weight, factors)
