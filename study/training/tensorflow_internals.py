"""Every use of TensorFlow that its public interface does not cover, one function each, written for TensorFlow 2.21.

All these uses only save time or memory. So a version without them is not refused; each docstring describes the loss.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def gradient_registry() -> MutableMapping[str, Any]:
    """Return TensorFlow's registered gradients by name, `ops.gradient_registry._registry` in TensorFlow 2.21.

    An empty mapping for a version that stores them elsewhere is harmless: gradients then stay in memory.
    """
    try:
        from tensorflow.python.framework import ops

        registry = ops.gradient_registry._registry
    except (ImportError, AttributeError):
        return {}
    return registry if isinstance(registry, MutableMapping) else {}


def captured_tensors(graph: Any) -> list[Any] | None:
    """Return the tensors outside a function's graph that the function uses, `FuncGraph.captures` in TensorFlow 2.21.

    None for a version without this attribute is harmless: the model is then built for every trial, which takes longer.

    Args:
        graph: The function's graph.
    """
    captures = getattr(graph, "captures", None)
    return None if captures is None else [outer for outer, _ in captures]


def is_stateful_operation(name: str) -> bool:
    """Return whether TensorFlow declares an operation as stateful, by `op_def_registry` in TensorFlow 2.21.

    True for an operation or a registry that is unknown is harmless: the model is then built for every trial, which
    takes
    longer.

    Args:
        name: Name of the operation.
    """
    try:
        from tensorflow.python.framework import op_def_registry

        known = op_def_registry.get(name)
    except (ImportError, AttributeError):
        return True
    return known is None or bool(known.is_stateful)
