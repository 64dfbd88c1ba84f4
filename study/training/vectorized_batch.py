"""Train one batch of trials in a compiled program, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from study.results import EpochReport, OnEpoch, State, Trial, TrialResult
from study.seeds import epoch_order
from study.training.vectorized_program import Program
from study.training.vectorized_structure import Settings, state_bytes
from study.training.watch import step_losses


@dataclass(kw_only=True)
class Lane:
    """A trial and how far it has come.

    Attributes:
        trial: The trial.
        settings: Its optimizer's settings.
        state: How it ended, None as long as it trains.
        history: Per metric one value an epoch.
        step: Steps taken.
        summary: Scalars known so far.
        weights: Its weights where it was stopped, when asked for.
    """

    trial: Trial
    settings: Settings
    state: State | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    step: int = 0
    summary: dict[str, float] = field(default_factory=dict)
    weights: tuple[NDArray[np.generic], ...] | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs reported."""
        return max((len(values) for values in self.history.values()), default=0)


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data on the device, and how much of it is trained on.

    Attributes:
        train: Inputs and targets.
        validation: Inputs and targets.
        test: Inputs and targets.
        loss: The training examples on which the loss is taken before and after training.
        n_steps: Steps of a whole training.
        every_n_steps: Report the loss of every n-th step too.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]
    loss: tuple[Any, Any]
    n_steps: int
    every_n_steps: int | None


class CallerError(Exception):
    """Wraps what `on_epoch` raised, which is no failure of a trial."""


