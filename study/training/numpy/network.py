"""A chain of layers written out in NumPy: the forward pass, and the backward pass by the chain rule.

Source: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986; for
dropout Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014, in its
inverted form: units that stay are divided by the probability to stay, so that a trained network needs no correction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# An array in the precision of the training, float64 or float32; all arrays of a pass have the same.
Array = NDArray[Any]
Draw = Literal["uniform", "normal"]


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """Make a row of each example: (n, ...) to (n, n_features)."""


@dataclass(frozen=True, kw_only=True)
class Dense:
    """An affine map, z = x W + b.

    Attributes:
        kernel: Index of W, shape (n_inputs, n_units), among the parameters.
        bias: Index of b, shape (n_units,); None: the layer has no bias.
    """

    kernel: int
    bias: int | None


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A function of every unit, or for softmax of every row.

    Attributes:
        name: Name of the function, a key of `ACTIVATIONS`.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """While training, set units to zero and divide the others by `keep`.

    Attributes:
        keep: Probability to stay, above 0 and at most 1; one minus Keras's `rate`.
    """

    keep: float


Layer = Flatten | Dense | Activation | Dropout


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Source of the masks of dropout.

    Attributes:
        generator: Generator of the draws.
        draw: `uniform`: a unit stays if a uniform draw on [0, 1) is below `keep`. `normal`: a unit stays if a standard
            normal draw is below `keep`, a published slip that keeps 84 % at keep 1 and 69 % at keep 0.5. Default
            `uniform`.
    """

    generator: np.random.Generator
    draw: Draw = "uniform"

    def mask(self, shape: tuple[int, ...], *, keep: float) -> NDArray[np.bool_]:
        """Return a mask of the units that stay.

        Args:
            shape: Shape of the mask.
            keep: Probability to stay, above 0 and at most 1.
        """
        if self.draw == "normal":
            return self.generator.standard_normal(shape) < keep
        return self.generator.random(shape) < keep


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Results of a forward pass that the backward pass needs.

    Attributes:
        inputs: Input of each layer.
        outputs: Output of each layer; the last is the network's output.
        masks: For each layer of dropout its factors, otherwise None.
    """

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    masks: tuple[Array | None, ...]


def forward(layers: Sequence[Layer], parameters: Sequence[Array], x: Array, *, noise: Noise | None = None) -> Pass:
    """Send examples through the layers.

    Args:
        layers: The chain, first layer first.
        parameters: Kernels and biases, in the order of `model.get_weights()`.
        x: Examples, shape (n, ...).
        noise: Source of dropout's masks during training. None (the default): no dropout.

    Returns:
        The inputs, outputs and masks of all layers.
    """
    inputs, outputs, masks = [], [], []
    for layer in layers:
        mask = None
        inputs.append(x)
        match layer:
            case Flatten():
                x = x.reshape(len(x), -1)
            case Dense(kernel=kernel, bias=bias):
                x = x @ parameters[kernel]
                if bias is not None:
                    x = x + parameters[bias]
            case Activation(name=name):
                x = ACTIVATIONS[name].value(x)
            case Dropout(keep=keep) if noise is not None:
                mask = noise.mask(x.shape, keep=keep).astype(x.dtype) / x.dtype.type(keep)
                x = x * mask
        outputs.append(x)
        masks.append(mask)
    return Pass(inputs=tuple(inputs), outputs=tuple(outputs), masks=tuple(masks))


def backward(layers: Sequence[Layer], parameters: Sequence[Array], done: Pass, output_gradient: Array) -> list[Array]:
    """Return the gradient of the loss with respect to each parameter, by the chain rule from the last layer back.

    With d the gradient with respect to z = x W + b, the gradients with respect to W, b and x are x^T d, the column
    sums
    of d, and d W^T.

    Args:
        layers: The chain, first layer first.
        parameters: Kernels and biases, in the order of `model.get_weights()`.
        done: The forward pass.
        output_gradient: Gradient of the loss with respect to the network's output, of the output's shape.
    """
    gradients: list[Array | None] = [None] * len(parameters)
    first = next((i for i, layer in enumerate(layers) if isinstance(layer, Dense)), len(layers))
    gradient = output_gradient
    for i in range(len(layers) - 1, first - 1, -1):
        mask = done.masks[i]
        match layers[i]:
            case Flatten():
                gradient = gradient.reshape(done.inputs[i].shape)
            case Dense(kernel=kernel, bias=bias):
                gradients[kernel] = done.inputs[i].T @ gradient
                if bias is not None:
                    gradients[bias] = gradient.sum(axis=0)
                if i > first:  # the gradient of the examples is not needed, and costs as much as that of W
                    gradient = gradient @ parameters[kernel].T
            case Activation(name=name):
                gradient = ACTIVATIONS[name].pull_back(done.outputs[i], gradient)
            case Dropout() if mask is not None:
                gradient = gradient * mask
    return [np.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]


@dataclass(frozen=True, kw_only=True)
class _Function:
    """An activation and its derivative.

    Attributes:
        value: Returns the output for an input.
        pull_back: Returns the gradient with respect to the input. Takes the output and the gradient with respect to
            the output, since all derivatives here are functions of the output.
    """

    value: Callable[[Array], Array]
    pull_back: Callable[[Array, Array], Array]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow, as (1 + tanh(z / 2)) / 2."""
    half = z.dtype.type(0.5)
    value: Array = half * (np.tanh(half * z) + 1)
    return value


def softmax(z: Array) -> Array:
    """Return exp(z) over its sum along each row, after subtracting the row's maximum."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    quotient: Array = powers / powers.sum(axis=-1, keepdims=True)
    return quotient


def _softmax_back(a: Array, gradient: Array) -> Array:
    """Return a (g - sum(g a)): the Jacobian of softmax is diag(a) - a a^T."""
    pulled: Array = a * (gradient - (gradient * a).sum(axis=-1, keepdims=True))
    return pulled


# By Keras's names. The derivative of relu at 0 is 0, as in Keras.
ACTIVATIONS: Mapping[str, _Function] = {
    "linear": _Function(value=lambda z: z, pull_back=lambda _a, g: g),
    "relu": _Function(value=lambda z: np.maximum(z, 0), pull_back=lambda a, g: g * (a > 0)),
    "sigmoid": _Function(value=sigmoid, pull_back=lambda a, g: g * a * (1 - a)),
    "tanh": _Function(value=np.tanh, pull_back=lambda a, g: g * (1 - a * a)),
    "softmax": _Function(value=softmax, pull_back=_softmax_back),
}
