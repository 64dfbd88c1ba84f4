"""The architecture of a model as Keras serializes it, and its digest."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

import keras

from study.training.backend import without_tensorflow
from study.training.keras_internals import all_layers

# Keys of a functional model's config whose values are names of its operations.
_PLACES_OF_NAMES = ("name", "keras_history", "input_layers", "output_layers")
# Python's own addresses and bytecode differ from process to process; `study.config.own_source` covers functions.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def architecture_digest(model: Any) -> str:
    """Return the digest of a model's architecture: twelve hexadecimal digits.

    The digest is the same on every backend and in every process. It includes the layers with their arguments, and the
    shapes and types of the weights, in the order of the model. Names that Keras numbers, such as `dense_3`, are not
    included. If Keras cannot serialize the model, the digest is of its layers and weights.

    Args:
        model: A built model.
    """
    names = _Names()
    weights = [[list(each.shape), str(each.dtype), bool(each.trainable)] for each in model.weights]
    with without_tensorflow():
        layers = _layers(model, names)
    described = {"class": type(model).__name__, "layers": layers, "weights": weights}
    text = json.dumps(described, sort_keys=True, default=_plain_text)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def architecture_text(model: Any) -> str:
    """Return the number of layers and weights of a built model as text."""
    n_weights = sum(math.prod(each.shape) for each in model.weights)
    return f"{len(model.layers)} layers, {n_weights} weights"


def unserializable(model: Any) -> str:
    """Return the reason why Keras cannot save a model; empty if it can.

    Args:
        model: A built model.
    """
    try:
        with without_tensorflow():
            keras.saving.serialize_keras_object(model)
    except Exception as error:  # a layer of the user's can fail in any way
        return first_line(error)
    return ""


def first_line(error: Exception) -> str:
    """Return an error's class and the first line of its message, without the full stop."""
    first = next((line.strip(" ,.") for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"


class _Names:
    """Numbers the names of layers and operations in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def number(self, name: str) -> str:
        return self._known.setdefault(name, f"layer {len(self._known)}")


def _layers(model: Any, names: _Names) -> Any:
    try:
        config = model.get_config()
    except Exception:  # a subclass need not serialize; Keras raises several errors for it
        config = {"layers": [_layer(layer) for layer in model.layers]}
    parts = [model, *(all_layers(model) or model.layers)]
    # A functional model has operations beside its layers, such as `zeros_like_2` of keras.ops.
    operations = [operation for part in parts for operation in getattr(part, "operations", ())]
    return _renamed(config, {part.name for part in parts}, {operation.name for operation in operations}, names)


def _layer(layer: Any) -> dict[str, Any]:
    try:
        config = layer.get_config()
    except Exception:
        config = {}
    return {"class_name": type(layer).__name__, "config": config}


def _renamed(value: Any, layers: set[str], operations: set[str], names: _Names, *, is_name: bool = False) -> Any:
    """Replace the names of layers and operations, and leave out what depends on the process.

    An operation is called like its function, and so is an activation: `relu`. So its name counts only in places of
    names.
    """
    if isinstance(value, dict):
        if value.get("class_name") == "__lambda__":
            return "lambda"
        return {
            str(key): _renamed(inner, layers, operations, names, is_name=key in _PLACES_OF_NAMES)
            for key, inner in value.items()
            if key not in ("build_config", "compile_config", "registered_name", "module")
        }
    if isinstance(value, list | tuple):
        return [_renamed(inner, layers, operations, names, is_name=is_name) for inner in value]
    if isinstance(value, str) and (value in layers or (is_name and value in operations)):
        return names.number(value)
    return value


def _plain_text(value: Any) -> str:
    if isinstance(value, keras.KerasTensor):
        return f"tensor {value.shape} {value.dtype}"
    return _ADDRESS.sub("", str(value))
