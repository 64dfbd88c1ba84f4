"""Documents of made-up words that follow Zipf's law, in which one rare word decides the class.

Source: made here. The law, by which the r-th most frequent word is r times rarer than the first, is that of G. K.
Zipf, "Human Behavior and the Principle of Least Effort", 1949; the claim that adaptive optimizers suit infrequent but
informative features is that of J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods", JMLR 12, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split, Whereabouts

_PLACE = "drawn by dataset.split_seed"


def load(
    *,
    n_train: int = 4000,
    n_validation: int = 1000,
    n_test: int = 2000,
    vocabulary: int = 1000,
    n_common: int = 50,
    length: int = 12,
    n_classes: int = 4,
    rare_at_most: int = 3,
    split_seed: int,
) -> Dataset:
    """Draw the documents.

    Words are numbered by rank from 0, the most frequent word, and drawn with probability proportional to 1 / (rank +
    1).
    A document has `length - 1` of the `n_common` most frequent words, which belong to no class, and at a random place
    one
    of the other words, each of which belongs to a class. For validation and test, this word is drawn evenly from the
    words
    that are *rare in training*: words that decide 1 to `rare_at_most` training documents. So accuracy on these splits
    is
    accuracy on rare words, while the training documents contain frequent ones as well.

    Args:
        n_train: Number of documents for training. Default 4000.
        n_validation: Number of documents for validation. Default 1000.
        n_test: Number of documents of the test split. Default 2000.
        vocabulary: Number of different words. Default 1000.
        n_common: Number of the most frequent words, which belong to no class. Default 50.
        length: Number of words of a document. Default 12.
        n_classes: Number of classes; their numbers of deciding words differ by at most one. Default 4.
        rare_at_most: Largest number of training documents that a rare word decides. Default 3.
        split_seed: Seed of all draws.

    Returns:
        A data set with x of shape (n, length), int32 word numbers from 0 to `vocabulary` - 1, and y of shape (n,),
        int32 classes.

    Raises:
        ConfigError: An argument is too small, or leaves no deciding or no rare word.
    """
    sizes = {"n_train": n_train, "n_validation": n_validation, "n_test": n_test, "n_common": n_common}
    sizes |= {"length": length, "n_classes": n_classes, "rare_at_most": rare_at_most, "vocabulary": vocabulary}
    _check({**{f"dataset.{name}": value for name, value in sizes.items()}, "split_seed": split_seed})
    rng = np.random.default_rng(split_seed)
    deciding = np.arange(n_common, vocabulary)
    classes = np.zeros(vocabulary, np.int32)
    classes[deciding] = rng.permutation(deciding % n_classes)

    def split(words: NDArray[Any]) -> Split:
        common = rng.choice(n_common, (len(words), length), p=zipf(0, n_common))
        common[np.arange(len(words)), rng.integers(length, size=len(words))] = words
        return Split(x=common.astype(np.int32), y=classes[words])

    trained = rng.choice(deciding, n_train, p=zipf(n_common, vocabulary))
    rare = _rare_words(trained, vocabulary, rare_at_most=rare_at_most)
    return Dataset(
        name="zipf_words",
        source=_PLACE,
        train=split(trained),
        validation=split(rng.choice(rare, n_validation)),
        test=split(rng.choice(rare, n_test)),
        n_outputs=n_classes,
    )


def _rare_words(trained: NDArray[Any], vocabulary: int, *, rare_at_most: int) -> NDArray[Any]:
    """Return the deciding words of at least one and at most `rare_at_most` training documents."""
    seen = np.bincount(trained, minlength=vocabulary)
    rare = np.flatnonzero((seen >= 1) & (seen <= rare_at_most))
    if not len(rare):
        advice = "Raise dataset.rare_at_most or dataset.vocabulary, or lower dataset.n_train."
        allowed = (
            f"at least the number of training documents of some deciding word: the rarest has {seen[seen > 0].min()}"
        )
        raise ConfigError([Fault(key="dataset.rare_at_most", value=rare_at_most, allowed=allowed, advice=advice)])
    return rare


def zipf(first: int, last: int) -> NDArray[np.float64]:
    """Return the probabilities of some words, proportional to 1 / (rank + 1), shape (last - first,).

    Args:
        first: Rank of the first word, from 0.
        last: Rank after the last word.
    """
    weights = 1.0 / np.arange(first + 1, last + 1)
    return np.asarray(weights / weights.sum())


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place=_PLACE)


def _check(arguments: dict[str, Any]) -> None:
    least = {"dataset.n_classes": 2, "split_seed": 0}
    faults = [
        Fault(
            key=key,
            value=value,
            allowed=f"a whole number of at least {least.get(key, 1)}",
            advice=f"Set {key} to {least.get(key, 1)} or more.",
        )
        for key, value in arguments.items()
        if type(value) is not int or value < least.get(key, 1)
    ]
    vocabulary, n_common, n_classes = (arguments[f"dataset.{key}"] for key in ("vocabulary", "n_common", "n_classes"))
    if not faults and vocabulary < n_common + n_classes:
        allowed = (
            f"at least {n_common + n_classes}: dataset.n_common={n_common} words belong to no class, and each of "
            f"dataset.n_classes={n_classes} classes needs one word"
        )
        advice = "Raise it, or lower dataset.n_common or dataset.n_classes."
        faults = [Fault(key="dataset.vocabulary", value=vocabulary, allowed=allowed, advice=advice)]
    if faults:
        raise ConfigError(faults)
