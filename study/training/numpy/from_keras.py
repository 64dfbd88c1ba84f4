"""Read a Keras model as a chain of layers that are written out in NumPy; refuse any other model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import keras

from study.core.errors import StudyError
from study.training.backend import without_tensorflow
from study.training.keras_internals import functional_class, n_calls
from study.training.numpy.network import ACTIVATIONS, Activation, Dense, Dropout, Flatten, Layer

_ALLOWED = f"a chain of Flatten, Dense, Dropout and Activation, with activations {', '.join(ACTIVATIONS)}"
_ADVICE = "Choose trainer=fit, which trains any Keras model, or another model."
# Arguments of Dense that are not written out in NumPy.
_EXTRAS = ("kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint")


def read_layers(model: Any) -> tuple[Layer, ...]:
    """Return the layers of a model, first layer first.

    The indices of kernels and biases are those of `model.get_weights()`.

    Args:
        model: A Keras model, built.

    Raises:
        StudyError: The model is not such a chain, or one of its layers is not written out in NumPy.
    """
    layers: list[Layer] = []
    n_weights = 0
    for layer in _chain(model):
        if len(layer.trainable_weights) != len(layer.weights):
            _refuse(layer, "which has weights that are not trained")
        if getattr(layer, "activity_regularizer", None) is not None:
            _refuse(layer, "with an activity_regularizer")
        # Not isinstance: a subclass may compute something else.
        kind = type(layer)
        if kind is keras.layers.Flatten:
            if layer.data_format == "channels_first":
                _refuse(layer, "whose data_format is channels_first")
            layers.append(Flatten())
        elif kind is keras.layers.Dropout:
            if layer.noise_shape is not None:
                _refuse(layer, f"whose noise_shape is {layer.noise_shape}")
            layers.append(Dropout(keep=1 - layer.rate))
        elif kind is keras.layers.Dense:
            layers += [_dense(layer, first_weight=n_weights), _activation(layer)]
        elif kind is keras.layers.Activation:
            layers.append(_activation(layer))
        else:
            _refuse(layer, f"of the class {kind.__name__}")
        n_weights += len(layer.weights)
    return tuple(layers)


def _chain(model: Any) -> Sequence[Any]:
    """Return the layers of a model in which each layer's output goes into the next one alone."""
    if not isinstance(model, keras.Model) or not model.built or not hasattr(model, "layers"):
        raise StudyError(f"trainer=numpy model={model!s}: expected {_ALLOWED}, built. {_ADVICE}")
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if type(model) not in (keras.Sequential, keras.Model, functional_class()):
        _refuse(model, f"of a class of its own, {type(model).__name__}")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        _refuse(model, "with several inputs or outputs")
    flow = model.inputs[0]
    for layer in layers:
        if n_calls(layer) != 1 or layer.input is not flow:
            _refuse(layer, "which does not follow the layer before it, or is used twice")
        flow = layer.output
    if flow is not model.outputs[0]:
        _refuse(layers[-1] if layers else model, "which is not the only one at the end")
    return layers


def _dense(layer: Any, *, first_weight: int) -> Dense:
    if len(layer.input.shape) != 2:
        _refuse(layer, f"whose input has the shape {layer.input.shape}")
    for extra in _EXTRAS:
        if getattr(layer, extra) is not None:
            _refuse(layer, f"with a {extra}")
    return Dense(kernel=first_weight, bias=first_weight + 1 if layer.use_bias else None)


def _activation(layer: Any) -> Activation:
    with without_tensorflow():
        name = keras.activations.serialize(layer.activation)
    if not isinstance(name, str) or name not in ACTIVATIONS:
        _refuse(layer, f"with the activation {name}")
    return Activation(name=name)


def _refuse(layer: Any, what: str) -> NoReturn:
    raise StudyError(f"trainer=numpy layer={layer.name}, {what}: expected {_ALLOWED}. {_ADVICE}")
