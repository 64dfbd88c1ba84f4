"""Cautions about data on which a study runs, but whose scores may not say what they seem to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.trees import leaves, named_leaves
from study.datasets import Dataset, Split, example_bytes
from study.datasets.preparation.streams import Stream

# Examples of a split that another one may have too, or whose class the training split may lack: rare ones are usual.
_FEW = 0.05
# Size of a split that is not read once more, and of the examples that are read together, in bytes.
_LARGE, _AT_ONCE = 1 << 30, 1 << 25
# Fewer distinct training examples than this are a landscape or a formula, no sample.
_A_SAMPLE = 10
# Repetitions between splits, beyond this multiple of those within a split, are no luck.
_LUCK = 1.5


def data_cautions(config: StudyConfig, dataset: Dataset) -> Iterator[str]:
    """Yield cautions about examples in two splits, classes that training lacks, and an objective of training.

    Args:
        config: The study's config.
        dataset: The study's data set.
    """
    metric = config.objective.metric
    if not metric.startswith("val_"):
        yield (
            f"objective.metric={metric} is measured on the training split: the column validation shows it, and trials "
            f"that fit these examples best win. To select by new examples: objective.metric=val_{metric}."
        )
    if any(
        isinstance(split, Stream) or len(split) * example_bytes(split) > _LARGE for split in dataset.splits.values()
    ):
        return  # they would have to be read once more
    yield from _shared_examples(config, dataset)
    for place, y in named_leaves(dataset.train.y, "y"):
        if config.task.takes_classes(place) and isinstance(y, np.ndarray):
            yield from _unknown_classes(config, dataset, place)


def _shared_examples(config: StudyConfig, dataset: Dataset) -> Iterator[str]:
    """Find examples, inputs and targets, that are in two splits; a split with many repetitions may share some."""
    splits = {name: _digests(split) for name, split in dataset.splits.items()}
    if len(set(splits["train"])) < _A_SAMPLE:
        return
    for name, earlier in (("validation", ("train",)), ("test", ("train", "validation"))):
        for other in earlier:
            counts = Counter(splits[other])
            n = sum(digest in counts for digest in splits[name])
            # A table of few categories repeats its rows: about as many of the other split's own have a twin in it.
            twins = sum(count for count in counts.values() if count > 1) / max(1, len(splits[other]))
            if n > (_FEW + _LUCK * twins) * len(splits[name]):
                yield (
                    f"dataset={config.dataset.name}: {n} of the {len(splits[name])} examples of {name} are in {other} "
                    "too, so its scores say less of new examples. Put each example into one split."
                )


def _digests(split: Split) -> list[int]:
    """Return a hash of each example, of 64 bits."""
    found = []
    n = max(1, _AT_ONCE // example_bytes(split))
    for start in range(0, len(split), n):
        arrays = leaves(split.take(slice(start, start + n)).parts[:2])
        found += [hash(tuple(part.tobytes() for part in example)) for example in zip(*arrays, strict=True)]
    return found


def _unknown_classes(config: StudyConfig, dataset: Dataset, place: str) -> Iterator[str]:
    """Find classes that training lacks, as in sorted data, and training examples of one class alone.

    For one class of each example, the check of the data refuses such a validation split.
    """
    targets = {name: np.asarray(dict(named_leaves(split.y, "y"))[place]) for name, split in dataset.splits.items()}
    of = "" if place == "y" else f" in {place}"
    known = np.unique(targets.pop("train"))
    if len(known) == 1:
        yield (
            f"dataset={config.dataset.name}: all training examples are of the class {known[0]:g}{of}, so that there "
            "is nothing to learn. Shuffle the examples before they are split."
        )
        return
    for name, y in targets.items():
        is_unknown = ~np.isin(y, known)
        if len(y) and is_unknown.mean() > _FEW:
            yield (
                f"dataset={config.dataset.name}: {_classes(y[is_unknown])} of {name}{of} ({is_unknown.sum()} of its "
                f"{len(y)} examples) are not in train, so no model can learn them. Shuffle the examples before "
                "they are split."
            )


def _classes(labels: NDArray[np.generic]) -> str:
    classes = [f"{label:g}" for label in np.unique(labels)]
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"the classes {shown}" if len(classes) > 1 else f"the examples of class {shown}"
