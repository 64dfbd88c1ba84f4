"""Trace the steps of a model with TensorFlow, and look into a graph that is being traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from study.datasets import Split

# Operations with a state that is not their own: they read and write variables, call functions, check. All others that
# TensorFlow calls stateful keep one between calls, such as its old random numbers, or act outside of the graph.
_HARMLESS = ("StatefulPartitionedCall", "While", "If", "Case", "Assert", "Placeholder", "NoOp", "CudnnRNN", "Resource")


def traced(step: Callable[[Any], Any], split: Split, *, jit_compile: bool) -> Callable[[Iterator[Any]], Any]:
    """Return what Keras's loops call for each batch, traced once for batches of any size.

    Keras's own function takes batches from a `tf.data` iterator inside the graph, which would have to be made anew
    for each pass over the data.

    Args:
        step: Keras's training or test step.
        split: Data such as the batches will be of.
        jit_compile: Whether XLA compiles the step.
    """
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (split.x, split.y)]
    compiled = tf.function(
        lambda x, y: step((x, y)), input_signature=signature, jit_compile=jit_compile, autograph=False
    )
    # The traced function itself, called without asking each time which of several would fit: half of a small step.
    concrete = cache(compiled.get_concrete_function)
    return lambda iterator: concrete()(*next(iterator))


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
