"""One compiled program that trains a fixed number of trials side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from study.training.vectorized.compiler import EVERYWHERE, LANES, LANES_SECOND, Compiler
from study.training.vectorized.lane_functions import Active, LaneFunctions, Shape, State, is_finite
from study.training.vectorized.piecewise import PiecewiseProgram
from study.training.vectorized.structure import VectorizedStructure


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
        self._call, self._functions = self.compiler.call, LaneFunctions(structure, shape)
        self._piecewise = PiecewiseProgram(self._functions, shape, self.compiler) if shape.in_pieces else None

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
            order: The epoch's order, shape (n_examples,) or (n_lanes, n_examples); for pieces perhaps a list of rows.
            n_steps: Number of steps to take, at most those of a pass.
            train: Inputs, targets and perhaps sample weights of the training split; a `PiecedSplit` if the program is
                for data in pieces.
            validation: Those of the validation split.
            active: The lanes to train; if lanes step together, all are trained.

        Returns:
            The variables afterwards; the running mean of the loss at each step, shape (n_batches, n_lanes); the
            epoch's metrics, each of shape (n_lanes,).
        """
        if self._piecewise is not None:
            return self._piecewise.epoch(state, columns, order, n_steps, train, validation, active)
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
            split: Inputs, targets and perhaps sample weights; a `PiecedSplit` if the program is for data in pieces.
            columns: Values of the formulas, each of shape (n_lanes,).
            active: The lanes to evaluate; if lanes step together, all are evaluated.

        Returns:
            The metrics, each of shape (n_lanes,); true for lanes whose weights are all finite, shape (n_lanes,); the
            non-trainable variables afterwards, since Keras's recurrent layers draw dropout in evaluations too.
        """
        if self._piecewise is not None:
            return self._piecewise.measure(state, split, columns, active)

        def measured(state: Any, split: Any, columns: Sequence[Any], active: Active) -> Any:
            def measure_one(others: Any, lane: Any) -> Any:
                trainable, columns = lane
                logs, others_after = self._functions.evaluate(trainable, others, split, columns)
                return others_after, (logs, is_finite(trainable, others))

            others, (logs, finite) = self._functions.each(measure_one, state[1], (state[0], columns), active)
            return logs, finite, others

        sizes = tuple(array.shape for array in jax.tree.leaves(split))
        key, specs = ("measure", sizes), (LANES, EVERYWHERE, LANES, LANES)
        return self._call(key, measured, state, split, columns, active, specs=specs)  # type: ignore[no-any-return]

    def kept(self, keeps: Any, state: Any, before: Any) -> Any:
        """Return the variables of each lane as they are, or those kept before.

        Args:
            keeps: True for lanes whose variables are to be kept as they are, shape (n_lanes,).
            state: Trainable, non-trainable and optimizer variables of all lanes.
            before: Those kept before, of the same structure.
        """

        def choose(keeps: Any, state: Any, before: Any) -> Any:
            return jax.tree.map(
                lambda new, old: jnp.where(keeps.reshape(-1, *[1] * (new.ndim - 1)), new, old), state, before
            )

        return self._call("kept", choose, self.compiler.place(keeps), state, before, specs=(LANES, LANES, LANES))

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
            return self._functions.finalized(state[0], state[2]), state[1], state[2]

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
        state, (losses, logs) = self._functions.each(train_one, state, lanes, active)
        return state, losses.T, logs

    def _epoch_of_one(self, state: Any, columns: Any, order: Any, n_steps: Any, train: Any, validation: Any) -> Any:
        """Train a lane for an epoch and validate."""
        size, of = self.shape.batch_size, self._functions

        def batch(index: Any, n: int) -> Any:
            chosen = jax.lax.dynamic_slice_in_dim(order, index * size, n, axis=-1)
            return jax.tree.map(lambda array: jnp.take(array, chosen, axis=0, mode="clip"), train)

        whole: State = (*state, of.fresh_metrics())
        whole, losses = of.steps(whole, columns, batch, n_examples=self.shape.n_examples, n_steps=n_steps)
        trainable, others, optimizer, metrics = whole
        logs = of.metrics_result(metrics)
        averaged = of.to_evaluate(trainable, optimizer)
        validated, others = of.evaluate(averaged, others, validation, columns)
        if n := self.shape.n_evaluated:
            first = jax.tree.map(lambda array: array[:n], train)
            logs, others = of.evaluate(averaged, others, first, columns)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        return (trainable, others, optimizer), (losses, logs)
