"""Keras's own `fit`, one trial at a time, on any backend."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from time import perf_counter
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.config.instantiate import Section
from study.config.schema import StudyConfig
from study.core.failure_text import failure_text
from study.core.trainer_interface import OnEpoch, State, Trial, TrialResult
from study.datasets import Dataset
from study.training.backend import select_backend, set_determinism, temporary_gradients
from study.training.callbacks import NonFiniteLossError, WatchedCallbacks, Watcher
from study.training.checkpoint_files import CheckpointFiles, Snapshot, check_arrays
from study.training.devices import select_device
from study.training.divergence import are_finite, has_diverged
from study.training.epoch_batches import BatchSource, EpochBatches, in_batches
from study.training.epoch_rules import check_more_epochs, epoch_rules
from study.training.fit.kept_state import KeptState, assign, numbers_of
from study.training.fit.program import FitProgram
from study.training.fit.run_callbacks import run_callbacks
from study.training.fit.structure import state_bytes
from study.training.model_setup import N_LOSS_EXAMPLES, fresh_model
from study.training.precision import use_precision
from study.training.trainer_check import check_device, check_jit_compile

_CALLBACKS_BEGAN = (
    "this training goes on after epoch {n} with fresh callbacks: what they remember, and files that they write anew, "
    "are of the later epochs alone."
)


class FitTrainer:
    """Trainer that trains trials one after the other with `keras.Model.fit`.

    Args:
        config: The study's config.
        dataset: The study's data set.
        backend: The Keras backend that must be loaded: `tensorflow`, `jax` or `torch`.
        batch_size: Number of examples of a training step.
        eval_batch_size: Number of examples of a step of evaluation.
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.
        jit_compile: The argument of `keras.Model.compile`.
        device: `cpu`, `gpu`, or `auto` (the default): a GPU if the backend sees one.
        checkpoint_every_n_epochs: Save the state of a trial after every n-th epoch. None (the default): never.
        early_stopping: The section of early stopping, which the config has read. Default: none.
        callbacks: The sections of Keras's callbacks, which the config has read. Default: none.

    Raises:
        BackendError: This process has loaded another backend, or cannot compute on the device.
        StudyError: `precision`, `jit_compile`, `device` or `checkpoint_every_n_epochs` is not allowed.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        backend: str,
        batch_size: int,
        eval_batch_size: int,
        precision: str,
        jit_compile: bool | str,
        device: str = "auto",
        checkpoint_every_n_epochs: int | None = None,
        early_stopping: Mapping[str, Any] | None = None,  # noqa: ARG002 - the config has read it
        callbacks: Sequence[Section] = (),  # noqa: ARG002 - the config has read them
    ) -> None:
        check_jit_compile(jit_compile)
        check_device(device)
        self._checkpoints = CheckpointFiles(config, checkpoint_every_n_epochs)
        select_backend(backend)
        select_device(backend, device)
        set_determinism(config.deterministic)
        use_precision(precision)  # before the tensors of data are made
        self._config, self._dataset = config, dataset
        self._eval_batch_size, self._precision = eval_batch_size, precision
        self._batches = EpochBatches(dataset.train, batch_size=batch_size, shuffle=config.task.shuffle)
        check_more_epochs(config, n_epochs=self._n_epochs)
        self._program = FitProgram(
            config, dataset, build_model=self.build_model, n_steps=self.n_steps, jit_compile=jit_compile
        )

    @property
    def capacity(self) -> int:
        """Number of trials that train at once."""
        return 1

    @property
    def n_steps(self) -> int:
        """Number of steps of a whole training."""
        return self._config.budget.total_steps(self._batches.n_steps)

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch) -> list[TrialResult]:
        """Train trials one after the other.

        An exception of the model or the optimizer makes a trial `failed`; an exception of `on_epoch` passes through.

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
        return fresh_model(self._config, self._dataset, precision=self._precision, weights=weights)

    @cached_property
    def _loss_sample(self) -> BatchSource:
        return in_batches(self._dataset.train, batch_size=self._eval_batch_size, n=N_LOSS_EXAMPLES)

    @cached_property
    def _validation(self) -> BatchSource:
        return in_batches(self._dataset.validation, batch_size=self._eval_batch_size)

    @cached_property
    def _test(self) -> BatchSource:
        return in_batches(self._dataset.test, batch_size=self._eval_batch_size)

    def _train_trial(self, trial: Trial, on_epoch: OnEpoch) -> TrialResult:
        use_precision(self._precision)
        self._batches.start_trial(trial.order_seed)
        every_n_steps = self._config.tracking.every_n_steps
        watcher = Watcher(trial, on_epoch, batches=self._batches, n_steps=self.n_steps, every_n_steps=every_n_steps)
        kept = False
        try:
            with temporary_gradients(), self._checkpoints.awaited():
                result = self._fit_and_evaluate(trial, watcher)
            kept = self._program.settle()
            return result
        except Exception as error:
            if error is watcher.caller_error:
                raise
            text = failure_text(error)
            counts = {"n_steps": float(watcher.step), "n_examples": float(watcher.n_examples)}
            return TrialResult(
                trial=trial,
                state="failed",
                history=watcher.history,
                summary=counts,
                error=text,
                messages=self._checkpoints.messages(),
            )
        finally:
            if not kept:
                self._program.forget()
                gc.collect()  # models refer to themselves, so nothing else frees them

    def _fit_and_evaluate(self, trial: Trial, watcher: Watcher) -> TrialResult:
        model = self._program.prepare(trial)
        evaluator = _Evaluator(model)
        summary = {"initial_loss": evaluator.evaluate(self._loss_sample)["loss"]}
        if self._config.task.train_metrics == "evaluated":
            watcher.evaluate = partial(evaluator.evaluate, self._loss_sample, callbacks=_swapping(model))
        state: State = "complete"
        watcher.rules = epoch_rules(self._config, first_rate=_first_rate(self._config, model))
        kept = KeptState(model, watcher)
        try:
            self._fit(trial, model, watcher, first_epoch=self._go_on(trial, model, watcher, kept))
            if not watcher.pruned:
                kept.restore()
        except NonFiniteLossError as error:
            state, summary["diverged_at_step"] = "diverged", float(error.step)
        self._checkpoints.drop([trial])
        if watcher.pruned:
            state = "pruned"
        if watcher.reports and watcher.early_loss is not None:
            summary["early_loss"] = watcher.early_loss
        if watcher.rules is not None:
            summary |= watcher.rules.summary()
        elif state == "complete" and watcher.step < self.n_steps:  # a callback of the user's stopped it
            summary["n_epochs"] = summary["kept_epoch"] = float(len(watcher.reports))
        if state == "complete":
            summary["final_loss"] = evaluator.evaluate(self._loss_sample)["loss"]
            if has_diverged(summary, weights_are_finite=are_finite(model.get_weights())):
                state = "diverged"
            if trial.test and len(self._dataset.test):
                tested = evaluator.evaluate(self._test)
                summary |= {f"test_{name}": value for name, value in tested.items()}
        return TrialResult(
            trial=trial,
            state=state,
            history=watcher.history,
            summary=summary | _costs(model, watcher, evaluator, n_validation=len(self._dataset.validation)),
            weights=tuple(model.get_weights()) if trial.keep_weights else None,
            messages=self._checkpoints.messages(),
        )

    @property
    def _n_epochs(self) -> int:
        """Number of epochs of a whole training; the last one may be cut off."""
        return -(-self.n_steps // self._batches.n_steps)

    def _go_on(self, trial: Trial, model: Any, watcher: Watcher, kept_state: KeptState) -> int:
        """Restore the trial's checkpoint if there is one, and return the index of the next epoch."""
        variables = [*model.variables, *model.optimizer.variables]

        def keep(epoch: int) -> None:
            if not self._checkpoints.are_due(epoch) or watcher.step >= self.n_steps:
                return
            if self._program.hides_state:
                self._checkpoints.skip()
            else:
                now = [*model.variables, *model.optimizer.variables]  # a callback may have replaced the optimizer
                arrays = [*numbers_of(now), *kept_state.arrays]
                self._checkpoints.save([trial], Snapshot(arrays=arrays, notes={"epochs": watcher.reports}))

        expected = variables * (2 if kept_state.is_needed else 1)
        kept = self._checkpoints.load([trial], partial(_fitting, expected, n_steps=self.n_steps))
        if kept is not None:
            if self._config.callbacks:
                self._checkpoints.tell(_CALLBACKS_BEGAN.format(n=len(kept.notes["epochs"])))
            assign(variables, kept.arrays[: len(variables)])
            kept_state.arrays = kept.arrays[len(variables) :]
            watcher.replay(kept.notes["epochs"])
        watcher.act = kept_state.act
        watcher.keep = keep
        return len(watcher.reports)

    def _fit(self, trial: Trial, model: Any, watcher: Watcher, *, first_epoch: int) -> None:
        if watcher.pruned or watcher.stopped:
            return
        epochs = self._n_epochs
        rebuild = partial(self._program.rebuild, trial)
        own = run_callbacks(self._config, trial, first_epoch=first_epoch, rebuild=rebuild)
        watched = WatchedCallbacks(
            watcher,
            others=[*_swapping(model), *own],
            of_batches=[each for each in own if each.want_batches],
            of_test_batches=[each for each in own if each.want_test_batches],
            model=model,
            epochs=epochs,
            steps=self._batches.n_steps,
            verbose=0,
        )
        model.fit(
            self._batches.source,
            epochs=epochs,
            initial_epoch=first_epoch,
            shuffle=False,
            validation_data=self._validation,
            callbacks=watched,
            verbose=0,
        )


