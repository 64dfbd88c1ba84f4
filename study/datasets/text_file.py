"""A text of your own: the next byte or word from those before it.

The text is cut into windows, each with the token that follows it. By default the splits are stretches of the text:
training, then validation, then test. The vocabulary is that of the training split.

Source: the file that `dataset.path` names.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import Fault
from study.datasets import Dataset, Split, Whereabouts
from study.datasets._argument_checks import choice_fault, existing_path, integer_fault, refuse
from study.datasets._held_out import MOST_IN_MEMORY, Indices, Rule, assemble, hold_out_missing
from study.datasets._images import data_error

TOKENS = ("bytes", "words")
# Orders in which examples of a text can be held out.
_ORDERS = ("first", "last", "random")
_EXPECTED = "a text file"
# A word, or a mark between words.
_WORD = re.compile(r"\w+|[^\w\s]")
# Number of every token that is not in the vocabulary.
UNKNOWN = 0


def load(
    *,
    path: str | None = None,
    tokens: str = "bytes",
    window: int = 32,
    stride: int | None = None,
    vocabulary: int = 1000,
    validation: float | int | str | Mapping[str, Any] = 0.1,
    test: float | int | str | Mapping[str, Any] | None = 0.1,
    split_seed: int,
) -> Dataset:
    """Load a text file.

    Args:
        path: The file; in UTF-8 if it is read as words.
        tokens: `bytes`, or `words`: runs of letters and digits, and each other character but spaces. Default `bytes`.
        window: Number of tokens in the input of a prediction. Default 32.
        stride: Number of tokens from the start of one window to that of the next. Default None: `window` + 1, with
            which no token is in two examples.
        vocabulary: Largest number of different tokens. Number 0 stands for all unknown ones; the others are the most
            frequent tokens of the training split, in this order. Default 1000, which bytes never need.
        validation: Share of the examples, taken at the end of those that the test split leaves; a number of first
            examples; or a mapping such as `{share: 0.1, by: random}`, `by` one of `first`, `last` and `random`.
            Default 0.1.
        test: The same for the test split, which is taken first; `none`: no test split. Default 0.1.
        split_seed: Seed of a validation split that is drawn, at least 0.

    Examples of training that share a token with one of validation or test are left out, and so are those of validation
    that share one with test.

    Returns:
        A data set with x of shape (n, window) and y of shape (n,), int32 token numbers. Its `n_outputs` is the number
        of different ones.

    Raises:
        ConfigError: An argument is invalid.
        DataError: The file is not there, is no text, or is too short.
    """
    refuse(
        choice_fault("dataset.tokens", tokens, TOKENS),
        integer_fault("dataset.window", window, minimum=1),
        None if stride is None else integer_fault("dataset.stride", stride, minimum=1),
        integer_fault("dataset.vocabulary", vocabulary, minimum=2),
        integer_fault("split_seed", split_seed, minimum=0),
        _order_fault("dataset.validation", validation),
        _order_fault("dataset.test", test),
    )
    file = existing_path(path, expected=_EXPECTED)
    step = window + 1 if stride is None else stride
    codes = _read(file, tokens)
    starts = np.arange(0, len(codes) - window, step)
    if len(starts) < 3:
        found, expected = f"{len(codes)} {tokens}", f"at least {2 * step + window + 1}, for an example of each split"
        raise data_error(file, found=found, expected=expected, advice="Lower dataset.window, or give a longer text.")
    rules = {"validation": _at_the_end(validation), "test": _at_the_end(test)}
    rows, remarks = hold_out_missing(len(starts), present=(), seed=split_seed, labels=None, **rules)
    kept = _without_shared_tokens({split: starts[chosen] for split, chosen in rows.items()}, len(codes), window=window)
    _refuse_empty(kept, file)
    numbered, n_outputs = _numbered(codes, kept["train"], window=window, vocabulary=vocabulary)
    splits = {split: _split(numbered, left, window=window) for split, left in kept.items()}
    return assemble(splits, source=str(file), n_outputs=n_outputs, remarks=remarks)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="a text file of your own: dataset.path=FILE")


class Windows:
    """Windows of a text, cut when they are read; a `study.datasets.LazyArray`.

    Args:
        tokens: The text as token numbers, shape (n_tokens,).
        starts: Place of the first token of each window, shape (n,).
        window: Number of tokens of a window.
    """

    def __init__(self, tokens: NDArray[Any], starts: Indices, *, window: int) -> None:
        self._tokens, self._starts = tokens, starts
        self._offsets = np.arange(window)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the number of windows first."""
        return (len(self._starts), len(self._offsets))

    @property
    def dtype(self) -> np.dtype[np.int32]:
        """Type of the values."""
        return np.dtype(np.int32)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, chosen: slice | NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        places = self._starts[chosen][:, np.newaxis] + self._offsets
        windows: NDArray[np.int32] = self._tokens[places].astype(np.int32, copy=False)
        return windows

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digits of a digest of all values, without cutting them."""
        sha = hashlib.sha256(repr(self.shape).encode())
        for part in (self._tokens, self._starts):
            sha.update(np.ascontiguousarray(part).data)
        return sha.hexdigest()


def _read(file: Path, tokens: str) -> NDArray[np.integer[Any]]:
    """Return a number for each token of a text, in the order of the tokens' bytes or letters."""
    content = file.read_bytes()
    if tokens == "bytes":
        return np.frombuffer(content, np.uint8)
    try:
        words = _WORD.findall(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        advice = "Convert the file to UTF-8, or set dataset.tokens=bytes."
        found = f"bytes that are no text in UTF-8, at position {error.start}"
        raise data_error(file, found=found, expected=_EXPECTED, advice=advice) from error
    numbers = {word: number for number, word in enumerate(sorted(set(words)))}
    return np.fromiter(map(numbers.__getitem__, words), np.int32, len(words))


def _at_the_end(rule: Rule) -> Rule:
    """Return a rule that takes the last examples unless it says otherwise."""
    if isinstance(rule, float):
        return {"share": rule, "by": "last"}
    return {"by": "last", **rule} if isinstance(rule, Mapping) else rule


def _without_shared_tokens(starts: Mapping[str, Indices], n_tokens: int, *, window: int) -> dict[str, Indices]:
    """Return the examples of each split that share no token with one of another; test keeps all, training yields."""
    taken = np.zeros(n_tokens, np.bool_)
    kept = {}
    for split in ("test", "validation", "train"):
        if split in starts:
            n_before = np.concatenate([[0], np.cumsum(taken)])
            is_free = n_before[starts[split] + window + 1] == n_before[starts[split]]
            kept[split] = starts[split][is_free]
            taken |= _covered(kept[split], n_tokens, window=window)
    return kept


def _refuse_empty(starts: Mapping[str, Indices], file: Path) -> None:
    empty = [split for split, left in starts.items() if not len(left)]
    if empty:
        found = f"no example for {' and '.join(empty)}"
        expected = "at least one that shares no token with another split"
        advice = "Hold out whole stretches (by: last), or raise dataset.stride above dataset.window."
        raise data_error(file, found=found, expected=expected, advice=advice)


def _covered(starts: Indices, n_tokens: int, *, window: int) -> NDArray[np.bool_]:
    """Return a mask of the tokens of examples, each a window and the token after it, shape (n_tokens,)."""
    change = np.zeros(n_tokens + 1, np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + window + 1, -1)
    return np.cumsum(change[:-1]) > 0


def _numbered(
    codes: NDArray[np.integer[Any]], train: Indices, *, window: int, vocabulary: int
) -> tuple[NDArray[np.integer[Any]], int]:
    """Return the text in numbers of the vocabulary, which is that of the training examples, and their count."""
    counts = np.bincount(codes[_covered(train, len(codes), window=window)], minlength=int(codes.max()) + 1)
    frequent = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)][: vocabulary - 1]
    numbers = np.full(len(counts), UNKNOWN, np.uint16 if vocabulary <= 1 << 16 else np.int32)
    numbers[frequent] = np.arange(1, len(frequent) + 1)
    return numbers[codes], len(frequent) + 1


def _split(tokens: NDArray[np.integer[Any]], starts: Indices, *, window: int) -> Split:
    windows = Windows(tokens, starts, window=window)
    whole = np.dtype(np.int32).itemsize * math.prod(windows.shape) <= MOST_IN_MEMORY
    return Split(x=windows[:] if whole else windows, y=tokens[starts + window].astype(np.int32))


def _order_fault(key: str, rule: Rule) -> Fault | None:
    """Return the fault of a rule with an order that a text does not have."""
    order = rule.get("by", "last") if isinstance(rule, Mapping) else "last"
    return choice_fault(f"{key}.by", order, _ORDERS)
