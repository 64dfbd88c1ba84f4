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
    """The end of a trial or a confirmation; a failed one has no objective (None)."""

    number: int
    state: State
    objective: float | None


@dataclass(frozen=True, kw_only=True)
class Running:
    """The progress of a running trial; a trial of a batch may be stopped before the batch ends."""

    epoch: int = 0
    n_epochs: int | None = None
    value: float | None = None
    state: State | None = None

    @property
    def share(self) -> float:
        """The share of its epochs that is done, from 0 to 1; 0 where the budget counts steps."""
        if self.state is not None:
            return 1.0
        return self.epoch / self.n_epochs if self.n_epochs else 0.0

    def text(self, metric: str) -> str:
        """Return the epoch and its value in words."""
        if self.epoch == 0:
            return "starting"
        of = f" of {self.n_epochs}" if self.n_epochs else ""
        return f"epoch {self.epoch}{of}, {metric} {number_text(self.value)}"


@dataclass(kw_only=True)
class Progress:
    """The progress of a study.

    Attributes:
        name: The study, with its experiment.
        metric: The metric of all values and objectives.
        direction: `maximize` if a large value is good.
        n_trials: Trials of the study.
        n_left: Trials and confirmations to run from `started` on.
        started: When the study was started, by the monotonic clock.
        n_ended: Those that have ended since. Default 0.
        best: The best trial so far.
        running: The trials and confirmations that run now.
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
        """Trials and confirmations done since `started`, parts of running ones included."""
        return self.n_ended + sum(trial.share for trial in self.running.values())

    def title(self, kind: Kind, number: int) -> str:
        """Return the title of a trial, by its number from 0 and its place, or of a confirmation."""
        if kind == "trial":
            return f"trial {number} ({number + 1} of {self.n_trials})"
        return f"confirmation {number} ({kind})"

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
        """Return a line that sums up the ends of a batch's trials or confirmations."""
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
    """Return a value with four digits."""
    return "none" if value is None else f"{value:.4g}"
