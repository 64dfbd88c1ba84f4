"""Turn what a user's `load()` returned into a data set of arrays and streams with three splits.

A split may be a `Split`, a tuple `(x, y)` or `(x, y, sample_weight)`, or a stream of batches. An array may be anything
that NumPy can view: an array in memory or on disk, a data frame, a list, a tensor. Targets may be texts, which become
class indices. `validation` and `test` may be rules that hold a part of the training examples out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import Fault
from study.core.trees import Tree, leaves, mapped, mapped_by_place, named_leaves
from study.datasets import PARTS, Dataset, Split, pieces
from study.datasets.preparation.classes import classes_of
from study.datasets.preparation.holdout import GIVEN, NO_TEST, hold_out, is_rule
from study.datasets.preparation.stream_reading import to_numpy
from study.datasets.preparation.streams import Stream, is_stream, open_stream

# NumPy's kinds of texts and objects.
_TEXTS = "OSU"
# Number of classes that a message shows.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Use of a data set by a study.

    Attributes:
        name: Name of the data set where `load()` gives none.
        source: Origin of the data where `load()` gives none.
        has_classes: Takes the place of an output's targets, such as `y` or `y.digit`; true if its loss takes class
            indices.
        split_seed: Seed of a validation split that is drawn at random, at least 0.
        deterministic: Refuse streams that give other examples in each pass.
        shuffle: Draw an order of a stream's batches where it is ours.
    """

    name: str
    source: str
    has_classes: Callable[[str], bool]
    split_seed: int
    deterministic: bool
    shuffle: bool


def prepare(loaded: Dataset, how: Preparation, faults: list[Fault]) -> Dataset:
    """Prepare a data set: its splits, arrays, class indices and the width of the output.

    What cannot be turned into arrays is left as it was, for the check of the data.

    Args:
        loaded: What `load()` returned.
        how: The use of the data set.
        faults: Faults found on the way are added here, each with its place.

    Raises:
        ConfigError: A rule for a split is wrong.
        DataError: A stream fails.
    """
    given = loaded.splits
    rules = {name: value for name, value in given.items() if name != "train" and is_rule(value)}
    splits: dict[str, Any] = {
        name: _as_split(name, value, how, faults) for name, value in given.items() if name not in rules
    }
    if faults or not isinstance(splits["train"], Split | Stream):
        return replace(loaded, **splits)
    splits, n_classes = _with_class_indices(splits, faults)
    splits, remarks = _held_out(splits, rules, how, faults)
    if faults:
        return replace(loaded, **splits)
    of_streams = [remark for split in splits.values() if isinstance(split, Stream) for remark in split.remarks]
    n_outputs = loaded.n_outputs
    return replace(
        loaded,
        **splits,
        name=loaded.name or how.name,
        source=loaded.source or how.source,
        n_outputs=_n_outputs(splits["train"], how, n_classes) if n_outputs is None else n_outputs,
        remarks=tuple(dict.fromkeys([*loaded.remarks, *remarks, *of_streams])),
    )


