"""Train one batch of lanes in a compiled program, epoch by epoch."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from study.core.seeds import epoch_order
from study.core.trainer_interface import EpochReport, OnEpoch, Together, TrialResult
from study.training.callbacks import step_losses
from study.training.checkpoint_files import CheckpointFiles
from study.training.divergence import has_diverged
from study.training.epoch_rules import Decision
from study.training.model_setup import examples_seen
from study.training.vectorized.batch_checkpoint import Epoch, pack, unpack
from study.training.vectorized.compiler import Clock
from study.training.vectorized.lane import Carried, DeviceData, Lane, Places, call, moved
from study.training.vectorized.program import VectorizedProgram
from study.training.vectorized.structure import state_bytes


class LaneBatch:
    """A batch of lanes that train side by side in the places of a program.

    Free places repeat the last lane, or are skipped.

    Args:
        program: The compiled program.
        data: The data on the devices.
        lanes: The lanes, at most as many as the program has places.
        initial_weights: Initial weights of the lanes by variable, each of shape (n_lanes, ...), for a model whose
            weights cannot be drawn from seeds. None (the default): draw them from seeds.
        carried: State of the first lanes, if another batch has begun them. None (the default): all lanes begin here.
        may_be_left: Stop training when at least half of the places are free, to continue in another batch. Default
            False.
        checkpoints: The files for the batch's state. None (the default): the state is not saved.

    Attributes:
        program: The compiled program.
        lanes: The lanes.
        places: The place of each lane.
        state: The variables of all places, a pytree.
        kept: The variables of all places after the epoch whose weights are kept. None: no rule of the study keeps
            them, or no epoch has ended.
    """

    def __init__(
        self,
        program: VectorizedProgram,
        data: DeviceData,
        lanes: Sequence[Lane],
        *,
        initial_weights: Sequence[NDArray[np.generic]] | None = None,
        carried: Carried | None = None,
        may_be_left: bool = False,
        checkpoints: CheckpointFiles | None = None,
    ) -> None:
        self.program, self._data, self.lanes = program, data, lanes
        self._initial_weights, self._carried, self._may_be_left = initial_weights, carried, may_be_left
        self._checkpoints, self._past = checkpoints, list[Epoch]()
        shape = program.shape
        self._all = Places(n_lanes=shape.n_lanes, n_devices=shape.n_devices)
        self.places = self._all.of(len(lanes))
        there = {place: index for index, place in enumerate(self.places)}
        self._lane_at = [there.get(place, len(lanes) - 1) for place in range(shape.n_lanes)]
        self._padded = [lanes[index] for index in self._lane_at]
        numbers = [lane.settings.numbers for lane in self._padded]
        self._columns = [program.compiler.place(column) for column in program.structure.frame.columns(numbers)]
        self.state: Any = None
        self.kept: Any = None

    def compile_ahead(self) -> None:
        """Let threads compile all functions that training calls, at the same time."""
        with self.program.compiler.ahead():
            state = self._initial_state()
            self._measure(state, self._data.loss)
            self._epoch(state, 0, self._data.n_steps)
            if self._keeps_states:
                self.program.kept(np.zeros(self.program.shape.n_lanes, bool), state, state)
            if self.lanes[0].trial.test and self._data.has_test:
                self._measure(state, self._data.test)

    def train(self, on_epoch: OnEpoch, together: Together) -> list[TrialResult]:
        """Train the lanes, and return the results of those that ended, in their order.

        All of them end, with two exceptions: a batch that may be left stops when at least half of its places are
        free, and a batch of lanes at different epochs stops when one lane has trained its last epoch.

        Args:
            on_epoch: Called after every epoch of every trial. Returning False stops the trial, which becomes `pruned`.
            together: The calls for the batch as a whole.
        """
        clock = Clock()
        if self._carried is None and self.program.compiler.is_new:
            self.compile_ahead()
        self._begin()
        seconds_before = clock.split()
        with contextlib.nullcontext() if self._checkpoints is None else self._checkpoints.awaited():
            n_epochs = self._train_epochs(on_epoch, together)
        jax.block_until_ready(self.state)
        seconds_train = clock.split()
        for lane in self.lanes:
            lane.epoch += n_epochs
        self._finish()
        costs = {"train": seconds_train, "evaluate": seconds_before + clock.split(), "compile": clock.compiling}
        for lane, (name, seconds) in itertools.product(self.lanes, costs.items()):
            lane.summary[f"seconds_{name}"] = lane.summary.get(f"seconds_{name}", 0.0) + seconds / len(self.lanes)
        if self._checkpoints is not None:
            self._checkpoints.drop([lane.trial for lane in self.lanes], n_lanes=self.program.shape.n_lanes)
        return [self._result(lane) for lane in self.lanes if lane.state is not None]

    def _begin(self) -> None:
        """Set the variables of all lanes: initial ones, whose loss is measured, and ones from another batch."""
        n_carried = 0 if self._carried is None else len(self._carried.places)
        if begun := list(zip(self.places, self.lanes, strict=True))[n_carried:]:
            trainable, others, optimizer = self._initial_state()
            losses, _, others = self._measure((trainable, others, optimizer), self._data.loss)
            self.state = (trainable, others, optimizer)
            initial = np.asarray(losses["loss"])
            for place, lane in begun:
                lane.summary["initial_loss"], lane.n_lanes = float(initial[place]), self.program.shape.n_lanes
        if self._carried is not None:
            self._take_over(self._carried)
            self._carried = None

    def _take_over(self, carried: Carried) -> None:
        fresh, place = self.state, self.program.compiler.place
        of_batch = {"carried": carried, "places": self.places, "n": self.program.shape.n_lanes, "fresh": fresh}
        self.state = place(moved(carried.state, **of_batch))
        if carried.kept is not None:
            self.kept = place(moved(carried.kept, **of_batch))

    def _initial_state(self) -> Any:
        replay = self.program.structure.replay
        if replay is None:
            weights = [values[self._lane_at] for values in self._initial_weights or ()]
            return self.program.initial_from(weights, self._columns)
        seeds = np.stack([replay.seeds(lane.trial.run_seed) for lane in self._padded])
        return self.program.initial(seeds, self._columns)

    def _train_epochs(self, on_epoch: OnEpoch, together: Together) -> int:
        """Train until a lane has trained its last epoch, no lane trains, or the batch is left; count the epochs.

        The device starts the next epoch before the last one is reported, so that it need not wait for the caller.
        There are four exceptions. If weights are kept, the weights of a stopped trial are those of the epoch at which
        it stopped. If rules of the study act on a trial, they act on its state after the epoch. If the batch may be
        left, the lanes that move on would be an epoch ahead. If the host reads the data in pieces, an epoch would be
        reported when it has read those of the next one.
        """
        n_epochs = self._n_epochs - max(lane.epoch for lane in self.lanes)
        ahead = not (self._may_be_left or self.program.shape.in_pieces)
        ahead = ahead and not any(lane.trial.keep_weights or lane.rules for lane in self.lanes)
        first = self._go_on(on_epoch, together)
        if not any(lane.trains for lane in self.lanes):
            return first
        sent = self._send(first)
        together.begun()
        for epoch in range(first, n_epochs):
            current, sent = sent, None
            if epoch + 2 >= n_epochs:
                call(together.ending, n_epochs - 1 - epoch)
            is_kept = self._checkpoints is not None and self._checkpoints.are_due(epoch)
            if ahead and not is_kept and epoch + 1 < n_epochs:
                sent = self._send(epoch + 1)
            self._act(self._report(epoch, self._fetched(*current), on_epoch, together))
            if is_kept and epoch + 1 < n_epochs:
                call(self._keep)
            n_training = sum(lane.trains for lane in self.lanes)
            if n_training == 0 or (self._may_be_left and 2 * n_training <= self.program.shape.n_lanes):
                return epoch + 1
            if sent is None and epoch + 1 < n_epochs:
                sent = self._send(epoch + 1)
        return n_epochs

    def _go_on(self, on_epoch: OnEpoch, together: Together) -> int:
        """Restore the batch's checkpoint if there is one, report its epochs, and return the next one."""
        trials, n_lanes = [lane.trial for lane in self.lanes], self.program.shape.n_lanes
        like = (self.state, self.state) if self._keeps_states else (self.state, None)
        restore = partial(unpack, like=like, n_lanes=len(trials), n_epochs=self._n_epochs)
        kept = None if self._checkpoints is None else self._checkpoints.load(trials, restore, n_lanes=n_lanes)
        if kept is None:
            return 0
        state, epochs = kept
        for epoch, fetched in enumerate(epochs):
            self._report(epoch, fetched, on_epoch, together)
        state = jax.tree.map(lambda values: values[self._lane_at], state)
        self.state, self.kept = self.program.compiler.place(state)
        return len(epochs)

    def _keep(self) -> None:
        assert self._checkpoints is not None
        trials = [lane.trial for lane in self.lanes]
        state = jax.tree.map(lambda values: np.asarray(values)[self.places], (self.state, self.kept))
        self._checkpoints.save(trials, pack(state, self._past), n_lanes=self.program.shape.n_lanes)

    def _send(self, epoch: int) -> Any:
        """Start the batch's next epoch on the device; each lane trains its own next epoch."""
        shape, data = self.program.shape, self._data
        furthest = epoch + max(lane.epoch for lane in self.lanes)
        n_steps = min(shape.n_batches, data.n_steps - furthest * shape.n_batches)
        self.state, means, logs = self._epoch(self.state, epoch, n_steps)
        return n_steps, means, logs

    def _epoch(self, state: Any, epoch: int, n_steps: int) -> Any:
        train, validation = self._data.train, self._data.validation
        active = self._active([lane.trains for lane in self.lanes])
        return self.program.epoch(state, self._columns, self._order(epoch), n_steps, train, validation, active)

    def _measure(self, state: Any, split: Any) -> Any:
        active = self._active([lane.state is None for lane in self.lanes])
        return self.program.measure(state, split, self._columns, active)

    def _active(self, are_active: Sequence[bool]) -> Any:
        """Return the places to be computed, for lanes that are to be computed or not."""
        return self._all.active([p for p, active in zip(self.places, are_active, strict=True) if active])

    def _order(self, epoch: int) -> Any:
        """Return the order of the examples: one for all lanes, or one row for each lane, for pieces in a list."""
        shape, shuffle = self.program.shape, self._data.shuffle
        keys = [(lane.trial.order_seed, lane.epoch + epoch) for lane in self._padded]
        drawn = {(seed, of): epoch_order(seed, of, shape.n_examples, shuffle=shuffle) for seed, of in set(keys)}
        if shape.one_order:
            return drawn[keys[0]]
        rows = [drawn[key] for key in keys]  # free places share a row
        return rows if shape.in_pieces else np.stack(rows)

    @property
    def _n_epochs(self) -> int:
        return -(-self._data.n_steps // self.program.shape.n_batches)

    def _fetched(self, n_steps: int, means: Any, logs: Any) -> Epoch:
        """Fetch the results of an epoch from the device, in the order of the lanes."""
        by_trial = {name: np.asarray(values)[self.places] for name, values in logs.items()}
        return n_steps, np.asarray(means)[:, self.places], by_trial

    def _report(
        self, of_batch: int, fetched: Epoch, on_epoch: OnEpoch, together: Together
    ) -> list[tuple[int, Decision]]:
        """Report an epoch of every lane that still trains, and stop the lanes that the caller does not want.

        Returns:
            For each lane with rules that was reported, its index and what follows from the epoch.
        """
        n_steps, means, logs = fetched
        if self._checkpoints is not None:
            self._past.append(fetched)
        running = means[:n_steps].astype(np.float64)
        metrics = {name: values.tolist() for name, values in logs.items()}
        reported, trained, diverged, unwanted = [], [], [], set()
        for index, lane in enumerate(self.lanes):
            epoch = lane.epoch + of_batch
            before = epoch * self.program.shape.n_batches
            if not lane.trains:
                continue
            if lane.n_epochs > epoch:  # memory ran out after it had been reported
                trained.append((index, lane))
                continue
            lane.step = before + n_steps
            if self._has_diverged(index, running[:, index], before=before):
                diverged.append(lane.trial)
                continue
            if epoch == 0:
                lane.summary["early_loss"] = float(running[min(1, n_steps - 1), index])
            values = {name: float(column[index]) for name, column in metrics.items()}
            for name, value in values.items():
                lane.history.setdefault(name, []).append(value)
            steps = self._step_losses(running[:, index], first_step=before + 1)
            report = EpochReport(epoch=epoch, step=lane.step, metrics=values, steps=steps)
            reported.append((index, lane))
            if not call(on_epoch, lane.trial, report):
                unwanted.add(lane.trial.number)
        if reported or diverged:
            unwanted |= set(call(together.epoch_ended, diverged))
        for index, lane in reported:
            if lane.trial.number in unwanted and lane.step < self._data.n_steps:
                lane.state = "pruned"
                self._keep_weights(index, self.program.finalized(self.state, self._columns))
        return [self._decision(index, of_batch) for index, lane in (*trained, *reported) if lane.rules is not None]

    def _has_diverged(self, index: int, means: NDArray[np.float64], *, before: int) -> bool:
        """Return whether a lane's loss became infinite in an epoch, and if so, end the lane."""
        infinite, lane = np.flatnonzero(~np.isfinite(means)), self.lanes[index]
        if infinite.size:
            lane.state = "diverged"
            lane.summary["diverged_at_step"] = float(before + infinite[0] + 1)
            self._keep_weights(index, self.state)
        return bool(infinite.size)

    def _decision(self, index: int, of_batch: int) -> tuple[int, Decision]:
        """Return what follows from an epoch for a lane, whose training may stop there."""
        lane = self.lanes[index]
        assert lane.rules is not None
        epoch = lane.epoch + of_batch
        decision = lane.rules.after({name: column[epoch] for name, column in lane.history.items()})
        lane.has_stopped = decision.stops and lane.state is None and lane.step < self._data.n_steps
        return index, decision

    def _act(self, decisions: Sequence[tuple[int, Decision]]) -> None:
        """Do what follows from an epoch: keep the states of some lanes, and lower the rates of some."""
        if self._keeps_states:
            keeps = np.zeros(self.program.shape.n_lanes, bool)
            for index, decision in decisions:
                lane = self.lanes[index]
                is_last = lane.has_stopped or lane.step == self._data.n_steps
                assert lane.rules is not None
                keeps[self.places[index]] = decision.keeps if lane.rules.keeps_weights else is_last
            before = self.state if self.kept is None else self.kept
            self.kept = self.program.kept(keeps, self.state, before)
        if reduced := [index for index, decision in decisions if decision.reduces]:
            trainable, others, optimizer = self.state
            place_of_rate = self.program.structure.place_of_rate
            rates = np.array(optimizer[place_of_rate])
            for index in reduced:
                rules, place = self.lanes[index].rules, self.places[index]
                assert rules is not None
                rates[place] = rules.reduced(float(rates[place]))
            optimizer = list(optimizer)
            optimizer[place_of_rate] = self.program.compiler.place(rates)
            self.state = (trainable, others, optimizer)

    @property
    def _keeps_states(self) -> bool:
        """True if a lane may stop early, so that its state is kept while others train on."""
        return any(lane.rules is not None and lane.rules.stops_early for lane in self.lanes)

    def _step_losses(self, means: NDArray[np.float64], *, first_step: int) -> dict[str, NDArray[np.float64]]:
        if self._data.every_n_steps is None:
            return {}
        shape = self.program.shape
        seen = np.minimum(np.arange(1, len(means) + 1) * shape.batch_size, shape.n_examples)
        return step_losses(means, seen, first_step=first_step, every_n_steps=self._data.every_n_steps)

    def _finish(self) -> None:
        """Set the state of the lanes that trained to the end, and evaluate confirmations on the test split, if any."""
        complete = [
            index
            for index, lane in enumerate(self.lanes)
            if lane.state is None and (lane.has_stopped or lane.epoch == self._n_epochs)
        ]
        if not complete:
            return
        state = self.program.finalized(self.kept if self._keeps_states else self.state, self._columns)
        logs, whole, _ = self._measure(state, self._data.loss)
        losses, is_whole = np.asarray(logs["loss"]), np.asarray(whole)
        tested: dict[str, Any] = {}
        if self._data.has_test and any(lane.trial.test for lane in self.lanes):
            measured, _, _ = self._measure(state, self._data.test)
            tested = {f"test_{name}": np.asarray(values) for name, values in measured.items()}
        for index in complete:
            lane, place = self.lanes[index], self.places[index]
            lane.summary["final_loss"] = float(losses[place])
            diverged = has_diverged(lane.summary, weights_are_finite=bool(is_whole[place]))
            lane.state = "diverged" if diverged else "complete"
            if lane.trial.test:
                lane.summary |= {name: float(values[place]) for name, values in tested.items()}
            self._keep_weights(index, state)

    def _keep_weights(self, index: int, state: Any) -> None:
        if self.lanes[index].trial.keep_weights:
            self.lanes[index].weights = self.program.structure.weights(state, self.places[index])

    def _result(self, lane: Lane) -> TrialResult:
        model, shape = self.program.structure.model, self.program.shape
        n_seen = examples_seen(lane.step, n_examples=shape.n_examples, batch_size=shape.batch_size)
        counts = {
            "n_steps": float(lane.step),
            "n_examples": float(n_seen),
            "n_parameters": float(sum(math.prod(variable.shape) for variable in model.weights)),
            "optimizer_state_bytes": float(state_bytes(model.optimizer)),
            "compiled_batch_size": float(lane.n_lanes),
        }
        if lane.rules is not None:
            counts |= lane.rules.summary()
        if lane.n_lanes != shape.n_lanes:
            counts["compiled_batch_size_at_end"] = float(shape.n_lanes)
        return TrialResult(
            trial=lane.trial,
            state=lane.state or "failed",
            history=lane.history,
            summary={**lane.summary, **counts},
            weights=lane.weights,
            messages=() if self._checkpoints is None else self._checkpoints.messages(),
        )
