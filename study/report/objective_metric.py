"""The metric that studies are compared by: its name, its bounds and its notation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from study.config.metric_facts import earlier_direction, earlier_is_share, facts_of, metric_names
from study.config.schema import Direction, Objective
from study.config.task import name_of
from study.core.errors import StoreError
from study.core.readable_output import in_one_line
from study.core.records import RunRecord
from study.report.recorded_task import recorded_task
from study.statistics.resolution import Resolution, is_share_of_examples, share_of

# Names and classes of Keras, in small letters and without underscores.
_FROM_ZERO = ("crossentropy", "squarederror", "absoluteerror", "percentageerror", "logarithmicerror", "hinge", "huber")
_SHORT_FROM_ZERO = ("mse", "mae", "mape", "msle", "rmse", "logcosh")
ConfirmedOn = Literal["test", "validation"]
# Beginnings of a metric's name on the splits on which confirmations are measured.
PREFIXES: Mapping[ConfirmedOn, str] = {"test": "test_", "validation": "val_"}
MINUS = "\u2212"
_MOST_DIGITS = 5  # more than the usual ones
SPACE = "\u00a0"  # does not break a number from its unit


@dataclass(frozen=True, kw_only=True)
class ObjectiveMetric:
    """The metric that studies select by, and its counterparts on the other splits.

    Confirmations are measured on the test split. Without one they are measured on validation, at the last epoch.

    Attributes:
        name: The metric selected by, such as `val_accuracy`.
        direction: `maximize` or `minimize`.
        target: The value of the metric to reach; None without a target.
        is_share: True for a metric between 0 and 1.
        n_validation: Number of validation examples that a share counts over; None (the default) where not recorded.
        n_confirmed: The same of the split on which confirmations are measured.
        confirmed_on: Split on which confirmations are measured. Default `test`.
        from_zero: Whether a metric that is not a share cannot be negative, such as a squared error. Default: False.
        is_weighted: Whether the metric counts each example with its sample weight. Default: False.
    """

    name: str
    direction: Direction
    target: float | None
    is_share: bool
    n_validation: int | None = None
    n_confirmed: int | None = None
    confirmed_on: ConfirmedOn = "test"
    from_zero: bool = False
    is_weighted: bool = False

    @property
    def training(self) -> str:
        """The same metric on the training split, such as `accuracy`."""
        return self.name.removeprefix("val_")

    @property
    def confirmed(self) -> str:
        """The same metric of a confirmation, such as `test_accuracy`; without a test split `val_accuracy`."""
        return f"{PREFIXES[self.confirmed_on]}{self.training}"

    @property
    def spoken(self) -> str:
        """The metric in words, such as `accuracy`."""
        return self.training.replace("_", " ")

    @property
    def confirmed_spoken(self) -> str:
        """The metric of a confirmation in words, such as `test accuracy`."""
        return f"{self.confirmed_on} {self.spoken}"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the metric can take."""
        return (0.0, 1.0) if self.is_share else (-math.inf, math.inf)

    @property
    def value_bounds(self) -> tuple[float, float]:
        """The least and the greatest mean of the metric: intervals end there."""
        return (0.0, math.inf) if self.from_zero and not self.is_share else self.bounds

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

    def confirmed_score(self, run: RunRecord) -> float | None:
        """Return a confirmation's score: the worst value if it diverged, None if it failed or is still running."""
        return self._score(run, self.confirmed)

    @property
    def counts_examples(self) -> bool:
        """True for an accuracy without weights: a multiple of one over the number of examples."""
        return self.is_share and not self.is_weighted and is_share_of_examples(self.name)

    @property
    def confirmed_resolution(self) -> Resolution:
        """The steps of a single score of a confirmation."""
        return share_of(self.n_confirmed) if self.counts_examples else Resolution()

    @property
    def validation_resolution(self) -> Resolution:
        """The steps of a single validation score."""
        return share_of(self.n_validation) if self.counts_examples else Resolution()

    def compared_validation(self, run: RunRecord) -> float | None:
        """Return a run's objective, rounded to the metric's resolution: equal scores tie, whatever computed them."""
        value = self.validation(run)
        return None if value is None else float(self.validation_resolution.rounded(value))

    def compared_confirmation(self, run: RunRecord) -> float | None:
        """Return a confirmation's score, rounded to the metric's resolution."""
        value = self.confirmed_score(run)
        return None if value is None else float(self.confirmed_resolution.rounded(value))

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        if not math.isfinite(value):
            return "none"
        return f"{100 * value:.2f}{SPACE}%" if self.is_share else f"{value:.4g}"

    @property
    def hover_format(self) -> str:
        """The format of a value in figures, in the unit of `text`."""
        return ".2%" if self.is_share else ".4g"

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

    def change_span(self, low: float, high: float, *, margin: float | None = None) -> str:
        """Return an interval of differences, without unit; an end of exactly 0 is open, and no other reads as 0.

        Args:
            low: The lower end.
            high: The upper end.
            margin: The difference that matters: an end beyond it never reads as if it were on it. Default: none.
        """
        if not (math.isfinite(low) and math.isfinite(high)):
            return ""
        ends = [f"{MINUS if end < 0 else ''}{self._beyond(abs(end), margin)}" for end in (low, high)]
        # Where Holm's procedure establishes only the sign, its limit is 0 and open.
        if low == 0 < high:
            return f"above 0 to {ends[1]}"
        return f"{ends[0]} to below 0" if low < 0 == high else f"{ends[0]} to {ends[1]}"

    @property
    def _worst(self) -> float:
        return Objective(metric=self.name, direction=self.direction, target=None, is_share=self.is_share).worst

    def _beyond(self, value: float, margin: float | None) -> str:
        """Return a number, with more digits where it would read as 0 or as the margin, but is larger."""
        below = [limit for limit in (0.0, margin) if limit is not None and value > limit]
        texts = ([self._number(each, more) for each in (value, *below)] for more in range(_MOST_DIGITS))
        return next((told for told, *others in texts if told not in others), self._number(value))

    def _number(self, value: float, more: int = 0) -> str:
        if not self.is_share:
            return f"{value:.{3 + more}g}"
        # A hundredth of a point is one of 10 000 examples.
        return f"{100 * value:.{2 + more}f}"

    def _score(self, run: RunRecord, metric: str) -> float | None:
        if run.state == "diverged":
            return self.worst
        value = run.metrics.get(metric)
        if run.state is None or run.state == "failed" or value is None:
            return None
        return value if math.isfinite(value) else self.worst


