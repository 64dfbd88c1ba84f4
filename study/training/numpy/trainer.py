"""The reference: a chain of dense layers trained in NumPy by the papers' update rules, one trial at a time.

No library differentiates and nothing is compiled: forward and backward pass, dropout, mini-batches and the update are
written out. Keras builds the model and draws its initial weights. So a trial has the same initial weights and batches
as with `trainer=fit`; only the last digits differ and, with dropout, the masks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.failure_text import failure_text
from study.core.search_space import Value
from study.core.seeds import epoch_dropout, epoch_order
from study.core.trainer_interface import EpochReport, OnEpoch, Trial, TrialResult
from study.core.trainer_interface import State as Ending
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import Stream
from study.optimizers.reference import Rule, of_keras
from study.training.backend import select_backend, set_seeds
from study.training.build_optimizer import build_schedule, coerce
from study.training.divergence import are_finite, has_diverged
from study.training.model_setup import fresh_model, loss_sample, steps_per_epoch
from study.training.numpy.from_keras import read_layers
from study.training.numpy.keras_metrics import KerasMetrics
from study.training.numpy.losses import read_loss
from study.training.numpy.network import Array, Draw, Noise, backward, forward
from study.training.numpy.ongoing_training import OngoingTraining
from study.training.trainer_check import check_dropout_draw, check_numpy_device, check_numpy_precision


class NumpyTrainer:
    """Trainer that trains trials one after the other in NumPy.

    Args:
        config: The study's config.
        dataset: The study's data set.
        backend: The Keras backend that builds the model and draws its initial weights.
        batch_size: Number of examples of a training step.
        eval_batch_size: Number of examples of a step of evaluation.
        precision: Precision of the arithmetic here: `float64`, or `float32`, which takes about half the time. Keras
            always draws the initial weights in float32. Default `float64`.
        dropout_draw: Distribution of the draws that decide about the units of dropout: `uniform` or `normal`, see
            `study.training.numpy.network.Noise`. Default `uniform`.
        device: `cpu`, the only device allowed. The backend may use another one. Default `cpu`.

    Raises:
        BackendError: This process has loaded another backend.
        StudyError: The model, the loss, the optimizer or a kind of data is not written out in NumPy, or an argument is
            not allowed.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        backend: str,
        batch_size: int,
        eval_batch_size: int,
        precision: Literal["float64", "float32"] = "float64",
        dropout_draw: Draw = "uniform",
        device: str = "cpu",
    ) -> None:
        check_numpy_precision(precision)
        check_dropout_draw(dropout_draw)
        check_numpy_device(device)
        _check_is_simple(config, dataset)
        select_backend(backend)
        self._config, self._dataset = config, dataset
        self._batch_size, self._eval_batch_size = batch_size, eval_batch_size
        self._dtype, self._draw = np.dtype(precision), dropout_draw
        self._loss = read_loss(config.task.loss)
        model = self.build_model()
        self._layers = read_layers(model)
        self._metrics = KerasMetrics(model, config.task)
        # An optimizer without a rule is refused now, instead of in every trial.
        searched = {name: (*(r.choices or ()), r.low)[0] for name, r in config.optimizer.ranges.items()}
        self._rule(
            {**{name: value for name, value in searched.items() if value is not None}, **config.optimizer.fixed}
        )

    @property
    def capacity(self) -> int:
        """Number of trials that train at once."""
        return 1

    @property
    def n_steps(self) -> int:
        """Number of steps of a whole training."""
        n_examples = len(self._dataset.train)
        return self._config.budget.total_steps(steps_per_epoch(n_examples, batch_size=self._batch_size))

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch) -> list[TrialResult]:
        """Train trials one after the other.

        An exception of the training makes a trial `failed`; an exception of `on_epoch` passes through.

        Args:
            trials: The trials.
            on_epoch: Called after every epoch. Returning False stops the trial, which becomes `pruned`.

        Returns:
            A result for each trial, in their order.
        """
        return [self._train_trial(trial, on_epoch) for trial in trials]

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Return a fresh, uncompiled Keras model.

        Args:
            weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.
        """
        return fresh_model(self._config, self._dataset, precision="float32", weights=weights)

    @cached_property
    def _x(self) -> Array:
        return np.asarray(self._dataset.train.x[:], self._dtype)  # also of an array on disk

    @cached_property
    def _targets(self) -> Array:
        return self._in_rows(self._dataset.train.y[:])

    @cached_property
    def _loss_sample(self) -> Split:
        return loss_sample(self._dataset)

    @cached_property
    def _factors(self) -> tuple[float, ...] | None:
        """The schedule's factor on the rate of each step; None for a constant rate."""
        section = self._config.schedule.section
        if section.get("_target_") is None:
            return None
        schedule = build_schedule(section, n_steps=self.n_steps)
        return tuple(float(keras.ops.convert_to_numpy(schedule(step))) for step in range(self.n_steps))

    def _in_rows(self, y: Array) -> Array:
        """Return targets in the shape of the outputs."""
        return self._loss.targets(y, n_outputs=self._dataset.n_outputs, dtype=self._dtype)

    def _rule(self, hyperparameters: Mapping[str, Value]) -> Rule:
        """Return the update rule at a point.

        Raises:
            StudyError: No rule is written out for the optimizer, or for one of its arguments.
        """
        optimizer = self._config.optimizer
        try:
            return of_keras(optimizer.target, coerce(optimizer.target, hyperparameters))
        except ValueError as error:
            raise StudyError(f"trainer=numpy optimizer={optimizer.name}: {error}") from error

    def _train_trial(self, trial: Trial, on_epoch: OnEpoch) -> TrialResult:
        progress = OngoingTraining(trial=trial)
        try:
            # Overflow is not an error of the code: the loss becomes non-finite, and the trial counts as diverged.
            with np.errstate(all="ignore"):
                return self._train_and_evaluate(progress, on_epoch)
        except Exception as error:
            if error is progress.caller_error:
                raise
            text, costs = failure_text(error), progress.costs
            counts = {name: costs[name] for name in ("n_steps", "n_examples")}
            return TrialResult(trial=trial, state="failed", history=progress.history, summary=counts, error=text)

    def _train_and_evaluate(self, progress: OngoingTraining, on_epoch: OnEpoch) -> TrialResult:
        trial, rule = progress.trial, self._rule(progress.trial.hyperparameters)
        set_seeds(trial.run_seed)
        progress.parameters = [weight.astype(self._dtype) for weight in self.build_model().get_weights()]
        # The rules make their state in float64; in float32 their results are float32.
        slots = rule.init(progress.parameters).slots
        cast = tuple(tuple(entry.astype(self._dtype, copy=False) for entry in slot) for slot in slots)
        progress.state = dataclasses.replace(progress.state, slots=cast)
        summary = {"initial_loss": self._evaluate(progress, self._loss_sample)["loss"]}
        state = self._run_epochs(progress, rule, on_epoch)
        if progress.early_loss is not None:
            summary["early_loss"] = progress.early_loss
        if state == "diverged":
            summary["diverged_at_step"] = float(progress.step)
        if state == "complete":
            summary["final_loss"] = self._evaluate(progress, self._loss_sample)["loss"]
            if has_diverged(summary, weights_are_finite=are_finite(progress.parameters)):
                state = "diverged"
            if trial.test and len(self._dataset.test):
                tested = self._evaluate(progress, self._dataset.test)
                summary |= {f"test_{name}": value for name, value in tested.items()}
        return TrialResult(
            trial=trial,
            state=state,
            history=progress.history,
            summary=summary | progress.costs,
            weights=progress.weights if trial.keep_weights else None,
        )

    def _run_epochs(self, progress: OngoingTraining, rule: Rule, on_epoch: OnEpoch) -> Ending:
        epoch = 0
        while progress.step < self.n_steps:
            began, losses, outputs = perf_counter(), [], []
            shuffle = self._config.task.shuffle
            order = epoch_order(progress.trial.order_seed, epoch, len(self._x), shuffle=shuffle)
            noise = Noise(generator=epoch_dropout(progress.trial.run_seed, epoch), draw=self._draw)
            for batch in self._batches(order, n_steps=self.n_steps - progress.step):
                loss, output = self._step(progress, rule, batch, noise=noise, epoch=epoch)
                losses.append(loss)
                outputs.append(output)
                if not math.isfinite(loss):
                    break
            progress.seconds_train += perf_counter() - began
            if not math.isfinite(losses[-1]):
                return "diverged"
            if epoch == 0:
                progress.early_loss = float(np.average(losses[:2], weights=[len(output) for output in outputs[:2]]))
            metrics = self._epoch_metrics(progress, losses=losses, outputs=outputs, order=order)
            steps = self._step_losses(losses, last_step=progress.step)
            report = EpochReport(epoch=epoch, step=progress.step, metrics=metrics, steps=steps)
            if not progress.report(report, on_epoch) and progress.step < self.n_steps:
                return "pruned"
            epoch += 1
        return "complete"

    def _batches(self, order: NDArray[np.int32], *, n_steps: int) -> Iterator[NDArray[np.int32]]:
        """Yield the examples of each step of an epoch, for at most `n_steps`; the last batch may be smaller."""
        for first in range(0, min(len(order), n_steps * self._batch_size), self._batch_size):
            yield order[first : first + self._batch_size]

    def _step(
        self, progress: OngoingTraining, rule: Rule, batch: NDArray[np.int32], *, noise: Noise, epoch: int
    ) -> tuple[float, Array]:
        """Take one step, and return the loss of its batch before the step, and the outputs."""
        targets = self._targets[batch]
        done = forward(self._layers, progress.parameters, self._x[batch], noise=noise)
        output = done.outputs[-1]
        gradients = backward(self._layers, progress.parameters, done, self._loss.gradient(targets, output))
        if self._factors is not None:
            scheduled: Any = rule  # every rule has a rate
            rate = scheduled.learning_rate * self._factors[progress.step]
            rule = dataclasses.replace(scheduled, learning_rate=rate)
        parameters, progress.state = rule.step(progress.parameters, gradients, progress.state, epoch=epoch)
        progress.parameters = [parameter.astype(self._dtype, copy=False) for parameter in parameters]
        progress.step += 1
        progress.n_examples += len(batch)
        return float(self._loss.values(targets, output).mean()), output

    def _epoch_metrics(
        self, progress: OngoingTraining, *, losses: Sequence[float], outputs: Sequence[Array], order: NDArray[np.int32]
    ) -> dict[str, float]:
        """Return the metrics of an epoch; for the training split, over its batches or after its last step."""
        if self._config.task.train_metrics == "evaluated":
            metrics = self._evaluate(progress, self._loss_sample)
        else:
            seen = np.concatenate(outputs)
            loss = float(np.average(losses, weights=[len(output) for output in outputs]))
            metrics = self._metrics.of(self._dataset.train.y[order[: len(seen)]], seen, loss=loss)
        validated = self._evaluate(progress, self._dataset.validation)
        return metrics | {f"val_{name}": value for name, value in validated.items()}

    def _evaluate(self, progress: OngoingTraining, split: Split) -> dict[str, float]:
        """Return loss and metrics on a split, without dropout."""
        began = perf_counter()
        outputs = [
            forward(
                self._layers, progress.parameters, split.x[first : first + self._eval_batch_size].astype(self._dtype)
            )
            for first in range(0, len(split), self._eval_batch_size)
        ]
        output = np.concatenate([done.outputs[-1] for done in outputs])
        targets = split.y[:]
        loss = float(self._loss.values(self._in_rows(targets), output).mean())
        found = self._metrics.of(targets, output, loss=loss)
        progress.seconds_evaluate += perf_counter() - began
        return found

    def _step_losses(self, losses: Sequence[float], *, last_step: int) -> dict[str, NDArray[np.float64]]:
        """Return the losses of every n-th step of an epoch."""
        n = self._config.tracking.every_n_steps
        if n is None:
            return {}
        steps = np.arange(last_step - len(losses) + 1, last_step + 1)
        chosen = steps % n == 0
        return {"step": steps[chosen].astype(np.float64), "step_loss": np.asarray(losses)[chosen]}


def _check_is_simple(config: StudyConfig, dataset: Dataset) -> None:
    """Refuse all data but one array of inputs and one of targets, as they stand."""
    splits = dataset.splits
    found = [f"{name} is a stream" for name, split in splits.items() if isinstance(split, Stream)]
    found += [f"{name} has {fact}" for name, split in splits.items() for fact in _not_simple(split)]
    if config.rate_reduction is not None:
        raise StudyError(
            f"trainer=numpy schedule={config.schedule.name}: expected a schedule of steps, and this one acts after "
            "epochs. Use trainer=fit or trainer=vectorized."
        )
    if config.augment:
        found.append("dataset.augment has layers")
    if found:
        raise StudyError(
            f"trainer=numpy dataset={dataset.name}: expected one array of inputs and one of targets, without sample "
            f"weights, class weights and augmentation, and {found[0]}. Use trainer=fit."
        )


def _not_simple(split: Split | Stream) -> Iterator[str]:
    """Yield the kinds of data of a split's first example that are not written out."""
    example = split.first(1)
    for part, words in ((example.x, "several inputs"), (example.y, "several outputs")):
        if not isinstance(part, np.ndarray):
            yield words
    if example.sample_weight is not None:
        yield "weights"
