"""Look into a graph that TensorFlow is tracing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

# Operations with a state that is not their own: they read and write variables, call functions, check. All others that
# TensorFlow calls stateful keep one between calls, such as its old random numbers, or act outside of the graph.
_HARMLESS = ("StatefulPartitionedCall", "While", "If", "Case", "Assert", "Placeholder", "NoOp", "CudnnRNN", "Resource")


def keeps_state_elsewhere(variables: Sequence[Any]) -> bool:
    """Tell whether the graph that is being traced keeps state outside of these variables.

    Args:
        variables: Keras's variables.
    """
    graph: Any = tf.compat.v1.get_default_graph()
    handles = {id(variable.value.handle) for variable in variables}
    strangers = [outer for outer, _ in graph.captures if outer.dtype == tf.resource and id(outer) not in handles]
    if strangers:
        return True
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return any(_is_stateful(name) for name in {node.op for node in nodes})


def _is_stateful(name: str) -> bool:
    if "Variable" in name or name.startswith(_HARMLESS):
        return False
    known = op_def_registry.get(name)
    return known is None or bool(known.is_stateful)
