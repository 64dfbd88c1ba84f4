"""Trace the steps of a model with TensorFlow, and look for hidden state in a graph while it is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import tensorflow as tf

from study.core.trees import Tree, flattened, leaves
from study.training.tensorflow_internals import captured_tensors, is_stateful_operation

# Operations without their own state: they read and write variables, call functions, or check. All others that
# TensorFlow calls stateful keep a state between calls, such as its old random numbers, or act outside the graph.
_HARMLESS = ("StatefulPartitionedCall", "While", "If", "Case", "Assert", "Placeholder", "NoOp", "CudnnRNN", "Resource")


def traced(
    step: Callable[[Any], Any], batch: tuple[Tree, ...], *, jit_compile: bool
) -> Callable[[Iterator[Any]], Any]:
    """Return the function that Keras's loops call for each batch, traced once for batches of any size.

    Keras's own function takes batches from a `tf.data` iterator inside the graph, and each pass over the data needs a
    new iterator.

    Args:
        step: Keras's training or test step.
        batch: Inputs, targets and perhaps sample weights of an example. Batches may lack the weights.
        jit_compile: Let XLA compile the step.
    """

    @cache
    def concrete(n_parts: int) -> Any:
        arrays, rebuild = flattened(batch[:n_parts])
        signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
        compiled = tf.function(
            lambda *leaves: step(rebuild(leaves)), input_signature=signature, jit_compile=jit_compile, autograph=False
        )
        # It skips the choice between traces at each call, which takes half the time of a small step.
        return compiled.get_concrete_function()

    flat = len(leaves(batch)) == len(batch)  # as most batches are

    def take_step(iterator: Iterator[Any]) -> Any:
        given = next(iterator)
        function = concrete(len(given))
        arrays = given if flat else leaves(given)
        if any(array.dtype != spec.dtype for array, spec in zip(arrays, function.inputs, strict=False)):
            # Not from our own batches, but from an `evaluate` in a callback of the user's.
            arrays = [tf.cast(array, spec.dtype) for array, spec in zip(arrays, function.inputs, strict=False)]
        return function(*arrays)

    return take_step


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