def _fitting(variables: Sequence[Any], kept: Snapshot, *, n_steps: int) -> Snapshot:
    """Return a snapshot whose arrays and reports fit a training.

    Raises:
        ValueError: The arrays have other shapes or types than the variables, or the reports are not those of epochs.
    """
    check_arrays(kept.arrays, numbers_of(variables))
    steps = [report["step"] for report in kept.notes["epochs"]]
    if steps != sorted(set(steps)) or not all(type(step) is int and 0 < step < n_steps for step in steps):
        raise ValueError("its epochs are not those of this training")
    for report in kept.notes["epochs"]:
        if not all(isinstance(value, float) for value in report["metrics"].values()) or not report["metrics"]:
            raise ValueError("its metrics are no numbers")
        for values in report["steps"].values():
            np.asarray(values, dtype=np.float64)
    return kept


class _Evaluator:
    """Evaluator of a model outside `fit`, with the time of each evaluation."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.seconds: list[float] = []
        self.n_examples: list[int] = []

    def evaluate(self, batches: BatchSource, *, callbacks: Sequence[Any] = ()) -> dict[str, float]:
        began = perf_counter()
        logs = self._model.evaluate(batches, verbose=0, return_dict=True, callbacks=list(callbacks))
        self.seconds.append(perf_counter() - began)
        self.n_examples.append(batches.n_examples)
        return {name: float(value) for name, value in logs.items()}


def _first_rate(config: StudyConfig, model: Any) -> float:
    """Return the learning rate at the beginning; 0 if nothing lowers it."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) if config.rate_reduction else 0.0


