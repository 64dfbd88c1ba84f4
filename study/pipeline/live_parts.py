"""The parts of a running study that its display counts: trials, confirmations, looks and bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study.core.number_text import score_text
from study.core.trainer_interface import State


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a trial or a confirmation.

    Attributes:
        number: Index of the trial, from 0; of a confirmation, its repetition, from 0.
        state: The state in which it ended.
        objective: The objective, in the metric's units; None for a failed trial.
    """

    number: int
    state: State
    objective: float | None

    def text(self, metric: str) -> str:
        """Return the state, with the value of a training that has one: that of a diverged one is only assumed.

        Args:
            metric: Name of the metric.
        """
        if self.state == "diverged" or self.objective is None:
            return self.state
        return f"{self.state}: {metric} {score_text(self.objective)}"


@dataclass(frozen=True, kw_only=True)
class Running:
    """The progress of a running trial; a trial of a batch may be stopped before the batch ends.

    Attributes:
        epoch: Number of epochs done. Default 0.
        n_epochs: Number of epochs of the training. None (the default): the budget counts steps.
        value: The objective's metric at the last epoch. None (the default): no epoch is done.
        state: The state in which the trial ended. None (the default): it runs.
    """

    epoch: int = 0
    n_epochs: int | None = None
    value: float | None = None
    state: State | None = None

    @property
    def share(self) -> float:
        """Share of the trial's epochs that are done, from 0 to 1; 0 if the budget counts steps."""
        if self.state is not None:
            return 1.0
        return self.epoch / self.n_epochs if self.n_epochs else 0.0

    def text(self, metric: str) -> str:
        """Return the epoch and the metric's value in words.

        Args:
            metric: Name of the metric.
        """
        if self.epoch == 0:
            return "starting"
        of = f" of {self.n_epochs}" if self.n_epochs else ""
        return f"epoch {self.epoch}{of}, {metric} {score_text(self.value)}"


@dataclass(frozen=True)
class Bar:
    """A part of a study with what is done of it.

    Attributes:
        title: Name of the part.
        done: Units of work done, with shares of running ones.
        n: Units of work of the part.
        of: Name of a unit; may be empty.
        n_ended: Number of units that have ended. Default 0.
        batch: Units that train side by side, with the epoch that they have reached. Default: none do.
    """

    title: str
    done: float
    n: int
    of: str
    n_ended: int = 0
    batch: Sequence[Running] = ()

    def text(self) -> str:
        """Return `3 of 20 trials`, or for a batch `10 of 20 at epoch 3 of 5`, which the bar counts too."""
        epochs = epochs_text(self.batch) if any(trial.share for trial in self.batch) else ""
        if len(self.batch) < 2 or not epochs:
            return f"{self.n_ended} of {self.n}{f' {self.of}' if self.of else ''}"
        if not self.n_ended:
            return f"{len(self.batch)} of {self.n} at {epochs}"
        return f"{self.n_ended} of {self.n}, {len(self.batch)} at {epochs}"


@dataclass(frozen=True)
class LookPlace:
    """The place of a look among the planned looks at the confirmations.

    Attributes:
        number: Number of the look, from 1.
        n: Number of planned looks.
        first: Number of seeds before it.
        last: Number of seeds at it.
    """

    number: int
    n: int
    first: int
    last: int

    def text(self) -> str:
        """Return `look 2 of 3 (5 to 10 seeds)`."""
        return f"look {self.number} of {self.n} ({self.first} to {self.last} seeds)"


def bar_of(title: str, n_ended: int, *, n: int, running: Sequence[Running], of: str = "") -> Bar:
    """Return the bar of a part with what runs of it.

    Args:
        title: Name of the part.
        n_ended: Number of units that have ended.
        n: Planned units of the part.
        running: The units that run.
        of: Name of a unit. Default: none.
    """
    done = n_ended + sum(trial.share for trial in running)
    return Bar(title, done=done, n=max(n, n_ended + len(running)), of=of, n_ended=n_ended, batch=running)


def epochs_text(batch: Sequence[Running]) -> str:
    """Return `epoch 3 of 5`, or the first and the last epoch of trials that have begun at different times.

    Args:
        batch: The trials; those that were stopped count only if no other one trains.
    """
    epochs = [trial.epoch for trial in batch if trial.state is None] or [trial.epoch for trial in batch]
    of = next((f" of {trial.n_epochs}" for trial in batch if trial.n_epochs), "")
    low, high = min(epochs, default=0), max(epochs, default=0)
    return f"epoch {high}{of}" if low in (0, high) else f"epochs {low} to {high}{of}"
