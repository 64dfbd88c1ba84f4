"""Train and evaluate with data that goes through the devices in pieces, in the same steps as with data they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from study.training.vectorized.compiler import EVERYWHERE, LANES, LANES_SECOND, Compiler, everywhere
from study.training.vectorized.lane_functions import Active, LaneFunctions, Shape, is_finite
from study.training.vectorized.pieces import PiecedSplit


class PiecewiseProgram:
    """The compiled functions of a program for one piece, and the passes over all pieces.

    While the device computes with a piece, the host reads the next one. The variables of the lanes and of their
    metrics stay on the device from piece to piece.

    Args:
        functions: The functions of a lane.
        shape: The sizes.
        compiler: The program's compiler.
    """

    def __init__(self, functions: LaneFunctions, shape: Shape, compiler: Compiler) -> None:
        self._functions, self._shape, self._compiler = functions, shape, compiler

    def epoch(
        self,
        state: Any,
        columns: Sequence[Any],
        order: Any,
        n_steps: int,
        train: PiecedSplit,
        validation: PiecedSplit,
        active: Active,
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Train for an epoch and validate, as `VectorizedProgram.epoch`.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes; not to be used afterwards.
            columns: Values of the formulas, each of shape (n_lanes,).
            order: The epoch's order, shape (n_examples,), or an order for each lane.
            n_steps: Number of steps to take, at most those of a pass.
            train: The training split.
            validation: The validation split.
            active: The lanes to train; if lanes step together, all are trained.
        """
        whole, means = self._train((*state, self._fresh(active)), columns, order, n_steps, train, active)
        trainable, others, optimizer, metrics = whole
        logs = self._result(metrics)
        averaged = self._to_evaluate(trainable, optimizer)
        validated, others = self._evaluate(averaged, others, validation, columns, active)
        if n := self._shape.n_evaluated:
            first = PiecedSplit(split=train.split, n_examples=min(n, train.n_examples), most_bytes=train.most_bytes)
            logs, others = self._evaluate(averaged, others, first, columns, active)
        logs = logs | {f"val_{name}": value for name, value in validated.items()}
        return (trainable, others, optimizer), means, logs

    def measure(
        self, state: Any, split: PiecedSplit, columns: Sequence[Any], active: Active
    ) -> tuple[dict[str, Any], Any, Any]:
        """Evaluate all lanes on a split, as `VectorizedProgram.measure`.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes.
            split: The split.
            columns: Values of the formulas, each of shape (n_lanes,).
            active: The lanes to evaluate; if lanes step together, all are evaluated.
        """
        trainable, others, _ = state
        finite = self._compiler.call("finite", jax.vmap(is_finite), trainable, others, specs=(LANES, LANES))
        logs, others = self._evaluate(trainable, others, split, columns, active)
        return logs, finite, others

    def _train(
        self,
        whole: Any,
        columns: Sequence[Any],
        order: Any,
        n_steps: int,
        train: PiecedSplit,
        active: Active,
    ) -> tuple[Any, Any]:
        """Take the steps of an epoch, and return the variables and the running means of the loss."""
        size, n_lanes = self._shape.batch_size, 1 if self._shape.one_order else self._shape.n_lanes
        n_of_piece, means = train.n_batches(size, n_lanes=n_lanes), list[Any]()
        pieces: Iterator[Any]
        if self._compiler.is_ahead:
            pieces = iter(train.forms(size, n_lanes=None if self._shape.one_order else n_lanes))
        elif self._shape.one_order:
            pieces = map(self._put, train.ordered(order, size))
        else:
            lanes = _lanes_of(active)
            pieces = map(self._put_by_lane, train.ordered_by_lane(order, size, lanes=lanes))
        for first in range(0, n_steps, n_of_piece):
            if (piece := next(pieces, None)) is None:
                break
            whole, losses = self._train_piece(whole, columns, piece, min(n_of_piece, n_steps - first), active)
            means.append(losses)
            jax.block_until_ready(means[-2:-1])  # at most one piece waits on the device
        return whole, means[0] if self._compiler.is_ahead else jnp.concatenate(means)

    def _train_piece(self, whole: Any, columns: Sequence[Any], piece: Any, n_steps: int, active: Active) -> Any:
        one_order = self._shape.one_order
        spec, axis = (EVERYWHERE, 0) if one_order else (LANES, 1)
        n_examples = jax.tree.leaves(piece)[0].shape[axis]

        def train(whole: Any, columns: Any, piece: Any, n_steps: Any, active: Active) -> Any:
            def train_one(whole: Any, lane: Any) -> Any:
                columns, own = lane
                examples = piece if one_order else own

                def batch(index: Any, n: int) -> Any:
                    start = index * self._shape.batch_size
                    return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, start, n), examples)

                return self._functions.steps(whole, columns, batch, n_examples=n_examples, n_steps=n_steps)

            whole, losses = self._functions.each(train_one, whole, (columns, () if one_order else piece), active)
            return whole, losses.T

        return self._compiler.call(
            ("train piece", n_examples),
            train,
            *(whole, columns, piece, np.int32(n_steps), active),
            specs=(LANES, LANES, spec, EVERYWHERE, LANES),
            out_specs=(LANES, LANES_SECOND),
            donate=(0,),
        )

    def _evaluate(
        self, trainable: Any, others: Any, split: PiecedSplit, columns: Sequence[Any], active: Active
    ) -> tuple[dict[str, Any], Any]:
        """Return the metrics on a split, and the non-trainable variables afterwards."""
        size, carried = self._shape.eval_batch_size, (others, self._fresh(active))
        pieces = split.forms(size) if self._compiler.is_ahead else map(self._put, split.stored(size))
        for piece in pieces:
            before, carried = carried, self._evaluate_piece(trainable, carried, piece, columns, active)
            jax.block_until_ready(before)  # at most one piece waits on the device
        return self._result(carried[1]), carried[0]

    def _evaluate_piece(
        self, trainable: Any, carried: Any, piece: Any, columns: Sequence[Any], active: Active
    ) -> tuple[Any, Any]:
        def evaluate(carried: Any, trainable: Any, piece: Any, columns: Any, active: Active) -> Any:
            def evaluate_one(carried: Any, lane: Any) -> Any:
                trainable, columns = lane
                return self._functions.evaluated(trainable, carried, piece, columns), ()

            return self._functions.each(evaluate_one, carried, (trainable, columns), active)[0]

        key = ("evaluate piece", jax.tree.leaves(piece)[0].shape[0])
        specs = (LANES, LANES, EVERYWHERE, LANES, LANES)
        return self._compiler.call(key, evaluate, carried, trainable, piece, columns, active, specs=specs)  # type: ignore[no-any-return]

    def _fresh(self, active: Active) -> Any:
        """Return the variables of the metrics of all lanes before the first step."""
        fresh = jax.vmap(lambda _: self._functions.fresh_metrics())
        return self._compiler.call("fresh metrics", fresh, active[0], specs=(LANES,))

    def _result(self, metrics: Any) -> dict[str, Any]:
        result = jax.vmap(self._functions.metrics_result)
        return self._compiler.call("result", result, metrics, specs=(LANES,))  # type: ignore[no-any-return]

    def _to_evaluate(self, trainable: Any, optimizer: Any) -> Any:
        if not self._functions.averages:
            return trainable
        function = jax.vmap(self._functions.to_evaluate)
        return self._compiler.call("to evaluate", function, trainable, optimizer, specs=(LANES, LANES))

    def _put(self, piece: Any) -> Any:
        return jax.tree.map(lambda array: everywhere(array, self._shape.n_devices), piece)

    def _put_by_lane(self, piece: Any) -> Any:
        return jax.tree.map(self._compiler.place, piece)


def _lanes_of(active: Active) -> NDArray[np.intp]:
    """Return the indices of the active lanes among those of all devices."""
    indices, counts = active
    by_device = np.asarray(indices).reshape(len(counts), -1)
    share = by_device.shape[1]
    return np.concatenate([device * share + by_device[device, :count] for device, count in enumerate(counts)])
