"""The kinds of streams, and the way to begin a pass over each of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from study.core.errors import DataError
from study.core.seeds import epoch_order, stream_seed

_KINDS = (
    ("tensorflow", "DatasetV2", "tf.data"),
    ("keras", "PyDataset", "PyDataset"),
    ("torch", "DataLoader", "DataLoader"),
    ("grain", "MapDataset", "Grain"),
    ("grain", "IterDataset", "Grain"),
    ("grain", "DataLoader", "Grain"),
)


def starting(source: Any, name: str, *, shuffle: bool) -> tuple[Callable[[int, int], Iterator[Any]], bool]:
    """Return the function that begins a pass for an order seed and an epoch; and whether the order is not ours.

    Args:
        source: The stream.
        name: Name of the split.
        shuffle: Draw an order of the batches where it is ours.
    """
    kind = kind_of(source)
    if kind == "function":
        takes_seed = bool(_parameters(source))

        def begin(order_seed: int, epoch: int) -> Iterator[Any]:
            made = source(stream_seed(order_seed, epoch)) if takes_seed else source()
            if not isinstance(made, Iterable) and kind_of(made) is None:
                raise DataError(f"{name}: the function returns a {type(made).__name__}. Let it return an iterable.")
            return _iterated(made)

        return begin, not takes_seed
    if kind == "PyDataset" and not _has_own_epochs(source):
        return lambda order_seed, epoch: _in_order(source, order_seed, epoch, shuffle=shuffle), False
    return lambda _order_seed, _epoch: _iterated(source), True


def _in_order(source: Any, order_seed: int, epoch: int, *, shuffle: bool) -> Iterator[Any]:
    for index in epoch_order(order_seed, epoch, len(source), shuffle=shuffle):
        yield source[int(index)]


def _iterated(source: Any) -> Iterator[Any]:
    """Return the batches of an object in its own order."""
    if kind_of(source) != "PyDataset":
        return iter(source)

    def batches() -> Iterator[Any]:
        source.on_epoch_begin()
        for index in range(len(source)):
            yield source[index]
        source.on_epoch_end()

    return batches()


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
    return "function" if inspect.isroutine(value) or _is_partial(value) else None


def _is_partial(value: Any) -> bool:
    return type(value).__name__ == "partial" and callable(value)


def _parameters(function: Any) -> Sequence[str]:
    """Return the names of the arguments that a function must or can get by position, without those with a default."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = ("seed", "order_seed", "epoch_seed")
    return [
        each.name for each in found if each.kind in by_place and (each.default is each.empty or each.name in named)
    ]


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
        return getattr(source, "num_batches", 0) is None
    if kind == "Grain" and hasattr(source, "__len__"):
        return len(source) >= sys.maxsize
    return False
