"""One compiled program that trains a fixed number of trials side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from study.training.vectorized_structure import Structure

# Trainable, non-trainable, optimizer's and metrics' variables, as Keras's own step has them.
State = tuple[list[Any], list[Any], list[Any], list[Any]]
# How an array lies on the devices: each has its share of the lanes, or all of it.
_LANES, _EVERYWHERE = PartitionSpec("lanes"), PartitionSpec()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a program is compiled for.

    Attributes:
        n_lanes: Trials side by side, on all devices together.
        n_devices: Devices that share them equally.
        one_order: Whether they all see the same batches.
        batch_size: Examples a step.
        eval_batch_size: Examples a step of evaluation.
        n_examples: Examples of the training split.
    """

    n_lanes: int
    n_devices: int
    one_order: bool
    batch_size: int
    eval_batch_size: int
    n_examples: int

    @property
    def n_local_lanes(self) -> int:
        """Trials side by side on one device."""
        return self.n_lanes // self.n_devices

    @property
    def n_batches(self) -> int:
        """Steps of an epoch."""
        return -(-self.n_examples // self.batch_size)


class NoRoomError(Exception):
    """Raised where a program does not fit into the device's memory.

    Args:
        n_lanes: How many lanes may fit.
    """

    def __init__(self, n_lanes: int) -> None:
        super().__init__(f"{n_lanes} trials at once may fit")
        self.n_lanes = n_lanes


class Program:
    """The compiled functions of one structure and one shape.

    Args:
        structure: What the trials share.
        shape: How many there are, and of what batches.
        max_bytes: The most memory that a call may take; None leaves it to the device to refuse.

    Attributes:
        seconds_compile: What tracing and compiling took so far.
        bytes_at_once: The most memory that one call needs.
    """

    def __init__(self, structure: Structure, shape: Shape, *, max_bytes: float | None) -> None:
        self.structure, self.shape, self._max_bytes = structure, shape, max_bytes
        self.seconds_compile = 0.0
        self.bytes_at_once = 0
        self._compiled: dict[Any, Any] = {}
        self._mesh = mesh(shape.n_devices)

    def place(self, by_lane: Any) -> Any:
        """Put an array whose first axis is the lanes on the devices."""
        return jax.device_put(by_lane, NamedSharding(self._mesh, _LANES))

    def initial(self, seeds: Any, columns: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the initial variables of all lanes.

        Args:
            seeds: Draws, shape (n_lanes, n_draws).
            columns: The formulas' values, each of shape (n_lanes,).
        """
        start = jax.vmap(self.structure.initial_state)
        return self._call("initial", start, seeds, columns, specs=(_LANES, _LANES))  # type: ignore[no-any-return]

    def initial_from(self, weights: Sequence[Any], columns: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the initial variables for given weights, each of shape (n_lanes, *variable.shape)."""

        def start(weights: Sequence[Any], columns: Sequence[Any]) -> Any:
            return self.structure.state_from(weights, columns)[0]

        return self._call("initial_from", jax.vmap(start), weights, columns, specs=(_LANES, _LANES))  # type: ignore[no-any-return]

    def epoch(
        self, state: Any, columns: Sequence[Any], order: Any, n_steps: int, train: Any, validation: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Train for an epoch and validate.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes; not to be used afterwards.
            columns: The formulas' values.
            order: The epoch's order, shape (n_examples,), or (n_lanes, n_examples).
            n_steps: Steps to take, at most those of a pass.
            train: Inputs and targets.
            validation: Inputs and targets.

        Returns:
            The variables afterwards; the running mean of the loss at each step, shape (n_batches, n_lanes); the
            epoch's metrics, each of shape (n_lanes,).
        """
        order_spec = _EVERYWHERE if self.shape.one_order else _LANES
        return self._call(  # type: ignore[no-any-return]
            "epoch",
            self._epoch,
            *(state, columns, order, np.int32(n_steps), train, validation),
            specs=(_LANES, _LANES, order_spec, _EVERYWHERE, _EVERYWHERE, _EVERYWHERE),
            out_specs=(_LANES, PartitionSpec(None, "lanes"), _LANES),
            donate=(0,),
        )

    def measure(self, state: Any, split: Any, columns: Sequence[Any]) -> tuple[dict[str, Any], Any, Any]:
        """Evaluate on a split.

        Returns:
            The metrics, each of shape (n_lanes,); whether all weights are finite; the non-trainable variables
            afterwards: Keras's recurrent layers draw their dropout in evaluations too.
        """

        def measured(state: Any, split: Any, columns: Sequence[Any]) -> Any:
            logs, others = self._evaluate(state[0], state[1], split, columns)
            return logs, jax.vmap(self._is_finite)(state[0], state[1]), others

        key = ("measure", split[0].shape)
        return self._call(key, measured, state, split, columns, specs=(_LANES, _EVERYWHERE, _LANES))  # type: ignore[no-any-return]

    def finalize(self, state: Any, columns: Sequence[Any]) -> Any:
        """Let the optimizer set the final weights: averages, where it keeps them."""

        def final(state: Any, columns: Sequence[Any]) -> Any:
            self.structure.frame.bind(columns)
            return self._finalized(state[0], state[2]), state[1], state[2]

        return self._call("finalize", jax.vmap(final), state, columns, specs=(_LANES, _LANES))

    def forget(self) -> None:
        """Give back the compiled functions."""
        self._compiled.clear()

    def _call(
        self,
        key: Any,
        function: Callable[..., Any],
        *arguments: Any,
        specs: tuple[PartitionSpec, ...],
        out_specs: Any = _LANES,
        donate: tuple[int, ...] = (),
    ) -> Any:
        """Call a function of local lanes on every device, compiled at its first call."""
        try:
            if key not in self._compiled:
                began = perf_counter()
                local = jax.shard_map(function, mesh=self._mesh, in_specs=specs, out_specs=out_specs, check_vma=False)
                self._compiled[key] = jax.jit(local, donate_argnums=donate).lower(*arguments).compile()
                self.seconds_compile += perf_counter() - began
                self._check_room(_bytes_of(self._compiled[key]))
            return self._compiled[key](*arguments)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or self.shape.n_lanes == 1:
                raise
            raise NoRoomError(self.shape.n_lanes // 2) from error

    def _check_room(self, needed: int) -> None:
        self.bytes_at_once = max(self.bytes_at_once, needed)
        if self._max_bytes is not None and needed > self._max_bytes and self.shape.n_lanes > 1:
            raise NoRoomError(max(1, min(self.shape.n_lanes - 1, int(self.shape.n_lanes * self._max_bytes / needed))))

    def _epoch(self, state: Any, columns: Any, order: Any, n_steps: Any, train: Any, validation: Any) -> Any:
        size, n_batches = self.shape.batch_size, self.shape.n_batches
        rest = self.shape.n_examples - (n_batches - 1) * size
        n_full = n_batches - (rest < size)
        whole: State = (*state, self._fresh_metrics())
        losses = jnp.zeros((n_batches, self.shape.n_local_lanes))

        def step(index: Any, carried: Any, n: int) -> Any:
            whole, losses = carried
            chosen = jax.lax.dynamic_slice_in_dim(order, index * size, n, axis=-1)
            x, y = (jnp.take(array, chosen, axis=0) for array in train)
            whole, loss = self._train(whole, columns, x, y)
            return whole, losses.at[index].set(loss)

        carried = jax.lax.fori_loop(0, jnp.minimum(n_steps, n_full), lambda i, c: step(i, c, size), (whole, losses))
        if rest < size:
            carried = jax.lax.cond(n_steps > n_full, lambda c: step(n_full, c, rest), lambda c: c, carried)
        (trainable, others, optimizer, metrics), losses = carried
        logs = jax.vmap(self._metrics_result)(metrics)
        averaged = trainable
        if self.structure.model.optimizer.use_ema:  # what keras.callbacks.SwapEMAWeights does for a validation
            averaged = jax.vmap(self._finalized)(trainable, optimizer)
        validated, others = self._evaluate(averaged, others, validation, columns)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        return (trainable, others, optimizer), losses, logs

    def _train(self, whole: State, columns: Any, x: Any, y: Any) -> tuple[State, Any]:
        """Take Keras's own training step in every lane."""

        def step(whole: State, columns: Any, x: Any, y: Any) -> tuple[State, Any]:
            self.structure.frame.bind(columns)
            logs, whole = self.structure.model.train_step(whole, (x, y))
            return whole, logs["loss"]

        batch_axis = None if self.shape.one_order else 0
        return jax.vmap(step, in_axes=(0, 0, batch_axis, batch_axis))(whole, columns, x, y)  # type: ignore[no-any-return]

    def _evaluate(self, trainable: Any, others: Any, split: Any, columns: Any) -> tuple[dict[str, Any], Any]:
        """Take Keras's own test step over a split in every lane."""
        size, n = self.shape.eval_batch_size, split[0].shape[0]
        model = self.structure.model

        def step(others: Any, metrics: Any, trainable: Any, columns: Any, x: Any, y: Any) -> tuple[Any, Any]:
            self.structure.frame.bind(columns)
            _, (_, others, metrics) = model.test_step((trainable, others, metrics), (x, y))
            return others, metrics

        every_lane = jax.vmap(step, in_axes=(0, 0, 0, 0, None, None))

        def body(index: Any, carried: Any) -> Any:
            x, y = (jax.lax.dynamic_slice_in_dim(array, index * size, size) for array in split)
            return every_lane(*carried, trainable, columns, x, y)

        carried = (others, self._fresh_metrics())
        if n >= size:
            carried = jax.lax.fori_loop(0, n // size, body, carried)
        if n % size:
            carried = every_lane(*carried, trainable, columns, *(array[n - n % size :] for array in split))
        return jax.vmap(self._metrics_result)(carried[1]), carried[0]

    def _fresh_metrics(self) -> list[Any]:
        model, n = self.structure.model, self.shape.n_local_lanes
        with keras.StatelessScope([(v, jnp.zeros(v.shape, v.dtype)) for v in model.metrics_variables]) as scope:
            model.reset_metrics()
        values = [scope.get_current_value(variable) for variable in model.metrics_variables]
        return [jnp.broadcast_to(value, (n, *value.shape)) for value in values]

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


def mesh(n_devices: int) -> Mesh:
    """Return the first local devices, along which lanes are shared out."""
    return Mesh(np.asarray(jax.local_devices()[:n_devices]), ("lanes",))


def everywhere(array: Any, n_devices: int) -> Any:
    """Put a whole array on each of the first local devices."""
    return jax.device_put(array, NamedSharding(mesh(n_devices), _EVERYWHERE))


def _bytes_of(compiled: Any) -> int:
    """Return the memory that a compiled function takes on a device while it runs; 0 where the platform does not tell."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    taken = analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
    return int(taken - analysis.alias_size_in_bytes)
