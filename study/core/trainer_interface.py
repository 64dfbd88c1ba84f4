"""The interface between search, training and tracking: trials go in, results come out.

A trainer takes a batch of trials and reports every epoch to its caller: `train(trials, on_epoch) -> list of results`.
A trainer of many trials at once also reports when all of them have ended an epoch, and fills free places with new
trials (`Together`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from study.core.search_space import Value

State = Literal["complete", "pruned", "diverged", "failed"]
ConfirmationConfig = Literal["best", "default", "fixed"]
# A training is a trial of the search, or a confirmation of one of three settings.
Kind = Literal["trial"] | ConfirmationConfig
# The names of the settings for people: `best 0` could be read as the best trial.
SETTING_WORDS: Mapping[Kind, str] = {"best": "tuned", "default": "untuned", "fixed": "fixed"}


def run_words(kind: Kind, number: int) -> str:
    """Return a training in the words of all texts, such as `trial 3` or `confirmation 0 (tuned)`.

    Args:
        kind: `trial`, or the setting that is confirmed.
        number: Index of the trial, from 0; of a confirmation, its repetition.
    """
    return f"trial {number}" if kind == "trial" else f"confirmation {number} ({SETTING_WORDS[kind]})"


# Scalars of one epoch, named as Keras names them; with `tracking.every_n_steps` an array beside them.
Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of hyperparameters to be trained with given seeds.

    Attributes:
        number: The trial's index in its study, 0 ... n_trials - 1; of a confirmation, its repetition r, from 0.
        hyperparameters: Values for the optimizer's constructor by argument; arguments left out keep their defaults.
        run_seed: Seed of initialization and dropout.
        order_seed: Seed of the batch order.
        test: Evaluate the test split after training if the data set has one; true for confirmations alone. Default
            False.
        keep_weights: Return the final weights with the result. Default False.
    """

    number: int
    hyperparameters: Mapping[str, Value]
    run_seed: int
    order_seed: int
    test: bool = False
    keep_weights: bool = False


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """A trainer's report to its caller after one epoch of one trial.

    Attributes:
        epoch: Index of the epoch, from 0.
        step: Optimizer steps taken so far.
        metrics: The epoch's scalars: `loss`, `accuracy`, `val_loss`, ... They may be non-finite.
        steps: With `tracking.every_n_steps`, arrays of shape (n_recorded_steps,) by name: `step` (1-based) and
            `step_loss`. Default: empty.
    """

    epoch: int
    step: int
    metrics: Metrics
    steps: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        trial: The trial that was trained.
        state: `complete`; `pruned` when the caller stopped it; `diverged` when its loss became non-finite or its
            final training loss is above the loss before the first step; `failed` when an exception ended it.
        history: One value per epoch for each metric, in the order of the epochs.
        summary: Numbers known at the end: `seconds_train`, `seconds_compile`, `seconds_evaluate`, `n_steps`,
            `n_examples`, `initial_loss`, `early_loss`, the mean loss of the first two batches (known after the
            first epoch), `final_loss`, `n_parameters`, `optimizer_state_bytes`, `compiled_batch_size`
            at the start, `compiled_batch_size_at_end` if that differs; `diverged_at_step` for a diverged trial with a
            non-finite loss; `test_loss`, `test_accuracy`, ... for a confirmation, if there is a test split.
        error: The traceback of a failed trial. None (the default): the trial did not fail.
        weights: The final weights in the order of `model.get_weights()`. None (the default): the trial did not ask for
            them.
        messages: Lines for the user on this training, such as on a checkpoint that does not fit. Default: none.
    """

    trial: Trial
    state: State
    history: Mapping[str, Sequence[float]]
    summary: Mapping[str, float]
    error: str | None = None
    weights: tuple[NDArray[np.generic], ...] | None = None
    messages: tuple[str, ...] = ()

    @property
    def last_metrics(self) -> dict[str, float]:
        """The last value of each metric, and the summary, as the trial's run has them in MLflow."""
        return {name: values[-1] for name, values in self.history.items() if len(values)} | dict(self.summary)


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The best completed trial of a search.

    Attributes:
        number: The trial's index in its study, from 0.
        point: The values of the arguments that were searched.
        objective: The trial's objective, in the units of the metric.
    """

    number: int
    point: Mapping[str, Value]
    objective: float


# Called after every epoch of every trial; returning false stops the trial, which becomes `pruned`.
OnEpoch = Callable[[Trial, EpochReport], bool]


def nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """The calls, besides `on_epoch`, that a trainer of many trials at once makes.

    Attributes:
        epoch_ended: Called once all trials that still train have reported an epoch. Takes the trials that diverged in
            it. Returns the numbers of the trials to stop, which become `pruned`.
        more: Called when places become free. Takes the number of places, and results that the trainer then does not
            return. Returns at most so many new trials. None (the default): a batch keeps its trials, so that its
            numbers are the same bit by bit even if some of them are stopped.
        begun: Called while the device trains the first epoch of a batch; the caller may use that time. Default:
            ignore.
        ending: Called while the device trains each of the last two epochs. Takes the number of epochs after the
            present one. Default: ignore.
    """

    epoch_ended: Callable[[Sequence[Trial]], Collection[int]]
    more: Callable[[int, Sequence[TrialResult]], Sequence[Trial]] | None = None
    begun: Callable[[], None] = nothing
    ending: Callable[[int], None] = nothing


# For a caller that ignores all of these calls.
UNWATCHED = Together(epoch_ended=lambda _: ())


class Trainer(Protocol):
    """Trainer of batches of trials on one workload.

    A trainer of capacity 1 needs no argument `together`: callers pass `together` to trainers of larger capacity only.
    """

    @property
    def capacity(self) -> int:
        """The number of trials that train at once."""
        ...

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together = UNWATCHED) -> list[TrialResult]:
        """Train a batch of trials.

        Args:
            trials: The trials, in any number. At most `capacity` of them train at once.
            on_epoch: Called after every epoch of every trial. Returning False stops the trial, which becomes `pruned`.
            together: The calls for the batch as a whole. Default: calls that do nothing.

        Returns:
            The results in the order of the trials, without those that `together.more` has taken.
        """
        ...

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Return a fresh, uncompiled Keras model.

        Args:
            weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.
        """
        ...