def _swapping(model: Any) -> list[Any]:
    """Return callbacks that let an evaluation during training use averaged weights, if there are any."""
    return [keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema else []


def _costs(model: Any, watcher: Watcher, evaluator: _Evaluator, *, n_validation: int) -> dict[str, float]:
    """Return the costs of a training: seconds, steps, examples and memory.

    The first evaluation compiles. Its time per example beyond that of the quickest later evaluation counts as
    compilation.
    """
    later = [*zip(watcher.validations, [n_validation] * len(watcher.validations), strict=True)]
    later += zip(evaluator.seconds[1:], evaluator.n_examples[1:], strict=True)
    per_example = min((seconds / n for seconds, n in later), default=0.0)
    tracing = max(0.0, evaluator.seconds[0] - per_example * evaluator.n_examples[0])
    return {
        "seconds_train": max(0.0, watcher.seconds_in_epochs - watcher.seconds_compile),
        "seconds_compile": watcher.seconds_compile + tracing,
        "seconds_evaluate": sum(evaluator.seconds) + sum(watcher.validations) - tracing,
        "n_steps": float(watcher.step),
        "n_examples": float(watcher.n_examples),
        "n_parameters": float(model.count_params()),
        "optimizer_state_bytes": float(state_bytes(model.optimizer)),
        "compiled_batch_size": 1.0,
    }
