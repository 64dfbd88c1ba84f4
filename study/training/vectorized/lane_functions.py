"""The functions that compute with one lane: its steps, its evaluations, its metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras

from study.training.model_setup import steps_per_epoch
from study.training.vectorized.structure import VectorizedStructure

# Trainable, non-trainable, optimizer and metrics variables, in the form that Keras's own step takes.
State = tuple[list[Any], list[Any], list[Any], list[Any]]
# See `Places.active`: each device's lanes, with the active ones first, shape (n_lanes,); number of active lanes of
# each device, shape (n_devices,).
Active = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes that a program is compiled for.

    Attributes:
        n_lanes: Number of trials side by side, on all devices together.
        n_devices: Number of devices that share the lanes equally.
        abreast: True if the lanes of a device take each step together; False if one trains after the other.
        one_order: True if all lanes have the same batches.
        batch_size: Number of examples of a training step.
        eval_batch_size: Number of examples of a step of evaluation.
        n_examples: Number of examples of the training split.
        n_evaluated: Number of training examples, the first ones, on which an epoch's loss and metrics are evaluated
            after the epoch. Default 0: they are the running means over the epoch's steps.
        in_pieces: True if the data goes through the devices in pieces; False (the default) if they hold it.
    """

    n_lanes: int
    n_devices: int
    abreast: bool
    one_order: bool
    batch_size: int
    eval_batch_size: int
    n_examples: int
    n_evaluated: int = 0
    in_pieces: bool = False

    @property
    def n_local_lanes(self) -> int:
        """Number of trials side by side on one device."""
        return self.n_lanes // self.n_devices

    @property
    def n_batches(self) -> int:
        """Number of steps of an epoch."""
        return steps_per_epoch(self.n_examples, batch_size=self.batch_size)


