"""Read what Keras adds to an exception in a layer: the layer's class, what is wrong, and the shapes of its inputs."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COLOR = re.compile(r"\x1b\[\d*m")
_TOLD = re.compile(
    r"Exception encountered when calling (?P<layer>[^\n]*?)(\.call)?\(\)\.\s*(?P<cause>.*?)\s*"
    r"Arguments received by [^\n]*:\n(?P<arguments>.*)",
    re.DOTALL,
)
_ARGUMENT = re.compile(r"^\s*• (.*)$", re.MULTILINE)
_TENSOR = re.compile(r"'?[\w.]*(?:Tensor|ndarray|Array)\(shape=(\([^()]*\)), dtype=(?:torch\.)?(\w+)\)'?")


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """An exception in a layer, as Keras tells it.

    Attributes:
        layer: Name of the layer's class, such as `Dense`; empty if Keras names none.
        cause: The first line of what is wrong, without the words that Keras puts around it.
        arguments: The arguments of the call, such as `x=float32 of shape (32, 64)`; those that are None are left out.
    """

    layer: str
    cause: str
    arguments: tuple[str, ...]


def read_keras_error(error: BaseException) -> LayerError:
    """Return the parts of an exception's message; of an exception without Keras's words, its first line alone.

    Args:
        error: The exception.
    """
    # Python quotes the message of a KeyError, line ends included.
    given = error.args[0] if isinstance(error, KeyError) and len(error.args) == 1 else None
    text = given if isinstance(given, str) and "\n" in given else str(error)
    text = _COLOR.sub("", text)
    if (found := _TOLD.search(text)) is None:
        return LayerError(layer="", cause=_first_line(text), arguments=())
    arguments = [plain_shapes(each) for each in _ARGUMENT.findall(found["arguments"])]
    return LayerError(
        layer=found["layer"],
        cause=_first_line(found["cause"]),
        arguments=tuple(each for each in arguments if not each.endswith("=None")),
    )


def plain_shapes(text: str) -> str:
    """Return a text in which tensors are written as `float32 of shape (32, 64)`.

    Args:
        text: The text, such as `x=jnp.ndarray(shape=(32, 64), dtype=float32)`.
    """
    return _TENSOR.sub(r"\2 of shape \1", text)


def without_colors(text: str) -> str:
    """Return a text without the sequences by which Keras colors words.

    Args:
        text: The text.
    """
    return _COLOR.sub("", text)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
