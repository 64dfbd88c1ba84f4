"""Read the metrics of a workload and the objective by which a study selects."""

from __future__ import annotations

import math
from collections.abc import Mapping

from study.config.metric_facts import (
    LOSS,
    MetricFacts,
    UnusableMetric,
    earlier_direction,
    facts_of,
    metric_names,
)
from study.config.reader import Reader, did_you_mean, is_number
from study.config.schema import Direction, Objective
from study.config.task import Metric, Task

AUTO = "auto"
_MARGIN_OF_SHARES = 0.005  # half a point
# Numbers that every run has in MLflow; a metric of the same name would be overwritten.
_RECORDED = (
    *("objective", "initial_loss", "early_loss", "final_loss", "n_steps", "n_examples", "n_parameters"),
    *("seconds_train", "seconds_compile", "seconds_evaluate", "optimizer_state_bytes", "compiled_batch_size"),
    *("compiled_batch_size_at_end", "diverged_at_step"),
)


def read_metrics(read: Reader, of: str) -> tuple[Metric, ...]:
    """Read the metrics besides the loss. Each needs a name of its own, because an objective names a metric.

    Args:
        read: The reader, which collects faults.
        of: The key of the list, such as `dataset.task.metrics`.
    """
    given = read.value(of, default=None)
    if given is not None and not isinstance(given, list | tuple):
        read.fault(of, given, allowed="a list of metrics", advice="Write [accuracy].")
    metrics: list[Metric] = []
    names = {"loss"}
    for position, metric in enumerate(given if isinstance(given, list | tuple) else ()):
        key, is_section = f"{of}.{position}", isinstance(metric, Mapping)
        if not isinstance(metric, str) and not (is_section and {"_target_", "name"} <= set(metric)):
            advice = "Write its name, or _target_ and name."
            read.fault(key, metric, allowed="a metric of Keras", advice=advice)
            continue
        if isinstance(metric, str) and metric not in metric_names():
            advice = f"{did_you_mean(metric, metric_names())} Or write _target_ and name."
            read.fault(key, metric, allowed="the name of a metric of Keras", advice=advice)
        name = metric if isinstance(metric, str) else str(metric["name"])
        if is_taken(name):
            advice = "Give it another name."
            allowed = "a name that is not recorded of every run, and without test_ or best_ in front"
            read.fault(key, name, allowed=allowed, advice=advice)
        elif name in names or name.startswith("val_"):
            advice = "Give it another name."
            read.fault(key, name, allowed="a name of its own, not loss, and without val_ in front", advice=advice)
        names.add(name)
        metrics.append(metric)
    return tuple(metrics)


def is_taken(name: str) -> bool:
    """Return whether a name in MLflow is that of a number of every run, or of a result on the test split.

    Args:
        name: The name of a metric.
    """
    return name in _RECORDED or name.startswith(("test_", "best_"))


def read_objective(read: Reader, task: Task, *, recorded: bool) -> Objective:
    """Read the objective. Its direction is the direction of the metric, and must be given if that is not known.

    Args:
        read: The reader, which collects faults.
        task: The task with the metrics.
        recorded: True for a config from a store. Its direction stays as recorded, even if an earlier version guessed
            it.
    """
    metric, facts = read.text("objective.metric"), MetricFacts(direction=None)
    direction = read.one_of("objective.direction", ("auto", "maximize", "minimize"))
    target = read.number("objective.target", optional=True)
    if metric and metric not in task.metric_names:
        allowed = f"a metric of this workload: {', '.join(task.metric_names)}"
        read.fault("objective.metric", metric, allowed=allowed, advice=did_you_mean(metric, task.metric_names))
    elif metric:
        try:
            facts = _facts(metric, task)
            if not recorded:
                _check_direction(read, metric, direction, facts)
        except UnusableMetric as error:
            advice = "Correct it, or its section in dataset.task.metrics."
            read.fault("objective.metric", metric, allowed=f"a metric that can be used; {error}", advice=advice)
    if not recorded and facts.is_share and target is not None and not 0 <= target <= 1:
        read.fault("objective.target", target, **of_share(target, metric))
    known: Direction = facts.direction or earlier_direction(metric)
    return Objective(
        metric=metric,
        direction=known if direction == "auto" else direction,
        target=target,
        is_share=facts.is_share,
        margin=_margin(read, metric, is_share=facts.is_share),
    )


def of_share(value: float, metric: str) -> dict[str, str]:
    """Return what a value of a share may be, and the next step, for a fault about one beyond it.

    Args:
        value: The value.
        metric: Name of the metric.
    """
    advice = f"Write {value / 100:g}, if {value:g} per cent is meant." if 1 < value <= 100 else "Correct it."
    return {"allowed": f"a value from 0 to 1, as {metric} has", "advice": advice}


def _margin(read: Reader, metric: str, *, is_share: bool) -> float | None:
    """Return the smallest difference that matters; `auto` is half a point of a share, and none of other metrics."""
    key = "objective.margin"
    found = read.value(key, default=AUTO)
    if found == AUTO:
        return _MARGIN_OF_SHARES if is_share else None
    if found is None or (is_number(found) and 0 < found < (1 if is_share else math.inf)):
        return None if found is None else float(found)
    limit = f"above 0 and below 1, the largest difference of {metric}" if is_share else "above 0"
    advice = "Give the smallest difference that matters; with null, none is too small."
    if is_share and is_number(found) and 1 <= found < 100:
        advice = f"Write {found / 100:g}, if {found:g} points are meant."
    read.fault(key, found, allowed=f"a number {limit}, auto or null", advice=advice)
    return None


def _facts(metric: str, task: Task) -> MetricFacts:
    """Return the facts of a metric of the task, or of a loss."""
    found = task.find_watched(metric)
    return LOSS if found is None or found.metric is None else facts_of(found.metric)


def _check_direction(read: Reader, metric: str, direction: str, facts: MetricFacts) -> None:
    """Refuse a direction that is not known, and one that is not the metric's."""
    if direction == "auto" and facts.direction is None:
        read.fault(
            "objective.direction",
            direction,
            allowed=f"maximize or minimize, since the direction of {metric} is not known: {facts.reason}",
            advice="Set objective.direction, or give the metric's class an attribute: direction = 'minimize'.",
        )
    elif direction != "auto" and facts.direction not in (None, direction):
        better = "small" if facts.direction == "minimize" else "large"
        read.fault(
            "objective.direction",
            direction,
            allowed=f"{facts.direction} or auto, since a {better} {metric} is good",
            advice="Leave it out, or select by another metric.",
        )