class Batch:
    """Trains some trials side by side; the program's other lanes repeat the last one.

    Args:
        program: What trains them.
        data: What they are trained on.
        lanes: The trials, at most as many as the program has lanes.
        initial_weights: Initial weights of every lane by variable, where they cannot be drawn from seeds.
    """

    def __init__(
        self,
        program: Program,
        data: Data,
        lanes: Sequence[Lane],
        *,
        initial_weights: Sequence[NDArray[np.generic]] | None = None,
    ) -> None:
        self._program, self._data, self._lanes = program, data, lanes
        self._initial_weights = initial_weights
        padded = [*lanes, *[lanes[-1]] * (program.shape.n_lanes - len(lanes))]
        self._padded = padded
        frame = program.structure.frame
        self._columns = [
            program.compiler.place(column) for column in frame.columns([p.settings.numbers for p in padded])
        ]
        self._state: Any = None

    def compile_ahead(self) -> None:
        """Let threads compile what training will call, all of it at the same time."""
        program, data, trial = self._program, self._data, self._lanes[0].trial
        with program.compiler.ahead():
            state = self._initial_state()
            program.measure(state, data.loss, self._columns)
            program.epoch(state, self._columns, self._order(0), data.n_steps, data.train, data.validation)
            if trial.test:
                program.measure(state, data.test, self._columns)

    def train(self, on_epoch: OnEpoch, *, meanwhile: Callable[[], None] | None = None) -> list[TrialResult]:
        """Train the trials and return a result for each, in their order.

        Args:
            on_epoch: Told about every epoch of every trial.
            meanwhile: Called once while the devices train.
        """
        compiled_before, began = self._program.compiler.seconds, perf_counter()
        self.compile_ahead()
        trainable, others, optimizer = self._initial_state()
        losses, _, others = self._program.measure((trainable, others, optimizer), self._data.loss, self._columns)
        self._state = (trainable, others, optimizer)
        for lane, value in zip(self._lanes, np.asarray(losses["loss"]), strict=False):
            lane.summary["initial_loss"] = float(value)
        prepared, compiled = perf_counter(), self._program.compiler.seconds
        self._train_epochs(on_epoch, meanwhile)
        jax.block_until_ready(self._state)
        trained = perf_counter()
        seconds_train = trained - prepared - (self._program.compiler.seconds - compiled)
        compiled_in_between = self._program.compiler.seconds
        self._finish()
        seconds_compile = self._program.compiler.seconds - compiled_before
        seconds_evaluate = perf_counter() - trained - (self._program.compiler.seconds - compiled_in_between)
        seconds_evaluate += prepared - began - (compiled - compiled_before)
        costs = {"train": seconds_train, "compile": seconds_compile, "evaluate": seconds_evaluate}
        shares = {f"seconds_{name}": seconds / len(self._lanes) for name, seconds in costs.items()}
        return [self._result(lane, shares) for lane in self._lanes]

    def _initial_state(self) -> Any:
        replay = self._program.structure.replay
        if replay is None:
            return self._program.initial_from(self._initial_weights or (), self._columns)
        seeds = np.stack([replay.seeds(lane.trial.run_seed) for lane in self._padded])
        return self._program.initial(seeds, self._columns)

    def _train_epochs(self, on_epoch: OnEpoch, meanwhile: Callable[[], None] | None) -> None:
        """Train until the budget is spent or nobody is left.

        The next epoch is sent off before the last one is reported, so that the device need not wait for the caller.
        Where weights are to be kept it is not: those of a stopped trial are taken where it stopped.
        """
        n_epochs = -(-self._data.n_steps // self._program.shape.n_batches)
        ahead = not any(lane.trial.keep_weights for lane in self._lanes)
        sent = self._send(0)
        if meanwhile is not None:
            meanwhile()
        for epoch in range(n_epochs):
            current, sent = sent, None
            if ahead and epoch + 1 < n_epochs:
                sent = self._send(epoch + 1)
            self._report(epoch, current, on_epoch)
            if all(lane.state is not None for lane in self._lanes):
                return
            if sent is None and epoch + 1 < n_epochs:
                sent = self._send(epoch + 1)

    def _send(self, epoch: int) -> Any:
        """Start an epoch on the device."""
        shape, data = self._program.shape, self._data
        n_steps = min(shape.n_batches, data.n_steps - epoch * shape.n_batches)
        self._state, means, logs = self._program.epoch(
            self._state, self._columns, self._order(epoch), n_steps, data.train, data.validation
        )
        return n_steps, means, logs

    def _order(self, epoch: int) -> NDArray[np.int32]:
        """Return the order of an epoch's examples, the same for all lanes or a row for each."""
        shape = self._program.shape
        seeds = [lane.trial.order_seed for lane in self._padded]
        drawn = {seed: epoch_order(seed, epoch, shape.n_examples) for seed in set(seeds)}
        return drawn[seeds[0]] if shape.one_order else np.stack([drawn[seed] for seed in seeds])

    def _report(self, epoch: int, sent: Any, on_epoch: OnEpoch) -> None:
        """Tell the caller about an epoch of every trial that still trains."""
        n_steps, means, logs = sent
        running = np.asarray(means, dtype=np.float64)[:n_steps]
        metrics = {name: np.asarray(values).tolist() for name, values in logs.items()}
        before = epoch * self._program.shape.n_batches
        for index, lane in enumerate(self._lanes):
            if lane.state is not None or lane.n_epochs > epoch:
                continue
            lane.step = before + n_steps
            infinite = np.flatnonzero(~np.isfinite(running[:, index]))
            if infinite.size:
                lane.state = "diverged"
                lane.summary["diverged_at_step"] = float(before + infinite[0] + 1)
                lane.weights = self._weights(index, self._state) if lane.trial.keep_weights else None
                continue
            values = {name: float(column[index]) for name, column in metrics.items()}
            for name, value in values.items():
                lane.history.setdefault(name, []).append(value)
            steps = self._step_losses(running[:, index], first_step=before + 1)
            report = EpochReport(epoch=epoch, step=lane.step, metrics=values, steps=steps)
            if not _ask(on_epoch, lane.trial, report) and lane.step < self._data.n_steps:
                lane.state = "pruned"
                lane.weights = self._weights(index, self._finalized()) if lane.trial.keep_weights else None

    def _step_losses(self, means: NDArray[np.float64], *, first_step: int) -> dict[str, NDArray[np.float64]]:
        if self._data.every_n_steps is None:
            return {}
        shape = self._program.shape
        seen = np.minimum(np.arange(1, len(means) + 1) * shape.batch_size, shape.n_examples)
        return step_losses(means, seen, first_step=first_step, every_n_steps=self._data.every_n_steps)

    def _finish(self) -> None:
        """Judge what trained to its end, and evaluate it on the test split where that was asked for."""
        complete = [index for index, lane in enumerate(self._lanes) if lane.state is None]
        if not complete:
            return
        state = self._finalized()
        logs, whole, _ = self._program.measure(state, self._data.loss, self._columns)
        losses, is_whole = np.asarray(logs["loss"]), np.asarray(whole)
        tested: dict[str, Any] = {}
        if any(lane.trial.test for lane in self._lanes):
            measured, _, _ = self._program.measure(state, self._data.test, self._columns)
            tested = {f"test_{name}": np.asarray(values) for name, values in measured.items()}
        for index in complete:
            lane = self._lanes[index]
            lane.summary["final_loss"] = float(losses[index])
            # Not `>`: a loss that is not a number is above any; and a wreck can have a finite one.
            learned = is_whole[index] and lane.summary["final_loss"] <= lane.summary["initial_loss"]
            lane.state = "complete" if learned else "diverged"
            if lane.trial.test:
                lane.summary |= {name: float(values[index]) for name, values in tested.items()}
            if lane.trial.keep_weights:
                lane.weights = self._weights(index, state)

    def _finalized(self) -> Any:
        optimizer = self._program.structure.model.optimizer
        own = type(optimizer).finalize_variable_values is not keras.optimizers.Optimizer.finalize_variable_values
        return self._program.finalize(self._state, self._columns) if optimizer.use_ema or own else self._state

    def _weights(self, index: int, state: Any) -> tuple[NDArray[np.generic], ...]:
        """Return a lane's weights in the order of `model.get_weights()`."""
        model = self._program.structure.model
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        values = {id(v): value for v, value in zip(variables, [*state[0], *state[1]], strict=True)}
        return tuple(np.asarray(values[id(variable)][index]) for variable in model.weights)

    def _result(self, lane: Lane, shares: dict[str, float]) -> TrialResult:
        model, shape = self._program.structure.model, self._program.shape
        passes, steps = divmod(lane.step, shape.n_batches)
        counts = {
            "n_steps": float(lane.step),
            "n_examples": float(passes * shape.n_examples + steps * shape.batch_size),
            "n_parameters": float(sum(math.prod(variable.shape) for variable in model.weights)),
            "optimizer_state_bytes": float(state_bytes(model.optimizer)),
            "compiled_batch_size": float(shape.n_lanes),
        }
        return TrialResult(
            trial=lane.trial,
            state=lane.state or "failed",
            history=lane.history,
            summary={**lane.summary, **shares, **counts},
            weights=lane.weights,
        )


def _ask(on_epoch: OnEpoch, trial: Trial, report: EpochReport) -> bool:
    try:
        return on_epoch(trial, report)
    except Exception as error:
        raise CallerError from error
