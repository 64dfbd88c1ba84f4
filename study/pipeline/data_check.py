"""One check of a study's data, the same for all trainers, before anything is trained or written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.config.task import WORDS_FOR_NUMBERS
from study.core.errors import DataError, Fault, listed
from study.core.trees import Tree, named_leaves, same_structure
from study.datasets import PARTS, Dataset, Split, pieces
from study.datasets.preparation.holdout import is_rule
from study.datasets.preparation.streams import Stream, is_stream
from study.pipeline.target_classes import unknown_class_faults

_FORM = (
    "Return Dataset(train=Split(x=..., y=...), validation=Split(x=..., y=...), test=Split(x=..., y=...)) of "
    "study.datasets; validation=0.1 and test=0.2 hold a share of train out."
)
_NAMES = ("inputs", "targets", "sample weights")
# NumPy's kinds of booleans, integers and floating-point numbers.
_NUMBERS = "biuf"
# Size of the longest number that every backend takes, in bytes.
_LONGEST = 8
# Number of values that are looked at together, so that the check takes little memory.
_AT_ONCE = 1 << 22
# Losses of Keras whose targets are probabilities.
_OF_PROBABILITIES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
)


def check_data(config: StudyConfig, loaded: Any, *, found: Sequence[Fault] = ()) -> Dataset:
    """Return what a data set's `load` returned if every trainer can train on it.

    Args:
        config: The study's config.
        loaded: What `load` returned, prepared.
        found: Faults that the preparation found. Default: none.

    Raises:
        DataError: The data has faults; the message names all of them, each with its split and its first index.
    """
    checker = _DataChecker(config, found)
    checker.check(loaded)
    if faults := checker.faults:
        where = f"in what {config.dataset.section.get('_target_')} returns"
        raise DataError(f"dataset={config.dataset.name}: {listed(faults, where=where)}")
    return loaded  # type: ignore[no-any-return]


class _Arrays:
    """The arrays of a split.

    Args:
        parts: The trees of inputs, targets and, if there are any, sample weights.

    Attributes:
        parts: The trees.
        named: For each of them, the arrays by their place in the split, such as `x.image`.
    """

    def __init__(self, parts: Sequence[Tree]) -> None:
        self.parts = tuple(parts)
        self.named = tuple(dict(named_leaves(tree, part)) for part, tree in zip(PARTS, self.parts, strict=False))

    @property
    def x(self) -> dict[str, Any]:
        """The inputs."""
        return self.named[0]

    @property
    def y(self) -> dict[str, Any]:
        """The targets."""
        return self.named[1]

    @property
    def weights(self) -> dict[str, Any]:
        """The sample weights; empty if there are none."""
        return self.named[2] if len(self.named) > 2 else {}


class _DataChecker:
    """Checker of one data set.

    Args:
        config: The study's config.
        found: Faults that are known already.

    Attributes:
        faults: The faults found so far.
    """

    def __init__(self, config: StudyConfig, found: Sequence[Fault] = ()) -> None:
        self._config = config
        self._in_float64 = config.trainer.section.get("precision") == "float64"
        self.faults: list[Fault] = list(found)

    def check(self, loaded: Any) -> None:
        """Check what `load` returned."""
        if not isinstance(loaded, Dataset):
            self._add("load()", described(loaded), "a Dataset", _form_advice(loaded))
            return
        splits = loaded.splits
        widths = None if loaded.n_outputs is None else self._widths(loaded.n_outputs)
        arrays = {name: self._check_split(name, split) for name, split in splits.items()}
        train = arrays["train"]
        if widths is not None and train is not None and {f"y{place}" for place in widths} != train.y.keys():
            there = ", ".join(f"train.{place}" for place in train.y)
            advice = "Return it by the names of the targets, or leave it out."
            self._add("n_outputs", loaded.n_outputs, f"a width for each array of targets: {there}", advice)
            widths = None
        if train is not None:
            self._check_outputs(train)
        for name, checked in arrays.items():
            if name != "train":
                self._compare(name, checked, train)
            if checked is None or widths is None:
                continue
            split: Any = splits[name]
            if isinstance(split, Stream):
                self._check_counts(split, widths)
                continue
            for place, y in checked.y.items():
                if (width := widths.get(place.removeprefix("y"))) is not None:
                    self._check_targets(f"{name}.{place}", y, width, place=place)
        if not self.faults and loaded.n_outputs is None:  # it is found from the targets, if these are right
            self._widths(None)
        if not self.faults:
            self.faults += unknown_class_faults(self._config.task, loaded.train, loaded.validation)

    def _check_counts(self, stream: Stream, widths: Mapping[str, int]) -> None:
        """Compare the class indices of a stream that was read with the widths of the outputs."""
        for place, counts in stream.counts.items():
            width = widths.get(place.removeprefix("y"))
            if width is None or not self._config.task.takes_classes(place):
                continue
            if wrong := sorted(label for label in counts if not 0 <= label < width):
                allowed = f"class indices from 0 to {width - 1}, since n_outputs is {width}"
                advice = "Correct the labels, or let load() return the number of classes as n_outputs."
                self._add(f"{stream.name}.{place}", wrong[0], allowed, advice)

    def _check_outputs(self, train: _Arrays) -> None:
        """Compare the arrays of targets with the losses; the names of a tuple are those of the model's outputs."""
        losses = [name for name in self._config.task.losses if name]
        if not losses and list(train.y) != ["y"]:
            advice = "Return one array of targets, or give dataset.task.loss a section for each of them, by its name."
            self._add("train.y", described(train.parts[1]), "one array, since there is one loss", advice)
        elif losses and list(train.y) == ["y"]:
            told = ", ".join(losses)
            advice = f"Return a dict of them, such as y={{{losses[0]!r}: ...}}."
            self._add("train.y", described(train.parts[1]), f"an array for each loss: {told}", advice)

    def _widths(self, n_outputs: Any) -> dict[str, int] | None:
        """Return the width of each output by the place of its targets; None if one is wrong."""
        found, places = {}, named_leaves(n_outputs, "")
        for place, n in places or [("", n_outputs)]:
            if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
                advice = "Return the number of classes, or of numbers to predict."
                self._add(f"n_outputs{place}", described(n), "a whole number of at least 1", advice)
                return None
            found[place] = int(n)
        return found

    def _add(self, key: str, value: object, allowed: str, advice: str) -> None:
        if all(fault.key != key for fault in self.faults):
            self.faults.append(Fault(key=key, value=value, allowed=allowed, advice=advice))

    def _check_split(self, name: str, split: Any) -> _Arrays | None:
        """Return the arrays of a split; None if their form is wrong. The batches of a stream are checked already."""
        if isinstance(split, Stream):
            arrays = _Arrays(split.first(1).parts)
            self._check_weights(name, arrays, values=False)
            return arrays
        if not isinstance(split, Split):
            if not (is_rule(split) and self.faults):  # nothing can be held out of a split that is wrong
                advice = f"Write {name}=Split(x=..., y=...), with arrays or what NumPy can view as arrays."
                self._add(name, described(split), "a Split", advice)
            return None
        arrays = _Arrays(split.parts)
        if not arrays.x or not arrays.y:
            self._add(name, "no arrays", "an array of inputs and one of targets", _FORM)
            return None
        every = {place: array for part in arrays.named for place, array in part.items()}
        if not all([self._is_array(f"{name}.{place}", array) for place, array in every.items()]):
            return None
        self._check_lengths(name, arrays)
        self._check_weights(name, arrays)
        return arrays

    def _check_lengths(self, name: str, arrays: _Arrays) -> None:
        """Check that all arrays of a split have as many examples, and at least one."""
        first = next(iter(arrays.x))
        n = len(arrays.x[first])
        for kind, part in zip(_NAMES, arrays.named, strict=False):
            for place, array in part.items():
                if len(array) != n:
                    allowed = f"as many {kind} as inputs, and {name}.{first} has {n}"
                    advice = f"Return one {kind[:-1]} for each example."
                    self._add(f"{name}.{place}", f"{len(array)} {kind}", allowed, advice)
        if not n and name != "test":
            advice = f"Let load() put examples into {name}, such as a part of the training examples."
            self._add(f"{name}.{first}", "no examples", "at least one example", advice)

    def _check_weights(self, name: str, arrays: _Arrays, *, values: bool = True) -> None:
        """Check sample weights: one array for all outputs or one for each, and a weight of at least 0 an example."""
        if len(arrays.parts) < len(PARTS):
            return
        if list(arrays.weights) != ["sample_weight"] and not same_structure(arrays.parts[2], arrays.parts[1]):
            allowed = f"one array, or one for each array of targets: {', '.join(arrays.y)}"
            found = f"{described(arrays.parts[2])}: {', '.join(arrays.weights) or 'no arrays'}"
            self._add(f"{name}.sample_weight", found, allowed, "Return weights in the form of the targets.")
            return
        advice = "Return the weight of each example in the loss."
        for place, weights in arrays.weights.items():
            key = f"{name}.{place}"
            if len(weights.shape) != 1:
                self._add(key, _form_of(weights), "one number for each example, shape ()", advice)
            elif values:
                self._check_values(key, weights, lambda found: found >= 0, "weights of at least 0", advice)
                if len(weights) and not any(np.any(piece != 0) for piece in pieces(weights)):
                    self._add(key, "zeros alone", "a weight above 0", advice)

    def _is_array(self, key: str, array: Any) -> bool:
        """Return whether a value is an array of numbers with an axis of examples; its numbers are checked too."""
        is_lazy = not isinstance(array, list) and all(
            hasattr(array, name) for name in ("shape", "dtype", "__getitem__")
        )
        is_own = isinstance(array, np.ndarray) or (is_lazy and not hasattr(array, "__array__"))
        if not is_own or isinstance(array, np.ma.MaskedArray):
            self._add(key, described(array), "a NumPy array", _array_advice(key, array))
            return False
        if array.dtype.kind not in _NUMBERS:
            advice = f"Encode or convert the values of {key}, such as by .astype('float32')."
            self._add(key, described(array), "an array of numbers", advice)
            return False
        if not array.dtype.isnative or array.dtype.itemsize > _LONGEST:
            advice = f"Write {key} with .astype('{'float32' if array.dtype.kind == 'f' else 'int32'}')."
            told = f"numbers of at most {8 * _LONGEST} bits in the byte order of this machine"
            self._add(key, described(array), told, advice)
            return False
        if not array.shape:
            self._add(key, array, "an array with one row for each example", "Give it an axis of examples.")
            return False
        if array.dtype.kind == "f":
            advice = "Leave the example out, or fill in a value, in load()."
            narrow = array.dtype.itemsize <= 4 or self._in_float64
            holds: Callable[[Any], Any] = (
                np.isfinite if narrow else lambda values: np.abs(values) <= np.finfo(np.float32).max
            )
            self._check_values(key, array, holds, "finite numbers in float32", advice)
        elif array.dtype.itemsize == _LONGEST and not self._in_float64:
            advice = "Scale them in load(), or return them as float32."
            self._check_values(key, array, _in_int32, "whole numbers in int32, as which JAX computes", advice)
        return True

    def _compare(self, name: str, checked: _Arrays | None, train: _Arrays | None) -> None:
        """Compare the form of a split with that of the training split."""
        if checked is None or train is None:
            return
        advice = "Prepare all splits in the same way."
        for i, part in enumerate(PARTS[:2]):
            arrays, of_train = checked.named[i], train.named[i]
            for place in sorted(arrays.keys() ^ of_train.keys()):
                here, there = ("nothing", "an array") if place in of_train else ("an array", "nothing")
                allowed = f"{there}, as in train: the arrays there are {', '.join(of_train)}"
                self._add(f"{name}.{place}", here, allowed, advice)
            if arrays.keys() == of_train.keys() and not same_structure(checked.parts[i], train.parts[i]):
                allowed = f"{described(train.parts[i])}, as in train"
                self._add(f"{name}.{part}", described(checked.parts[i]), allowed, advice)
            for place in arrays.keys() & of_train.keys():
                array, other = arrays[place], of_train[place]
                same = array.shape[1:] == other.shape[1:] and array.dtype == other.dtype
                if not same and len(array):
                    allowed = f"each example as in train.{place}: {_form_of(other)}"
                    self._add(f"{name}.{place}", _form_of(array), allowed, advice)

    def _check_targets(self, key: str, y: NDArray[Any], n_outputs: int, *, place: str) -> None:
        """Check targets against what the loss takes: class indices or probabilities."""
        task = self._config.task
        section = task.losses.get(task.output_at(place), {})
        loss = str(section.get("_target_")).rpartition(".")[2]
        if task.takes_classes(place):
            allowed = f"class indices from 0 to {n_outputs - 1}, since n_outputs is {n_outputs}"
            advice = "Correct the labels, or let load() return the number of classes as n_outputs."
            if n_outputs == 1 and key.startswith("train."):  # the width of numbers; said once
                advice = f"To predict numbers, set a loss for them: {WORDS_FOR_NUMBERS}. {advice}"
            self._check_values(
                key,
                y,
                lambda labels: (labels >= 0) & (labels < n_outputs) & (labels == np.floor(labels)),
                allowed,
                advice,
            )
        elif loss in _OF_PROBABILITIES:
            advice = "Encode the classes as 0 and 1, or choose another loss."
            if loss.startswith("Categorical"):
                advice = "Encode the classes as rows of 0 and 1, or use keras.losses.SparseCategoricalCrossentropy."
            self._check_values(
                key, y, lambda values: (values >= 0) & (values <= 1), f"from 0 to 1, for {loss}", advice
            )

    def _check_values(
        self, key: str, array: NDArray[Any], holds: Callable[[Any], Any], allowed: str, advice: str
    ) -> None:
        """Add a fault if some values do not hold; it names the first one. A value is at fault only once."""
        size, wrong, first, value, seen = math.prod(array.shape), 0, -1, None, 0
        for piece in pieces(array):
            flat = piece.reshape(-1)
            for start in range(0, flat.size, _AT_ONCE):
                misses = ~holds(flat[start : start + _AT_ONCE])
                if n := int(np.count_nonzero(misses)):
                    if first < 0:
                        value, first = flat[start + int(np.argmax(misses))], seen + start + int(np.argmax(misses))
                    wrong += n
            seen += flat.size
        if not wrong:
            return
        place = f"{key}[{', '.join(str(i) for i in np.unravel_index(first, array.shape))}]"
        if any(fault.key == place for fault in self.faults):
            return
        count = f" ({wrong} of {size} values are not)" if wrong > 1 else ""
        self._add(place, value, f"{allowed}{count}", advice)


