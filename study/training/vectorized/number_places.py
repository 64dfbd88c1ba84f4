"""Find the places where layers, losses and schedules keep their numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

# Objects of Keras whose attributes are looked at, besides lists and dictionaries in them.
_LOOKED_INTO = (
    keras.layers.Layer,
    keras.regularizers.Regularizer,
    keras.initializers.Initializer,
    keras.constraints.Constraint,
    keras.losses.Loss,
    keras.optimizers.schedules.LearningRateSchedule,
)
_DEEPEST = 8


@dataclass(frozen=True, kw_only=True)
class NumberPlace:
    """A place that holds a number.

    Attributes:
        value: The number.
        put: Puts another value there.
    """

    value: float
    put: Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The numbers of some objects, and everything else that they are made of.

    Attributes:
        places: The places of numbers, by name.
        fixed: All other values as text, by name.
    """

    places: Mapping[str, NumberPlace]
    fixed: Mapping[str, str]

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers, by the names of their places."""
        return {name: place.value for name, place in self.places.items()}


def find_numbers(roots: Mapping[str, Any], *, whole_too: bool = False) -> Found:
    """Return the numbers that objects keep in attributes, lists and dictionaries.

    Numbers of initializers are not among them, since they act before the program begins.

    Args:
        roots: The objects, by a name with which the names of their places begin.
        whole_too: Count whole numbers too, which in layers are sizes. Default False.
    """
    places, fixed = dict[str, NumberPlace](), dict[str, str]()
    for root, node in roots.items():
        for name, value, put in _values(node, root, lambda _: None, _DEEPEST, {id(each) for each in roots.values()}):
            is_number = type(value) is float or (whole_too and type(value) is int)
            if is_number and put is not None:
                places[name] = NumberPlace(value=value, put=put)
            else:
                fixed[name] = repr(value)
    return Found(places=places, fixed=fixed)


def _values(
    node: Any, path: str, put: Callable[[Any], None] | None, depth: int, elsewhere: set[int]
) -> Iterator[tuple[str, Any, Callable[[Any], None] | None]]:
    """Yield the values in an object: the name of each, the value, and a function that replaces it or None."""
    if isinstance(node, bool | int | float | str | None):
        yield path, node, put
    elif _is_scalar(node):
        yield path, float(node), None if put is None else _as_tensor(put)
    elif depth == 0:
        return
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _values(item, f"{path}.{index}", _putting(put, node, index), depth - 1, elsewhere)
    elif isinstance(node, tuple):
        newest = [node]
        for index, item in enumerate(node):
            yield from _values(item, f"{path}.{index}", _replacing(put, newest, index), depth - 1, elsewhere)
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _values(item, f"{path}.{key}", _putting(put, node, key), depth - 1, elsewhere)
    elif isinstance(node, _LOOKED_INTO):
        yield f"{path} is", f"{type(node).__module__}.{type(node).__qualname__}", None
        acts_before = isinstance(node, keras.initializers.Initializer)
        for name, item in vars(node).items():
            if name in _bookkeeping() or (isinstance(item, keras.layers.Layer) and id(item) in elsewhere):
                continue
            inner = None if acts_before or put is None else _setting(node, name)
            yield from _values(item, f"{path}.{name}", inner, depth - 1, elsewhere)
    elif callable(node):
        yield path, getattr(node, "__qualname__", type(node).__qualname__), None


def _is_scalar(node: Any) -> bool:
    """Return whether an object is a single floating-point number of the backend, which some regularizers keep."""
    known = keras.ops.is_tensor(node) and not isinstance(node, keras.Variable)
    return known and node.shape == () and "float" in keras.backend.standardize_dtype(node.dtype)


def _as_tensor(put: Callable[[Any], None]) -> Callable[[Any], None]:
    def store(value: Any) -> None:
        put(keras.ops.convert_to_tensor(value) if type(value) is float else value)

    return store


def _putting(put: Callable[[Any], None] | None, node: Any, key: Any) -> Callable[[Any], None] | None:
    def store(value: Any) -> None:
        node[key] = value

    return None if put is None else store


def _setting(node: Any, name: str) -> Callable[[Any], None]:
    def store(value: Any) -> None:
        setattr(node, name, value)

    return store


def _replacing(put: Callable[[Any], None] | None, newest: list[Any], index: int) -> Callable[[Any], None] | None:
    """Return a function that replaces an item of a tuple, of which it keeps the newest form for its other items."""
    if put is None:
        return None

    def store(value: Any) -> None:
        items = [*newest[0][:index], value, *newest[0][index + 1 :]]
        newest[0] = type(newest[0])(*items) if hasattr(newest[0], "_fields") else tuple(items)
        put(newest[0])

    return store


@functools.cache
def _bookkeeping() -> frozenset[str]:
    """Return the attributes that every layer has, which are no arguments of its own."""
    return frozenset(vars(keras.layers.Layer())) - {"activity_regularizer"}
