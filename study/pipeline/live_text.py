"""The progress of a running study, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from study.config.schema import Direction
from study.core.trainer_interface import BestTrial, Kind, State

# Up to this many parallel trials are listed one by one; more are summed up.
MOST_SHOWN = 4


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
        return f"epoch {self.epoch}{of}, {metric} {number_text(self.value)}"


@dataclass(kw_only=True)
class Progress:
    """The progress of a study.

    Attributes:
        name: Name of the experiment and of the study.
        metric: The metric of all values and objectives.
        direction: `maximize` if a large value is good.
        n_trials: Number of trials of the study.
        n_left: Number of trials and confirmations to run from `started` on.
        started: Time of the start, in seconds of the monotonic clock.
        n_ended: Number of trials and confirmations that have ended since `started`. Default 0.
        best: The best trial so far. None (the default): no trial has completed.
        running: The trials and confirmations that run now, by kind and number. Default: empty.
    """

    name: str
    metric: str
    direction: Direction
    n_trials: int
    n_left: int
    started: float
    n_ended: int = 0
    best: BestTrial | None = None
    running: dict[tuple[Kind, int], Running] = field(default_factory=dict)

    @property
    def done(self) -> float:
        """Number of trials and confirmations done since `started`, with shares of running ones."""
        return self.n_ended + sum(trial.share for trial in self.running.values())

    def title(self, kind: Kind, number: int) -> str:
        """Return the title of a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
        """
        if kind == "trial":
            return f"trial {number} ({number + 1} of {self.n_trials})"
        return f"confirmation {number} ({kind})"

    def time_text(self, now: float) -> str:
        """Return the time so far and the time left in words.

        Args:
            now: The time, in seconds of the monotonic clock.
        """
        elapsed, done = now - self.started, self.done
        if done <= 0:
            return f"{duration_text(elapsed)} so far, time left unknown"
        left = max(self.n_left - done, 0) * elapsed / done
        return f"{duration_text(elapsed)} so far, about {duration_text(left)} left"

    def best_text(self) -> str:
        """Return the best value and its trial in words."""
        if self.best is None:
            return f"no {self.metric} yet"
        return f"best {self.metric} {number_text(self.best.objective)} (trial {self.best.number})"

    def running_text(self) -> list[str]:
        """Return a line for each running trial, or one line for a batch."""
        if len(self.running) <= MOST_SHOWN:
            return [f"{self.title(*key)}: {trial.text(self.metric)}" for key, trial in self.running.items()]
        batch = list(self.running.values())
        counts: Counter[str] = Counter(trial.state or "training" for trial in batch)
        epochs = [trial.epoch for trial in batch if trial.state is None] or [trial.epoch for trial in batch]
        of = next((f" of {trial.n_epochs}" for trial in batch if trial.n_epochs), "")
        low, high = min(epochs), max(epochs)
        epoch = "starting" if high == 0 else f"epoch {high}{of}" if low in (0, high) else f"epochs {low} to {high}{of}"
        told = ["training", *(state for state in counts if state != "training")]
        states = ", ".join(f"{counts[state]} {state}" for state in told)
        values = [trial.value for trial in batch if trial.value is not None]
        return [f"batch of {len(batch)}, {epoch}: {states}{self._spread(values)}"]

    def batch_text(self, kind: Kind, ended: Sequence[Ended]) -> str:
        """Return a line that sums up the ends of a batch's trials or confirmations.

        Args:
            kind: `trial`, or the setting that is confirmed.
            ended: The ends, at least one.
        """
        numbers = [one.number for one in ended]
        of = "trials" if kind == "trial" else f"confirmations ({kind})"
        counts = Counter(one.state for one in ended)
        states = ", ".join(f"{counts[state]} {state}" for state in sorted(counts))
        # A pruned trial's value is from an earlier epoch; a diverged trial's is only the worst possible one.
        values = [one.objective for one in ended if one.state == "complete" and one.objective is not None]
        return f"{len(ended)} {of} ({min(numbers)} to {max(numbers)}): {states}{self._spread(values)}"

    def _spread(self, values: Sequence[float]) -> str:
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return ""
        best = max(finite) if self.direction == "maximize" else min(finite)
        return f"; {self.metric} best {number_text(best)}, median {number_text(median(finite))}"


def number_text(value: float | None) -> str:
    """Return a value with four digits.

    Args:
        value: The value; None: `none`.
    """
    return "none" if value is None else f"{value:.4g}"


def duration_text(seconds: float) -> str:
    """Return a time with its unit: 8.3 s, 2 min 5 s, 1 h 4 min.

    Args:
        seconds: The time, in seconds.
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