def _in_int32(values: NDArray[Any]) -> NDArray[np.bool_]:
    limits = np.iinfo(np.int32)
    return (values >= limits.min) & (values <= limits.max)


def described(value: Any) -> str:
    """Return the kind of a value in words, such as `a tuple of 2` or `an array of shape (3, 2), object`.

    Args:
        value: The value.
    """
    kind = "array" if type(value) is np.ndarray else type(value).__name__
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    article = "an" if kind[0].lower() in "aeiou" else "a"
    shape, dtype = (getattr(value, name, None) for name in ("shape", "dtype"))
    if shape is not None:
        sizes = f"({', '.join(map(str, shape))})" if isinstance(shape, Iterable) else shape
        return f"{article} {kind} of shape {sizes}" + ("" if dtype is None else f", {dtype}")
    is_plain = isinstance(value, list | tuple | dict | set)
    return f"{article} {kind} of {len(value)}" if is_plain else f"{article} {kind}"


def _form_of(array: NDArray[Any]) -> str:
    return f"shape {array.shape[1:]}, {array.dtype}"


def _form_advice(loaded: Any) -> str:
    """Return the right form, with the way there from what was returned."""
    if isinstance(loaded, tuple) and all(isinstance(pair, tuple) for pair in loaded) and len(loaded) in (2, 3):
        names = ("train", "test") if len(loaded) == 2 else ("train", "validation", "test")
        splits = ", ".join(f"{name}=(x_{name}, y_{name})" for name in names)
        return f"Return Dataset({splits}) of study.datasets."
    if isinstance(loaded, tuple) and len(loaded) == 2:
        return "Return Dataset(train=(x, y), validation=0.1, test=0.2) of study.datasets: two shares are held out."
    if is_stream(loaded):
        return "Return Dataset(train=..., validation=..., test=...) of study.datasets, with a stream for each split."
    if type(loaded).__module__.partition(".")[0] == "pandas":
        return f"Divide its columns into inputs and targets: x=frame.drop(columns=[...]), y=frame[...]. {_FORM}"
    return _FORM


def _array_advice(key: str, array: Any) -> str:
    if isinstance(array, np.ma.MaskedArray):
        return "Fill in the masked values: array.filled(...)."
    if type(array).__module__.partition(".")[0] == "pandas":
        return f"Write {key.partition('.')[2]}=....to_numpy()."
    return f"Write {key.partition('.')[2]}=np.asarray(...)."