class LaneFunctions:
    """Functions of one lane's variables, and their calls for all lanes of a device. JAX traces them.

    Args:
        structure: The parts that the trials share.
        shape: The sizes.
    """

    def __init__(self, structure: VectorizedStructure, shape: Shape) -> None:
        self._structure, self._shape = structure, shape

    def each(self, function: Callable[[Any, Any], Any], state: Any, lanes: Any, active: Active) -> Any:
        """Call a function for each of the local lanes.

        Lanes that step together are all computed. Lanes that train one after the other are skipped if not active.

        Args:
            function: Takes a lane's variables and its other values; returns its variables and other results.
            state: The variables of all local lanes.
            lanes: The other values of all local lanes.
            active: The lanes to compute.

        Returns:
            The variables and the other results; for a skipped lane, unchanged variables and zeros.
        """
        if self._shape.abreast:
            return jax.vmap(function)(state, lanes)
        of_lane = jax.jit(function)  # traced only once
        indices, (count,) = active

        def one(values: Any, index: Any) -> Any:
            return jax.tree.map(lambda v: jax.lax.dynamic_index_in_dim(v, index, keepdims=False), values)

        def body(position: Any, carried: Any) -> Any:
            index = indices[position]
            found = of_lane(one(carried[0], index), one(lanes, index))
            return jax.tree.map(lambda v, new: jax.lax.dynamic_update_index_in_dim(v, new, index, 0), carried, found)

        shapes = jax.eval_shape(of_lane, one(state, 0), one(lanes, 0))[1]
        zeros = jax.tree.map(lambda like: jnp.zeros((self._shape.n_local_lanes, *like.shape), like.dtype), shapes)
        return jax.lax.fori_loop(0, count, body, (state, zeros))

    def steps(
        self, whole: State, columns: Any, batch: Callable[[Any, int], Any], *, n_examples: int, n_steps: Any
    ) -> tuple[State, Any]:
        """Take the training steps of some examples.

        Args:
            whole: The variables.
            columns: Value of each formula.
            batch: Returns the batch of a step, for its index and its number of examples.
            n_examples: Number of examples; the last batch may be smaller.
            n_steps: Number of steps to take, at most those of the examples.

        Returns:
            The variables afterwards; the running mean of the loss at each step, shape (n_batches,).
        """
        size, n_batches = self._shape.batch_size, steps_per_epoch(n_examples, batch_size=self._shape.batch_size)
        rest = n_examples - (n_batches - 1) * size
        n_full = n_batches - (rest < size)

        def step(index: Any, carried: Any, n: int) -> Any:
            whole, losses = carried
            chosen = batch(index, n)
            self._structure.frame.bind(columns)
            logs, whole = self._structure.model.train_step(whole, chosen)
            return whole, losses.at[index].set(logs["loss"])

        carried = whole, jnp.zeros(n_batches)
        if n_full:
            carried = jax.lax.fori_loop(0, jnp.minimum(n_steps, n_full), lambda i, c: step(i, c, size), carried)
        if rest < size:
            carried = jax.lax.cond(n_steps > n_full, lambda c: step(n_full, c, rest), lambda c: c, carried)
        whole, losses = carried
        return whole, losses

    def evaluate(self, trainable: Any, others: Any, split: Any, columns: Any) -> tuple[dict[str, Any], Any]:
        """Return the metrics on a split, and the non-trainable variables afterwards.

        Args:
            trainable: The trainable variables.
            others: The non-trainable variables.
            split: Inputs, targets and perhaps sample weights.
            columns: Value of each formula.
        """
        others, metrics = self.evaluated(trainable, (others, self.fresh_metrics()), split, columns)
        return self.metrics_result(metrics), others

    def evaluated(self, trainable: Any, carried: Any, split: Any, columns: Any) -> Any:
        """Return non-trainable variables and metrics after an evaluation by Keras's own test step.

        Args:
            trainable: The trainable variables.
            carried: Non-trainable variables and metrics before.
            split: Inputs, targets and perhaps sample weights, of a split or a part of it.
            columns: Value of each formula.
        """
        size, n = self._shape.eval_batch_size, jax.tree.leaves(split)[0].shape[0]

        def step(carried: Any, batch: Any) -> tuple[Any, Any]:
            others, metrics = carried
            self._structure.frame.bind(columns)
            _, (_, others, metrics) = self._structure.model.test_step((trainable, others, metrics), batch)
            return others, metrics

        def body(index: Any, carried: Any) -> Any:
            batch = jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, index * size, size), split)
            return step(carried, batch)

        if n >= size:
            carried = jax.lax.fori_loop(0, n // size, body, carried)
        if n % size:
            carried = step(carried, jax.tree.map(lambda array: array[n - n % size :], split))
        return carried

    def fresh_metrics(self) -> list[Any]:
        """Return the variables of the metrics before the first step."""
        model = self._structure.model
        with keras.StatelessScope([(v, jnp.zeros(v.shape, v.dtype)) for v in model.metrics_variables]) as scope:
            model.reset_metrics()
        return [scope.get_current_value(variable) for variable in model.metrics_variables]

    def metrics_result(self, metrics: Any) -> dict[str, Any]:
        """Return the metrics by name.

        Args:
            metrics: Their variables.
        """
        model = self._structure.model
        with keras.StatelessScope(list(zip(model.metrics_variables, metrics, strict=True))):
            return dict(model.get_metrics_result())

    @property
    def averages(self) -> bool:
        """True if an epoch is evaluated with other weights than those that are trained: with their averages."""
        return bool(self._structure.model.optimizer.use_ema)

    def to_evaluate(self, trainable: Any, optimizer: Any) -> Any:
        """Return the weights for the evaluation of an epoch: averages if the optimizer keeps any.

        Args:
            trainable: The trainable variables.
            optimizer: The optimizer's variables.
        """
        # keras.callbacks.SwapEMAWeights does the same for a validation.
        return self.finalized(trainable, optimizer) if self.averages else trainable

    def finalized(self, trainable: Any, optimizer: Any) -> list[Any]:
        """Return the final weights that the optimizer sets.

        Args:
            trainable: The trainable variables.
            optimizer: The optimizer's variables.
        """
        model = self._structure.model
        known = [*zip(model.trainable_variables, trainable, strict=True)]
        known += zip(model.optimizer.variables, optimizer, strict=True)
        with keras.StatelessScope(known) as scope:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        return [scope.get_current_value(variable) for variable in model.trainable_variables]


def is_finite(trainable: Any, others: Any) -> Any:
    """Return whether all weights of a lane are finite.

    Args:
        trainable: The trainable variables.
        others: The non-trainable variables.
    """
    return jnp.all(jnp.stack([jnp.isfinite(value).all() for value in (*trainable, *others)]))
