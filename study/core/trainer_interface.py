"""What passes between search, training and tracking: trials on the way in, results on the way out.

This is the seam of the project. A trainer takes a batch of trials and tells its caller about every epoch:
`train(trials, on_epoch) -> list of results`. One that trains many side by side also tells when an epoch of all of them
is over, and gives places that become free to new trials (`Together`).
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
# What is trained: a trial of the search, or a confirmation of one of three configurations.
Kind = Literal["trial"] | ConfirmationConfig

# Scalars of one epoch, named as Keras names them; with `tracking.every_n_steps` an array beside them.
Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of hyperparameters to be trained with given seeds.

    Attributes:
        number: The trial's index in its study, 0 ... n_trials - 1; of a confirmation, its repetition r.
        hyperparameters: Values for the optimizer's constructor; arguments left out keep their defaults.
        run_seed: Seed of initialisation and dropout.
        order_seed: Seed of the batch order.
        test: Evaluate the test split after training; true for confirmations alone.
        keep_weights: Return the final weights with the result.
    """

    number: int
    hyperparameters: Mapping[str, Value]
    run_seed: int
    order_seed: int
    test: bool = False
    keep_weights: bool = False


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What a trainer tells its caller after each epoch of each trial.

    Attributes:
        epoch: Index of the epoch, from 0.
        step: Optimizer steps taken so far.
        metrics: The epoch's scalars: `loss`, `accuracy`, `val_loss`, ... A metric that is not finite is passed on.
        steps: With `tracking.every_n_steps`, arrays of equal length by name: `step` (1-based) and `step_loss`.
    """

    epoch: int
    step: int
    metrics: Metrics
    steps: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """How a trial ended.

    Attributes:
        trial: The trial that was trained.
        state: `complete`; `pruned` when the caller stopped it; `diverged` when its loss became non-finite or its
            final training loss is above the loss before the first step; `failed` when an exception ended it.
        history: Per metric one value an epoch, in order.
        summary: Scalars known at the end: `seconds_train`, `seconds_compile`, `seconds_evaluate`, `n_steps`,
            `n_examples`, `initial_loss`, `final_loss`, `n_parameters`, `optimizer_state_bytes`,
            `compiled_batch_size` when it began (where it has become another since, `compiled_batch_size_at_end`),
            and for a diverged trial with non-finite loss `diverged_at_step`; for a confirmation `test_loss`,
            `test_accuracy`, ...
        error: The traceback of a failed trial.
        weights: The final weights in the order of `model.get_weights()`, when asked for.
    """

    trial: Trial
    state: State
    history: Mapping[str, Sequence[float]]
    summary: Mapping[str, float]
    error: str | None = None
    weights: tuple[NDArray[np.generic], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The best completed trial of a search.

    Attributes:
        number: Its trial number.
        point: The values of the arguments that were searched.
        objective: Its objective.
    """

    number: int
    point: Mapping[str, Value]
    objective: float


# Called after every epoch of every trial; false stops that trial (it becomes `pruned`).
OnEpoch = Callable[[Trial, EpochReport], bool]


def nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What a caller does for trials that are trained side by side, beyond `on_epoch`.

    Attributes:
        epoch_ended: Called after `on_epoch` was told an epoch of all trials that still train, with those that
            diverged in it. Returns the numbers of the trials to stop, which become `pruned`.
        more: Called with the number of places that have become free, and with results, which the trainer then does
            not return. Returns new trials, at most as many. None: a batch stays as it was begun, so that its numbers
            are the same bit by bit whenever some of its trials are stopped.
        begun: Called while the device trains the first epoch of a batch: time for other things.
        ending: Called while it trains each of the last two, with how many come after it.
    """

    epoch_ended: Callable[[Sequence[Trial]], Collection[int]]
    more: Callable[[int, Sequence[TrialResult]], Sequence[Trial]] | None = None
    begun: Callable[[], None] = nothing
    ending: Callable[[int], None] = nothing


# What is done for trials that nobody watches.
UNWATCHED = Together(epoch_ended=lambda _: ())


class Trainer(Protocol):
    """Trains batches of trials on one workload.

    `together` is passed to a trainer alone whose capacity is above one; others need no such argument.
    """

    @property
    def capacity(self) -> int:
        """How many trials it trains at once."""
        ...

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together = UNWATCHED) -> list[TrialResult]:
        """Train the trials and return a result for each, in their order, but for what was handed to `more`."""
        ...

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Return a fresh, uncompiled Keras model, with the given weights if any."""
        ...
