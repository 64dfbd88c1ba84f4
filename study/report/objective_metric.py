"""The metric that studies are compared by: its name, its bounds and its notation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from study.config.metric_facts import earlier_direction, earlier_is_share
from study.config.schema import Direction, Objective
from study.core.records import RunRecord, StudyRecord

MINUS = "\u2212"
SPACE = "\u00a0"  # does not break a number from its unit


@dataclass(frozen=True, kw_only=True)
class ObjectiveMetric:
    """The metric that studies select by, and its counterparts on the other splits.

    Attributes:
        name: The metric selected by, such as `val_accuracy`.
        direction: `maximize` or `minimize`.
        target: The value of the metric to reach; None without a target.
        is_share: True for a metric between 0 and 1.
    """

    name: str
    direction: Direction
    target: float | None
    is_share: bool

    @property
    def training(self) -> str:
        """The same metric on the training split, such as `accuracy`."""
        return self.name.removeprefix("val_")

    @property
    def test(self) -> str:
        """The same metric on the test split, such as `test_accuracy`."""
        return f"test_{self.training}"

    @property
    def spoken(self) -> str:
        """The metric in words, such as `accuracy`."""
        return self.training.replace("_", " ")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the metric can take."""
        return (0.0, 1.0) if self.is_share else (-math.inf, math.inf)

    @property
    def worst(self) -> float:
        """The worst value attainable: infinite for a metric without bounds."""
        return self._worst if self.is_share else math.copysign(math.inf, self._worst)

    @property
    def sign(self) -> float:
        """1 where larger is better, else -1."""
        return 1.0 if self.direction == "maximize" else -1.0

    def validation(self, run: RunRecord) -> float | None:
        """Return a run's objective: the worst value if it diverged, None if it failed or is still running."""
        return self._score(run, "objective")

    def tested(self, run: RunRecord) -> float | None:
        """Return a run's test score: the worst value if it diverged, None if it failed or is still running."""
        return self._score(run, self.test)

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        if not math.isfinite(value):
            return "none"
        return f"{100 * value:.2f}{SPACE}%" if self.is_share else f"{value:.4g}"

    def span(self, low: float, high: float) -> str:
        """Return an interval with its unit once; empty if an end is not finite."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return ""
        if self.is_share:
            return f"{100 * low:.2f} to {100 * high:.2f}{SPACE}%"
        return f"{low:.4g} to {high:.4g}"

    def change(self, value: float, *, signed: bool = True) -> str:
        """Return a difference with its unit: points for a share."""
        number = self._number(abs(value))
        prefix = (MINUS if value < 0 else "+") if signed else (MINUS if value < 0 else "")
        return f"{prefix}{number}{SPACE}points" if self.is_share else f"{prefix}{number}"

    def change_span(self, low: float, high: float) -> str:
        """Return an interval of differences, without unit; an end of exactly 0 is open."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return ""
        ends = [f"{MINUS if end < 0 else ''}{self._number(abs(end))}" for end in (low, high)]
        # Where Holm's procedure establishes only the sign, its limit is 0 and open.
        if low == 0 < high:
            return f"above 0 to {ends[1]}"
        return f"{ends[0]} to below 0" if low < 0 == high else f"{ends[0]} to {ends[1]}"

    @property
    def _worst(self) -> float:
        return Objective(metric=self.name, direction=self.direction, target=None, is_share=self.is_share).worst

    def _number(self, value: float) -> str:
        if not self.is_share:
            return f"{value:.3g}"
        # A hundredth of a point is one of 10 000 test examples.
        return f"{100 * value:.2f}"

    def _score(self, run: RunRecord, metric: str) -> float | None:
        if run.state == "diverged":
            return self.worst
        value = run.metrics.get(metric)
        if run.state is None or run.state == "failed" or value is None:
            return None
        return value if math.isfinite(value) else self.worst


def metric_of(record: StudyRecord) -> ObjectiveMetric:
    """Return the metric by which a study has selected, with the direction that it had then."""
    params, tags = record.params, record.tags
    name, typed, target = params["objective.metric"], params.get("objective.direction"), params.get("objective.target")
    # Versions before 2026-11-28 recorded no more than what was typed.
    earlier = "minimize" if typed == "minimize" else "maximize" if typed == "maximize" else earlier_direction(name)
    is_share = tags.get("objective_is_share", str(earlier_is_share(name)))
    return ObjectiveMetric(
        name=name,
        direction="minimize" if tags.get("objective_direction", earlier) == "minimize" else "maximize",
        target=None if target is None else float(target),
        is_share=is_share == "True",
    )
