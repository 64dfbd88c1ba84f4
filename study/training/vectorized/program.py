"""One compiled program that trains a fixed number of trials side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from study.training.model_setup import steps_per_epoch
from study.training.vectorized.compiler import EVERYWHERE, LANES, LANES_SECOND, Compiler
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
    """

    n_lanes: int
    n_devices: int
    abreast: bool
    one_order: bool
    batch_size: int
    eval_batch_size: int
    n_examples: int
    n_evaluated: int = 0

    @property
    def n_local_lanes(self) -> int:
        """Number of trials side by side on one device."""
        return self.n_lanes // self.n_devices

    @property
    def n_batches(self) -> int:
        """Number of steps of an epoch."""
        return steps_per_epoch(self.n_examples, batch_size=self.batch_size)


class VectorizedProgram:
    """The compiled functions of one structure and one shape.

    Args:
        structure: The parts that the trials share.
        shape: The sizes.
        max_bytes: Largest memory that a call may take on a device, in bytes; None: the device itself refuses.

    Attributes:
        compiler: Compiles and calls its functions.
    """

    def __init__(self, structure: VectorizedStructure, shape: Shape, *, max_bytes: float | None) -> None:
        self.structure, self.shape = structure, shape
        self.compiler = Compiler(n_lanes=shape.n_lanes, n_devices=shape.n_devices, max_bytes=max_bytes)
        self._call = self.compiler.call

    def initial(self, seeds: Any, columns: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the initial variables of all lanes.

        Args:
            seeds: Drawn seeds, shape (n_lanes, n_draws).
            columns: Values of the formulas, each of shape (n_lanes,).
        """

        def start(seeds: Any, columns: Sequence[Any]) -> Any:
            # Lane by lane, to avoid a deadlock. JAX divides a batch of QR factorizations (orthogonal initializers)
            # into tasks for the threads that run the devices. If each of these threads waits for such a task, no
            # thread runs it.
            return jax.lax.map(lambda lane: self.structure.initial_state(*lane), (seeds, columns))

        specs = (LANES, LANES)
        return self._call("initial", start, seeds, columns, specs=specs, optimize=False)  # type: ignore[no-any-return]

    def initial_from(self, weights: Sequence[Any], columns: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the initial variables of all lanes for given weights.

        Args:
            weights: The weights, each of shape (n_lanes, *variable.shape).
            columns: Values of the formulas, each of shape (n_lanes,).
        """

        def start(weights: Sequence[Any], columns: Sequence[Any]) -> Any:
            return self.structure.state_from(weights, columns)[0]

        return self._call("initial_from", jax.vmap(start), weights, columns, specs=(LANES, LANES))  # type: ignore[no-any-return]

    def epoch(
        self, state: Any, columns: Sequence[Any], order: Any, n_steps: int, train: Any, validation: Any, active: Active
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Train for an epoch and validate.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes; not to be used afterwards.
            columns: Values of the formulas, each of shape (n_lanes,).
            order: The epoch's order, shape (n_examples,) or (n_lanes, n_examples).
            n_steps: Number of steps to take, at most those of a pass.
            train: Inputs, targets and perhaps sample weights of the training split.
            validation: Those of the validation split.
            active: The lanes to train; if lanes step together, all are trained.

        Returns:
            The variables afterwards; the running mean of the loss at each step, shape (n_batches, n_lanes); the
            epoch's metrics, each of shape (n_lanes,).
        """
        order_spec = EVERYWHERE if self.shape.one_order else LANES
        return self._call(  # type: ignore[no-any-return]
            "epoch",
            self._epoch,
            *(state, columns, order, np.int32(n_steps), train, validation, active),
            specs=(LANES, LANES, order_spec, EVERYWHERE, EVERYWHERE, EVERYWHERE, LANES),
            out_specs=(LANES, LANES_SECOND, LANES),
            donate=(0,),
        )

    def measure(
        self, state: Any, split: Any, columns: Sequence[Any], active: Active
    ) -> tuple[dict[str, Any], Any, Any]:
        """Evaluate all lanes on a split.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes.
            split: Inputs, targets and perhaps sample weights.
            columns: Values of the formulas, each of shape (n_lanes,).
            active: The lanes to evaluate; if lanes step together, all are evaluated.

        Returns:
            The metrics, each of shape (n_lanes,); true for lanes whose weights are all finite, shape (n_lanes,); the
            non-trainable variables afterwards, since Keras's recurrent layers draw dropout in evaluations too.
        """

        def measured(state: Any, split: Any, columns: Sequence[Any], active: Active) -> Any:
            def measure_one(others: Any, lane: Any) -> Any:
                trainable, columns = lane
                logs, others_after = self._evaluate(trainable, others, split, columns)
                return others_after, (logs, self._is_finite(trainable, others))

            others, (logs, is_finite) = self._each(measure_one, state[1], (state[0], columns), active)
            return logs, is_finite, others

        sizes = tuple(array.shape for array in jax.tree.leaves(split))
        key, specs = ("measure", sizes), (LANES, EVERYWHERE, LANES, LANES)
        return self._call(key, measured, state, split, columns, active, specs=specs)  # type: ignore[no-any-return]

    def finalized(self, state: Any, columns: Sequence[Any]) -> Any:
        """Return the variables with the final weights that the optimizer sets, such as averages.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes.
            columns: Values of the formulas, each of shape (n_lanes,).
        """
        optimizer = self.structure.model.optimizer
        own = type(optimizer).finalize_variable_values is not keras.optimizers.Optimizer.finalize_variable_values
        if not (optimizer.use_ema or own):
            return state

        def final(state: Any, columns: Sequence[Any]) -> Any:
            self.structure.frame.bind(columns)
            return self._finalized(state[0], state[2]), state[1], state[2]

        return self._call("finalized", jax.vmap(final), state, columns, specs=(LANES, LANES))

    def _epoch(
        self, state: Any, columns: Any, order: Any, n_steps: Any, train: Any, validation: Any, active: Active
    ) -> Any:
        """Train the local lanes for an epoch."""
        one_order = self.shape.one_order

        def train_one(state: Any, lane: Any) -> Any:
            columns, own = lane
            return self._epoch_of_one(state, columns, order if one_order else own, n_steps, train, validation)

        lanes = (columns, () if one_order else order)
        state, (losses, logs) = self._each(train_one, state, lanes, active)
        return state, losses.T, logs

    def _each(self, function: Callable[[Any, Any], Any], state: Any, lanes: Any, active: Active) -> Any:
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
        if self.shape.abreast:
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
        zeros = jax.tree.map(lambda like: jnp.zeros((self.shape.n_local_lanes, *like.shape), like.dtype), shapes)
        return jax.lax.fori_loop(0, count, body, (state, zeros))

    def _epoch_of_one(self, state: Any, columns: Any, order: Any, n_steps: Any, train: Any, validation: Any) -> Any:
        """Train a lane for an epoch and validate."""
        size, n_batches = self.shape.batch_size, self.shape.n_batches
        rest = self.shape.n_examples - (n_batches - 1) * size
        n_full = n_batches - (rest < size)
        model = self.structure.model

        def step(index: Any, carried: Any, n: int) -> Any:
            whole, losses = carried
            chosen = jax.lax.dynamic_slice_in_dim(order, index * size, n, axis=-1)
            batch = jax.tree.map(lambda array: jnp.take(array, chosen, axis=0, mode="clip"), train)
            self.structure.frame.bind(columns)
            logs, whole = model.train_step(whole, batch)
            return whole, losses.at[index].set(logs["loss"])

        whole: State = (*state, self._fresh_metrics())
        carried = whole, jnp.zeros(n_batches)
        carried = jax.lax.fori_loop(0, jnp.minimum(n_steps, n_full), lambda i, c: step(i, c, size), carried)
        if rest < size:
            carried = jax.lax.cond(n_steps > n_full, lambda c: step(n_full, c, rest), lambda c: c, carried)
        (trainable, others, optimizer, metrics), losses = carried
        logs = self._metrics_result(metrics)
        # keras.callbacks.SwapEMAWeights does the same for a validation.
        averaged = self._finalized(trainable, optimizer) if model.optimizer.use_ema else trainable
        validated, others = self._evaluate(averaged, others, validation, columns)
        if n := self.shape.n_evaluated:
            first = jax.tree.map(lambda array: array[:n], train)
            logs, others = self._evaluate(averaged, others, first, columns)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        return (trainable, others, optimizer), (losses, logs)

    def _evaluate(self, trainable: Any, others: Any, split: Any, columns: Any) -> tuple[dict[str, Any], Any]:
        """Evaluate a lane on a split by Keras's own test step."""
        size, n = self.shape.eval_batch_size, jax.tree.leaves(split)[0].shape[0]

        def step(carried: Any, batch: Any) -> tuple[Any, Any]:
            others, metrics = carried
            self.structure.frame.bind(columns)
            _, (_, others, metrics) = self.structure.model.test_step((trainable, others, metrics), batch)
            return others, metrics

        def body(index: Any, carried: Any) -> Any:
            batch = jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, index * size, size), split)
            return step(carried, batch)

        carried = (others, self._fresh_metrics())
        if n >= size:
            carried = jax.lax.fori_loop(0, n // size, body, carried)
        if n % size:
            carried = step(carried, jax.tree.map(lambda array: array[n - n % size :], split))
        others, metrics = carried
        return self._metrics_result(metrics), others

    def _fresh_metrics(self) -> list[Any]:
        model = self.structure.model
        with keras.StatelessScope([(v, jnp.zeros(v.shape, v.dtype)) for v in model.metrics_variables]) as scope:
            model.reset_metrics()
        return [scope.get_current_value(variable) for variable in model.metrics_variables]

    def _metrics_result(self, metrics: Any) -> dict[str, Any]:
        model = self.structure.model
        with keras.StatelessScope(list(zip(model.metrics_variables, metrics, strict=True))):
            return dict(model.get_metrics_result())

    def _finalized(self, trainable: Any, optimizer: Any) -> list[Any]:
        model = self.structure.model
        known = [*zip(model.trainable_variables, trainable, strict=True)]
        known += zip(model.optimizer.variables, optimizer, strict=True)
        with keras.StatelessScope(known) as scope:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        return [scope.get_current_value(variable) for variable in model.trainable_variables]

    def _is_finite(self, trainable: Any, others: Any) -> Any:
        return jnp.all(jnp.stack([jnp.isfinite(value).all() for value in (*trainable, *others)]))