def _held_out(
    splits: dict[str, Any], rules: Mapping[str, Any], how: Preparation, faults: list[Fault]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the splits with those that rules hold out of training, and sentences on them."""
    train = splits["train"]
    if isinstance(train, Stream):
        if rules.get("test") == NO_TEST:
            splits, rules = {**splits, "test": train.first(0)}, {k: v for k, v in rules.items() if k != "test"}
        advice = 'Let load() return a stream for each split; test="none" is no test split.'
        for name, value in rules.items():
            allowed = "data of its own, since nothing can be held out of a stream"
            faults.append(Fault(key=name, value=value, allowed=allowed, advice=advice))
        return splits, ()
    lengths = {place: len(array) for place, array in named_leaves(train.x, "train.x") if np.shape(array)}
    lengths |= {place: len(array) for place, array in named_leaves(train.y, "train.y") if np.shape(array)}
    weights = named_leaves(train.sample_weight, "train.sample_weight") if train.sample_weight is not None else ()
    lengths |= {place: len(array) for place, array in weights if np.shape(array)}
    n = next(iter(lengths.values()), 0)
    faults += [_wrong_length(place, length, n) for place, length in lengths.items() if length != n]
    if faults or not rules or not n:
        return splits, ()
    held = hold_out(
        train,
        validation=rules.get("validation", GIVEN),
        test=rules.get("test", GIVEN),
        seed=how.split_seed,
        labels=_labels(train, how),
    )
    found = {"train": held.train, "validation": held.validation, "test": held.test}
    return splits | {name: split for name, split in found.items() if split is not None}, held.remarks


def _wrong_length(place: str, found: int, n: int) -> Fault:
    advice = "Return one value for each example."
    return Fault(key=place, value=f"{found} examples", allowed=f"{n}, as many as the first input has", advice=advice)


def _as_split(name: str, given: Any, how: Preparation, faults: list[Fault]) -> Any:
    """Return a split of arrays or a stream; something else as it is, for the check of the data."""
    if is_stream(given):
        return open_stream(given, name=name, deterministic=how.deterministic, shuffle=how.shuffle)
    if isinstance(given, Iterator):
        allowed = "a stream that can be read again and again, and this one can be read once"
        advice = f"Return a function that makes it: {name}=lambda: ..."
        faults.append(Fault(key=name, value=type(given).__name__, allowed=allowed, advice=advice))
        return given
    if isinstance(given, tuple) and len(given) in (2, 3):
        given = Split.of(given)
    if not isinstance(given, Split):
        return given
    places = zip(PARTS, given.parts, strict=False)
    parts = {part: _as_arrays(f"{name}.{part}", tree, faults) for part, tree in places}
    if "sample_weight" in parts:  # in one type, like the class weights that may be multiplied with them
        parts["sample_weight"] = mapped(_as_float32, parts["sample_weight"])
    return Split(**parts)


def _as_float32(weights: Any) -> Any:
    is_number = isinstance(weights, np.ndarray) and weights.dtype.kind in "biuf"
    return weights.astype(np.float32, copy=False) if is_number else weights


def _as_arrays(place: str, tree: Tree, faults: list[Fault]) -> Tree:
    """Return a tree whose leaves are arrays; lists are arrays, dicts and tuples are not."""
    if isinstance(tree, dict):
        return {str(key): _as_arrays(f"{place}.{key}", value, faults) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_as_arrays(f"{place}.{index}", value, faults) for index, value in enumerate(tree))
    return _as_array(place, tree, faults)


def _as_array(place: str, value: Any, faults: list[Fault]) -> Any:
    """Return a value as an array of NumPy; mapped and lazy arrays, and what is no array, stay as they are."""
    if isinstance(value, np.ndarray) or not _is_array_like(value):
        return value
    if not isinstance(value, list) and not hasattr(value, "__array__"):
        return value  # a lazy array
    try:
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else to_numpy(value))
    except Exception as error:  # a tensor or a list of the user's can fail in any way
        allowed = f"an array, or what NumPy can view as one: it raises {type(error).__name__}: {error}"
        advice = f"Write {place.partition('.')[2]}=np.asarray(...), with examples of one shape."
        faults.append(Fault(key=place, value=type(value).__name__, allowed=allowed, advice=advice))
        return value
    if array.dtype.kind == "V":  # bfloat16 and other types of its library, which backends convert in their own ways
        array = array.astype(np.float32)
    return array


def _is_array_like(value: Any) -> bool:
    return isinstance(value, list) or hasattr(value, "__array__") or hasattr(value, "__getitem__")


def _with_class_indices(splits: dict[str, Any], faults: list[Fault]) -> tuple[dict[str, Any], dict[str, int]]:
    """Replace targets that are texts by class indices, in the order of the sorted texts of the training split.

    Returns:
        The splits; the number of classes by the place of the targets, for those that are texts.
    """
    train = splits["train"]
    if not isinstance(train, Split):
        return splits, {}
    places = [place for place, y in named_leaves(train.y, "y") if _has_texts(y)]
    faults += [fault for name, split in splits.items() for fault in _no_texts(name, split, places)]
    if not places or faults:
        return splits, {}
    known = {place: np.unique(y.astype(str)) for place, y in named_leaves(train.y, "y") if place in places}
    encoded = {}
    for name, split in splits.items():

        def encode(place: str, y: Any, name: str = name) -> Any:
            is_text = place in known and isinstance(y, np.ndarray)
            return _indices(f"{name}.{place}", y, known[place], faults) if is_text else y

        is_split = isinstance(split, Split)
        encoded[name] = replace(split, y=mapped_by_place(encode, split.y, "y")) if is_split else split
    return encoded, {place: len(texts) for place, texts in known.items()}


def _has_texts(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in _TEXTS and array.ndim > 0


def _no_texts(name: str, split: Any, places: Sequence[str]) -> Iterator[Fault]:
    """Yield a fault for each array of texts with something else in it, such as a missing value."""
    for place, y in named_leaves(split.y, "y") if isinstance(split, Split) else ():
        if place not in places or not isinstance(y, np.ndarray) or y.dtype.kind != "O":
            continue
        wrong = [index for index, value in enumerate(y.flat) if not isinstance(value, str)]
        if wrong:
            at = ", ".join(map(str, np.unravel_index(wrong[0], y.shape)))
            allowed = f"a text, as the others are ({len(wrong)} of {y.size} are not)"
            advice = "Leave examples without a class out, or give all classes as texts."
            yield Fault(key=f"{name}.{place}[{at}]", value=repr(y.flat[wrong[0]]), allowed=allowed, advice=advice)


def _indices(place: str, y: NDArray[Any], known: NDArray[np.str_], faults: list[Fault]) -> NDArray[Any]:
    """Return the class index of each text; a text that the training split lacks is a fault."""
    texts = y.astype(str)
    found = np.searchsorted(known, texts).clip(max=len(known) - 1).astype(np.int32)
    unknown = known[found] != texts
    if unknown.any():
        first = np.unravel_index(int(np.argmax(unknown)), texts.shape)
        at = f"{place}[{', '.join(map(str, first))}]"
        shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        allowed = f"a class that the training split has: {shown} ({int(unknown.sum())} of {texts.size} are not)"
        advice = "Put examples of each class into the training split, or leave the class out in load()."
        faults.append(Fault(key=at, value=texts[first], allowed=allowed, advice=advice))
    return found


def _labels(split: Split, how: Preparation) -> NDArray[Any] | None:
    """Return the class of each example, by which a split can be stratified; None if there are no classes."""
    arrays = leaves(split.y)
    y = arrays[0] if len(arrays) == 1 else None
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "biuf":
        return None
    if how.has_classes("y") and y.ndim == 1:
        return y
    return classes_of(y, as_indices=False) if y.ndim == 2 and y.shape[1] > 1 else None


def _n_outputs(train: Split | Stream, how: Preparation, n_classes: Mapping[str, int]) -> Tree:
    """Return the width of the output for each array of training targets."""
    y = train.y if isinstance(train, Split) else train.first(1).y
    if any(not hasattr(array, "dtype") for array in leaves(y)):
        return None  # refused by the check of the data

    def width(place: str, array: Any) -> int | None:
        return n_classes.get(place) or _width(train, place, array, has_classes=how.has_classes(place))

    return mapped_by_place(width, y, "y")


def _width(train: Split | Stream, place: str, y: Any, *, has_classes: bool) -> int | None:
    """Return the number of classes, or of numbers to predict; None if it is not known."""
    if has_classes:
        highest = train.highest(place) if isinstance(train, Stream) else max(float(np.max(p)) for p in pieces(y))
        return None if highest is None else int(highest) + 1
    return 1 if y.ndim == 1 else int(y.shape[-1])
