"""Follow one call of `fit`: report epochs, stop a training that diverges, measure times."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.core.trainer_interface import EpochReport, OnEpoch, Trial
from study.training.epoch_batches import EpochBatches
from study.training.epoch_rules import Decision, EpochRules

# Number of steps whose losses are fetched from the device together, so that the device need not wait for the host.
_BLOCK = 32


class NonFiniteLossError(Exception):
    """Raised inside `fit` to leave it immediately.

    Args:
        step: The first step with a loss that is not finite, counted from 1. Also an attribute.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss of step {step} is not finite")
        self.step = step


class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that follows the training of one trial.

    Args:
        trial: The trial.
        on_epoch: Called after every epoch.
        batches: The training batches.
        n_steps: Number of steps of the whole training.
        every_n_steps: Also report the loss of every n-th step; None: of no step.

    Attributes:
        evaluate: Returns the loss and metrics to report for an epoch instead of Keras's running means; None: the
            running means are reported.
        step: Number of steps taken.
        early_loss: Mean of the loss over the first two batches, or over the first if an epoch has one batch. None:
            not known yet.
        history: One value per finished epoch for each metric.
        pruned: True if `on_epoch` stopped the training before its end.
        reports: The reports of all epochs so far, in the form that `replay` takes.
        rules: Early stopping and a rate that falls on a plateau; None: neither.
        act: Called with what follows from an epoch by the rules; None: not called.
        stopped: True if a rule stopped the training before its end.
        measured: The metrics of the epoch as Keras gives them, before callbacks of the user's see them.
        keep: Called after an epoch was reported, with the epoch's index, from 0; None: not called.
        caller_error: An exception of `on_epoch`, which does not make the trial `failed`; None: no exception.
        seconds_in_epochs: Time between the beginnings of epochs and their last steps, in seconds.
        validations: Time of each validation, in seconds.
    """

    def __init__(
        self, trial: Trial, on_epoch: OnEpoch, *, batches: EpochBatches, n_steps: int, every_n_steps: int | None
    ) -> None:
        super().__init__()
        self.evaluate: Callable[[], Mapping[str, float]] | None = None
        self.step = 0
        self.early_loss: float | None = None
        self.history: dict[str, list[float]] = {}
        self.pruned = False
        self.reports: list[dict[str, Any]] = []
        self.rules: EpochRules | None = None
        self.act: Callable[[Decision], None] | None = None
        self.stopped = False
        self.measured: dict[str, float] = {}
        self.keep: Callable[[int], None] | None = None
        self.caller_error: Exception | None = None
        self.seconds_in_epochs = 0.0
        self.validations: list[float] = []
        self._trial, self._on_epoch = trial, on_epoch
        self._batches, self._n_steps, self._every_n_steps = batches, n_steps, every_n_steps
        self._epoch_begin_step = 0
        self._epoch_begin = self._validation_begin = 0.0
        self._pending: list[Any] = []
        self._running_means: list[float] = []
        self._stamps: list[float] = []

    @property
    def n_examples(self) -> int:
        """Number of examples seen, repetitions counted."""
        return self._batches.n_seen(self.step)

    @property
    def seconds_compile(self) -> float:
        """Excess time of the first step and of the first epoch's last step over the steps between them, in seconds."""
        durations = np.diff(self._stamps)
        if len(durations) < 3:
            return float(durations[:1].sum())
        excess = durations[[0, -1]] - durations[1:-1].mean()
        return float(np.maximum(excess, 0.0).sum())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Shuffle, and start the clock.

        Args:
            epoch: Index of the epoch, from 0.
            logs: Ignored. Default None.
        """
        self._batches.start_epoch(epoch)
        self._epoch_begin_step = self.step
        self._running_means.clear()
        self._epoch_begin = perf_counter()
        if epoch == 0:
            self._stamps.append(self._epoch_begin)

    def after_step(self, running_mean: Any) -> None:
        """Note a step's running mean of the loss; wait for the value only once in a block of steps.

        Args:
            running_mean: Mean of the loss over the epoch's examples so far, a scalar on the device.
        """
        self.step += 1
        self._pending.append(running_mean)
        steps_in_epoch = self.step - self._epoch_begin_step
        if self._epoch_begin_step == 0:
            self._stamps.append(perf_counter())
        done = self.step == self._n_steps
        if done or steps_in_epoch == self._batches.n_steps:
            self._fetch()
            self.seconds_in_epochs += perf_counter() - self._epoch_begin
        elif len(self._pending) == _BLOCK:
            self._fetch()
        if done:
            self.model.stop_training = True

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Start the clock of the validation.

        Args:
            logs: Ignored. Default None.
        """
        self._validation_begin = perf_counter()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Stop the clock of the validation.

        Args:
            logs: Ignored. Default None.
        """
        self.validations.append(perf_counter() - self._validation_begin)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the epoch; stop if the caller asks for it.

        Args:
            epoch: Index of the epoch, from 0.
            logs: Keras's loss and metrics of the epoch, by name. None (the default): no metrics.
        """
        if self._pending:  # a callback of the user's stopped the training within the epoch
            self._fetch()
        metrics = _numbers(logs) | self.measured
        if self.evaluate is not None:
            metrics |= self.evaluate()
        self._report(EpochReport(epoch=epoch, step=self.step, metrics=metrics, steps=self._step_losses()))

    def replay(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Report epochs that were trained before; stop if the caller asks for it.

        Args:
            reports: The `reports` of an earlier watcher.
        """
        for epoch, report in enumerate(reports):
            self.step, self.early_loss = report["step"], report.get("early_loss")
            steps = {name: np.asarray(values) for name, values in report["steps"].items()}
            self._report(EpochReport(epoch=epoch, step=self.step, metrics=report["metrics"], steps=steps))
            if self.pruned or self.stopped:
                return

    def _report(self, report: EpochReport) -> None:
        for name, value in report.metrics.items():
            self.history.setdefault(name, []).append(value)
        steps = {name: values.tolist() for name, values in report.steps.items()}
        told = {"step": report.step, "metrics": dict(report.metrics), "steps": steps, "early_loss": self.early_loss}
        self.reports.append(told)
        go_on = self._call(self._on_epoch, self._trial, report)
        self._apply_rules(report.metrics)
        if self.keep is not None:
            self._call(self.keep, report.epoch)
        is_over = self.step >= self._n_steps
        self.pruned = not go_on and not is_over
        self.stopped = self.stopped and not is_over
        if (self.pruned or self.stopped or is_over) and self.model is not None:  # a replay has no model
            self.model.stop_training = True

    def _call(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the caller, and note its exception as the caller's own."""
        try:
            return ask(*arguments)
        except Exception as error:
            self.caller_error = error
            raise

    def _apply_rules(self, metrics: Mapping[str, float]) -> None:
        if self.rules is None:
            return
        decision = self.rules.after(metrics)
        self.stopped = decision.stops
        if self.act is not None:
            self.act(decision)

    def _fetch(self) -> None:
        """Fetch pending losses from the device.

        Keras's running mean contains all losses of the epoch so far. Once the mean is not finite, it remains so. So
        the first step with such a mean is the first step with a loss that is not finite.
        """
        means = [float(keras.ops.convert_to_numpy(mean)) for mean in self._pending]
        first = self.step - len(means) + 1
        self._pending.clear()
        for offset, mean in enumerate(means):
            if not math.isfinite(mean):
                self.seconds_in_epochs += perf_counter() - self._epoch_begin
                raise NonFiniteLossError(first + offset)
            if first + offset <= 2 and self._epoch_begin_step == 0:
                self.early_loss = mean
        if self._every_n_steps is not None:
            self._running_means.extend(means)

    def _step_losses(self) -> dict[str, NDArray[np.float64]]:
        """Return the losses of every n-th step of this epoch."""
        if self._every_n_steps is None:
            return {}
        means = np.asarray(self._running_means, dtype=np.float64)
        seen = self._batches.seen[: len(means)]
        return step_losses(means, seen, first_step=self._epoch_begin_step + 1, every_n_steps=self._every_n_steps)


def step_losses(
    running_means: NDArray[np.float64], seen: NDArray[np.int64], *, first_step: int, every_n_steps: int
) -> dict[str, NDArray[np.float64]]:
    """Return the losses of every n-th step of an epoch, recovered from running means.

    With m the running mean after s examples, a batch's loss is (m' s' - m s) / (s' - s). The means are
    float32, so the error is about 1e-7 times the mean loss times the number of batches in the epoch so far.

    Args:
        running_means: Running mean of the loss after each step, shape (n_steps,).
        seen: Examples seen in the epoch after each step, shape (n_steps,).
        first_step: Number of the epoch's first step, counted from 1 over the training.
        every_n_steps: Return the loss of a step if this number divides the step's number.

    Returns:
        `step`, the chosen steps counted from 1, and `step_loss`, their losses, each of shape (n_chosen,).
    """
    steps = first_step + np.arange(len(running_means))
    counts = seen.astype(np.float64)
    losses = np.diff(running_means * counts, prepend=0.0) / np.diff(counts, prepend=0.0)
    chosen = steps % every_n_steps == 0
    return {"step": steps[chosen].astype(np.float64), "step_loss": losses[chosen]}


class WatchedCallbacks(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Keras's list of callbacks, without calls for batches, since Keras would wait for the logs of every step.

    Args:
        watcher: Receives every step.
        others: Further callbacks, called first.
        of_batches: Those of them that act on training batches. Default: none.
        of_test_batches: Those of them that act on batches of evaluations. Default: none.
        model: The model.
        **params: Parameters of the training, as Keras tells them to callbacks.
    """

    def __init__(
        self,
        watcher: Watcher,
        *,
        others: Sequence[Any],
        of_batches: Sequence[Any] = (),
        of_test_batches: Sequence[Any] = (),
        model: Any,
        **params: Any,
    ) -> None:
        super().__init__([*others, watcher], add_history=True, model=model, **params)
        self._watcher, self._of_batches, self._of_test_batches = watcher, of_batches, of_test_batches

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tell those that act on batches.

        Args:
            batch: Index of the batch.
            logs: Keras's logs. Default None.
        """
        for callback in self._of_batches:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Pass the running mean of the loss to the watcher, and tell those that act on batches.

        Args:
            batch: Index of the batch.
            logs: Keras's metrics of the epoch so far, with `loss`. Default None, which Keras never passes.
        """
        self._watcher.after_step(logs["loss"])
        is_over = self._watcher.model.stop_training
        for callback in self._of_batches:
            callback.on_train_batch_end(batch, _numbers(logs))
        self._watcher.model.stop_training |= is_over  # no callback trains for longer than the budget

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note Keras's metrics before any callback can change them, and pass the event on.

        Args:
            epoch: Index of the epoch, from 0.
            logs: Keras's metrics. Default None.
        """
        self._watcher.measured = _numbers(logs)
        super().on_epoch_end(epoch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tell those that act on batches of evaluations.

        Args:
            batch: Index of the batch.
            logs: Keras's logs. Default None.
        """
        for callback in self._of_test_batches:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell those that act on batches of evaluations.

        Args:
            batch: Index of the batch.
            logs: Keras's metrics so far. Default None.
        """
        for callback in self._of_test_batches:
            callback.on_test_batch_end(batch, _numbers(logs))


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the numbers in logs, which a callback of the user's may have extended by anything."""
    found = {}
    for name, value in (logs or {}).items():
        with contextlib.suppress(TypeError, ValueError):
            found[name] = float(value)
    return found