def metric_of(params: Mapping[str, str], tags: Mapping[str, str] | None = None) -> ObjectiveMetric:
    """Return the metric by which a study has selected, with the direction that it had then.

    Args:
        params: The recorded config.
        tags: Tags of the study's run, which hold the metric's direction and range and the sizes of the splits. None
            (the default): sizes are unknown, and the rest is what an earlier version guessed by the metric's name.

    Raises:
        StoreError: The metric or the target was changed in the store.
    """
    tags = tags or {}
    name, typed, target = (params.get(f"objective.{key}") for key in ("metric", "direction", "target"))
    if not name:
        raise _changed("metric", name, "the name of a metric")
    # Versions before 2026-11-28 recorded no more than what was typed.
    earlier = typed if typed in ("minimize", "maximize") else earlier_direction(name)
    watched = recorded_task(params).find_watched(name)
    confirmed_on = confirmed_on_of(tags)
    n_validation, n_confirmed = (_n_counted(name, params, tags, split=split) for split in ("validation", confirmed_on))
    return ObjectiveMetric(
        name=name,
        direction="minimize" if tags.get("objective_direction", earlier) == "minimize" else "maximize",
        target=None if target is None else _target(target),
        is_share=tags.get("objective_is_share", str(earlier_is_share(name))) == "True",
        n_validation=n_validation,
        n_confirmed=n_confirmed,
        confirmed_on=confirmed_on,
        from_zero=_is_from_zero(name, params),
        is_weighted=watched is not None and watched.is_weighted,
    )


def confirmed_on_of(tags: Mapping[str, str]) -> ConfirmedOn:
    """Return the split on which a study's confirmations are measured: validation if the test split is empty.

    Args:
        tags: Tags of the study's run, which hold the sizes of the splits.
    """
    return "validation" if tags.get("n_test") == "0" else "test"


def metric_confirmed(name: str, params: Mapping[str, str], tags: Mapping[str, str]) -> ObjectiveMetric:
    """Return any metric of a study's confirmations, such as `test_loss`, with its resolution and bounds.

    Args:
        name: Its name.
        params: The recorded config.
        tags: Tags of the study's run.
    """
    short = name.removeprefix(PREFIXES[confirmed_on_of(tags)])
    if params.get("objective.metric") == (own := f"val_{short}"):
        return metric_of(params, tags)
    # The facts of the objective are not those of another metric, and its direction is of no use here.
    kind, _ = _kind_and_loss(own, params)
    is_share = facts_of(kind).is_share if kind in metric_names() else earlier_is_share(kind)
    kept = {key: value for key, value in params.items() if not key.startswith("objective.")}
    of_other = {**tags, "objective_direction": "minimize", "objective_is_share": str(is_share)}
    return metric_of({**kept, "objective.metric": own}, of_other)


def _target(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _changed("target", text, "a finite number")
    return value


def _changed(key: str, text: str | None, allowed: str) -> StoreError:
    told = " is missing" if text is None else f"={in_one_line(text)}"
    return StoreError(
        f"The param objective.{key}{told} of a study, expected {allowed}. It was changed in MLflow. Correct it "
        "there, or restore the store from a copy."
    )


def _is_from_zero(metric: str, params: Mapping[str, str]) -> bool:
    """Return True for a loss or an error that cannot be negative, as far as its name or its class says so."""
    kind, loss = _kind_and_loss(metric, params)
    plain = (loss if kind == "loss" else kind).replace("_", "").lower()
    return plain in _SHORT_FROM_ZERO or plain.endswith(_FROM_ZERO)


def _n_counted(metric: str, params: Mapping[str, str], tags: Mapping[str, str], *, split: str) -> int | None:
    """Return the number of targets of a split that an accuracy counts over; None where it is not recorded."""
    n = tags.get(f"n_{split}")
    if n is None or not n.isdecimal() or n == "0":
        return None
    kind, loss = _kind_and_loss(metric, params)
    one_hot = kind.startswith(("categorical", "top_k")) or (kind == "accuracy" and loss == "CategoricalCrossentropy")
    return int(n) * (1 if one_hot else int(tags.get("targets_per_example", "1")))


def _kind_and_loss(metric: str, params: Mapping[str, str]) -> tuple[str, str]:
    """Return a metric's own name, without split and output, and the class of its output's loss."""
    task = recorded_task(params)
    found = task.find_watched(metric)
    kind = metric.removeprefix("val_").removeprefix("test_")
    if found is not None:
        kind = "loss" if found.metric is None else name_of(found.metric)
    loss = task.losses.get(found.output if found is not None else "", {})
    return kind, str(loss.get("_target_", "")).rpartition(".")[2]
