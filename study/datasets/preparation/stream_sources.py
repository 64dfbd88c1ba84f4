"""The kinds of streams, and the way to begin a pass over each of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from study.core.errors import DataError, refuse_out_of_memory, told_with_place
from study.core.seeds import epoch_order, stream_seed

# Names of the argument of a function that takes the seed of an epoch, also with a default.
_SEEDS = ("seed", "order_seed", "epoch_seed")
# Grain repeats without end by a length of sys.maxsize, and divides it by the size of batches.
_ENDLESS = 1 << 40
_KINDS = (
    ("tensorflow", "DatasetV2", "tf.data"),
    ("keras", "PyDataset", "PyDataset"),
    ("torch", "DataLoader", "DataLoader"),
    ("grain", "MapDataset", "Grain"),
    ("grain", "IterDataset", "Grain"),
    ("grain", "DataLoader", "Grain"),
)


@dataclass(frozen=True, kw_only=True)
class StreamSource:
    """A stream as the user gave it, and the way to begin a pass over it.

    Attributes:
        given: The stream.
        name: Name of the split.
        shuffle: Draw an order of the batches where it is ours.
        n_batches: Number of batches after which a pass is cut off. None (the default): it ends by itself.
    """

    given: Any
    name: str
    shuffle: bool
    n_batches: int | None = None

    @cached_property
    def has_own_order(self) -> bool:
        """True if an order that is not ours decides which examples come together."""
        if kind_of(self.given) == "function":
            return self._seed is None
        return kind_of(self.given) != "PyDataset" or _has_own_epochs(self.given)

    @property
    def is_endless(self) -> bool:
        """True if the stream says of itself that it has no end."""
        return is_endless(self.given)

    @property
    def has_known_end(self) -> bool:
        """True if the stream says how long it is."""
        if kind_of(self.given) == "tf.data":
            return int(self.given.cardinality()) >= 0
        return kind_of(self.given) != "function" and hasattr(self.given, "__len__")

    def begin(self, order_seed: int, epoch: int) -> Iterator[Any]:
        """Begin a pass.

        Args:
            order_seed: Seed of the order of batches, where the order is ours.
            epoch: Index of the epoch, from 0.

        Raises:
            DataError: The stream cannot begin.
        """
        try:
            return self._begin(order_seed, epoch)
        except DataError:
            raise
        except Exception as error:  # a function of the user's can fail in any way
            refuse_out_of_memory(error, f"reading {self.name}")
            raise DataError(f"{self.name}: the stream {told_with_place(error)}. Correct it.") from error

    def _begin(self, order_seed: int, epoch: int) -> Iterator[Any]:
        if kind_of(self.given) == "function":
            made = self._made(stream_seed(order_seed, epoch))
            if not isinstance(made, Iterable) and kind_of(made) is None:
                raise DataError(
                    f"{self.name}: the function returns an object of the type {type(made).__name__}. Let it return an "
                    "iterable of batches."
                )
            if self.n_batches is None and is_endless(made):
                raise DataError(endless(self.name, "has no end"))
            return self._iterated(made)
        if kind_of(self.given) == "PyDataset" and not self.has_own_order:
            order = epoch_order(order_seed, epoch, self._length(self.given), shuffle=self.shuffle)
            return (self.given[int(index)] for index in order)
        return self._iterated(self.given)

    def _made(self, seed: int) -> Any:
        if self._seed is None:
            return self.given()
        return self.given(**{self._seed: seed}) if self._seed else self.given(seed)

    @cached_property
    def _seed(self) -> str | None:
        """Name of the argument that takes the seed; empty: the first one by position; None: it takes no seed."""
        parameters = _parameters(self.given)
        required = [each for each in parameters if each.default is each.empty]
        named = [each for each in parameters if each.name in _SEEDS]
        if len(required) > 1 or (required and named and required[0].name not in _SEEDS):
            told = ", ".join(each.name for each in required)
            raise DataError(
                f"{self.name}: the function needs {told}, and gets a seed alone. Give the others defaults."
            )
        chosen = next(iter([*named, *required]), None)
        if chosen is None:
            return None
        return "" if chosen.kind is inspect.Parameter.POSITIONAL_ONLY else chosen.name

    def _iterated(self, source: Any) -> Iterator[Any]:
        """Return the batches of an object in its own order."""
        if kind_of(source) != "PyDataset":
            return iter(source)
        n = self._length(source)

        def batches() -> Iterator[Any]:
            source.on_epoch_begin()
            try:
                for index in range(n):
                    yield source[index]
            finally:
                source.on_epoch_end()

        return batches()

    def _length(self, source: Any) -> int:
        return len(source) if self.n_batches is None else self.n_batches


def kind_of(value: Any) -> str | None:
    """Return the kind of a stream by the names of its classes, importing nothing; None: the value is no stream.

    Args:
        value: The value.
    """
    if isinstance(value, type | Mapping | str):
        return None
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(value).__mro__}
    for package, name, kind in _KINDS:
        if (package, name) in names:
            return kind
    is_function = callable(value) and not hasattr(value, "__array__") and not hasattr(value, "shape")
    return "function" if is_function else None


def _parameters(function: Any) -> list[inspect.Parameter]:
    """Return the arguments of a function; none for one without a readable signature."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    by_name = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in found if each.kind not in by_name]


def _has_own_epochs(source: Any) -> bool:
    """Return whether a `PyDataset` does something between epochs, such as drawing an order."""
    base = next(cls for cls in type(source).__mro__ if cls.__name__ == "PyDataset")
    return any(getattr(type(source), name) is not getattr(base, name) for name in ("on_epoch_begin", "on_epoch_end"))


def is_endless(source: Any) -> bool:
    """Return whether a stream says of itself that it has no end.

    Args:
        source: The stream.
    """
    kind = kind_of(source)
    if kind == "tf.data":
        return int(source.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    if kind == "PyDataset":
        try:
            return source.num_batches is None
        except NotImplementedError:  # it has no length
            return True
    return kind == "Grain" and hasattr(source, "__len__") and len(source) >= _ENDLESS


def endless(name: str, told: str) -> str:
    """Return the message on a stream that has no end.

    Args:
        name: Name of the split.
        told: The words on what was seen.
    """
    return (
        f"{name}: the stream {told}. Wrap it in study.datasets.LargeStream(source=..., version=..., "
        "n_batches=...): its version then identifies it, and a pass is cut off after n_batches."
    )
