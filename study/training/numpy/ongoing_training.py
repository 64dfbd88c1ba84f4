"""The state of a training in NumPy between its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from study.core.trainer_interface import EpochReport, OnEpoch, Trial
from study.optimizers.reference import State
from study.training.numpy.network import Array


@dataclass(kw_only=True)
class OngoingTraining:
    """A training that has begun.

    Attributes:
        trial: The trial.
        parameters: Kernels and biases, in the order of `model.get_weights()`. Default: empty.
        state: State of the update rule. Default: a new state.
        step: Number of steps taken. Default 0.
        n_examples: Number of examples seen, repetitions counted. Default 0.
        early_loss: Mean loss of the first two batches. None (the default): the first epoch has not ended.
        history: One value per finished epoch for each metric. Default: empty.
        seconds_train: Time in steps, in seconds. Default 0.
        seconds_evaluate: Time in evaluations, in seconds. Default 0.
        caller_error: An exception of `on_epoch`, which does not make the trial `failed`. None (the default): no
            exception.
    """

    trial: Trial
    parameters: list[Array] = field(default_factory=list)
    state: State = field(default_factory=State)
    step: int = 0
    n_examples: int = 0
    early_loss: float | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    seconds_train: float = 0.0
    seconds_evaluate: float = 0.0
    caller_error: Exception | None = None

    def report(self, report: EpochReport, on_epoch: OnEpoch) -> bool:
        """Report an epoch, and return whether to continue.

        Args:
            report: The report of the epoch.
            on_epoch: Called with the trial and the report.
        """
        for name, value in report.metrics.items():
            self.history.setdefault(name, []).append(value)
        try:
            return on_epoch(self.trial, report)
        except Exception as error:
            self.caller_error = error
            raise

    @property
    def weights(self) -> tuple[NDArray[np.float32], ...]:
        """Parameters in Keras's precision."""
        return tuple(np.asarray(parameter, np.float32) for parameter in self.parameters)

    @property
    def costs(self) -> dict[str, float]:
        """Costs so far: seconds, steps, examples and memory. Nothing is compiled."""
        return {
            "seconds_train": self.seconds_train,
            "seconds_compile": 0.0,
            "seconds_evaluate": self.seconds_evaluate,
            "n_steps": float(self.step),
            "n_examples": float(self.n_examples),
            "n_parameters": float(sum(parameter.size for parameter in self.parameters)),
            "optimizer_state_bytes": float(sum(entry.nbytes for slot in self.state.slots for entry in slot)),
            "compiled_batch_size": 1.0,
        }
