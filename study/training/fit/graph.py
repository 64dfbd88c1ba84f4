"""Trace the steps of a model with TensorFlow, and look for hidden state in a graph while it is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import tensorflow as tf

from study.datasets import Split
from study.training.tensorflow_internals import captured_tensors, is_stateful_operation

# Operations without their own state: they read and write variables, call functions, or check. All others that
# TensorFlow calls stateful keep a state between calls, such as its old random numbers, or act outside the graph.
_HARMLESS = ("StatefulPartitionedCall", "While", "If", "Case", "Assert", "Placeholder", "NoOp", "CudnnRNN", "Resource")


def traced(step: Callable[[Any], Any], split: Split, *, jit_compile: bool) -> Callable[[Iterator[Any]], Any]:
    """Return the function that Keras's loops call for each batch, traced once for batches of any size.

    Keras's own function takes batches from a `tf.data` iterator inside the graph, and each pass over the data needs a
    new iterator.

    Args:
        step: Keras's training or test step.
        split: Data of the same shapes and types as the batches.
        jit_compile: Let XLA compile the step.
    """
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (split.x, split.y)]
    compiled = tf.function(
        lambda x, y: step((x, y)), input_signature=signature, jit_compile=jit_compile, autograph=False
    )
    # The concrete function skips the choice between traces at each call, which takes half the time of a small step.
    concrete = cache(compiled.get_concrete_function)
    return lambda iterator: concrete()(*next(iterator))


def keeps_state_elsewhere(variables: Sequence[Any]) -> bool:
    """Return whether the graph that is being traced keeps state outside some variables.

    Args:
        variables: These variables, of Keras.
    """
    graph: Any = tf.compat.v1.get_default_graph()
    handles = {id(variable.value.handle) for variable in variables}
    captured = captured_tensors(graph)
    if captured is None or any(outer.dtype == tf.resource and id(outer) not in handles for outer in captured):
        return True
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return any(_is_stateful(name) for name in {node.op for node in nodes})


def _is_stateful(name: str) -> bool:
    return not ("Variable" in name or name.startswith(_HARMLESS)) and is_stateful_operation(name)
