"""Read the rules that act after each epoch, and the callbacks of a trainer."""

from __future__ import annotations

from typing import Any, cast

from study.config.epoch_rules import PLATEAU, EarlyStopping, Monitor, RateReduction
from study.config.instantiate import Section
from study.config.known_keys import correction
from study.config.metric_facts import LOSS, UnusableMetric, facts_of
from study.config.parse_objective import read_objective
from study.config.parse_sections import read_sections
from study.config.reader import Reader, did_you_mean
from study.config.schema import Objective
from study.config.task import Task

_STOPPING = "trainer.early_stopping"
_KEYS = ("monitor", "direction", "patience", "min_delta", "restore_best")


def read_objective_and_rules(read: Reader, task: Task, *, recorded: bool) -> dict[str, Any]:
    """Read the objective, early stopping, a rate that falls on a plateau, and callbacks, for `StudyConfig`.

    Args:
        read: The reader, which collects faults.
        task: The task, whose metrics can be monitored. If a rule names none, it monitors the objective's metric.
        recorded: True for a config from a store, which an earlier version may have checked less.
    """
    objective = read_objective(read, task, recorded=recorded)
    return {
        "objective": objective,
        "early_stopping": _read_early_stopping(read, task, objective),
        "rate_reduction": _read_rate_reduction(read, task, objective),
        "callbacks": _read_callbacks(read),
    }


def _read_early_stopping(read: Reader, task: Task, objective: Objective) -> EarlyStopping | None:
    """Read `trainer.early_stopping`; None if its patience is null."""
    section = read.section(_STOPPING, optional=True)
    for name in section:
        if name not in _KEYS:
            advice = correction(f"{_STOPPING}.{name}", (), _KEYS)
            read.fault(f"{_STOPPING}.{name}", section[name], allowed=f"one of {', '.join(_KEYS)}", advice=advice)
    if section.get("patience") is None:
        if section.get("monitor") is not None:
            advice = f"Set {_STOPPING}.patience=5, or leave out the monitor."
            read.fault(f"{_STOPPING}.patience", None, allowed="a number of epochs for the monitor", advice=advice)
        return None
    restore_best = read.boolean(f"{_STOPPING}.restore_best", default=True)
    monitor = _read_monitor(read, _STOPPING, task, objective)
    n_epochs = read.value("budget.n_epochs", default=None)
    if isinstance(n_epochs, int) and read.value("budget.n_steps", default=None) is None:
        _check_length(read, monitor, n_epochs, restores=restore_best)
    return EarlyStopping(monitor=monitor, restore_best=restore_best)


def _read_rate_reduction(read: Reader, task: Task, objective: Objective) -> RateReduction | None:
    """Read `schedule=plateau`; None for another schedule."""
    if read.value("schedule._target_", default=None) != PLATEAU:
        return None
    monitor = _read_monitor(read, "schedule", task, objective)
    factor = read.number("schedule.factor", optional=True, above=0)
    if factor is not None and factor >= 1:
        advice = "Set schedule.factor=0.1 for a tenth of the rate."
        read.fault("schedule.factor", factor, allowed="a number above 0 and below 1", advice=advice)
    min_factor = read.value("schedule.min_factor", default=None)
    if min_factor is not None and not _is_share(min_factor):
        advice = "Set it to the lowest rate as a share of the first one, such as 0.001."
        read.fault("schedule.min_factor", min_factor, allowed="a number of at least 0 and below 1", advice=advice)
        min_factor = None
    return RateReduction(
        monitor=monitor,
        factor=0.1 if factor is None else factor,
        cooldown=read.integer("schedule.cooldown", minimum=0, optional=True) or 0,
        min_factor=float(min_factor or 0.0),
    )


def _read_callbacks(read: Reader) -> list[Section]:
    """Read `trainer.callbacks`: a list of sections, each with the `_target_` of a callback."""
    key = "trainer.callbacks"
    given = read.value(key, default=None) or []
    example = "{_target_: keras.callbacks.CSVLogger, filename: epochs.csv}"
    return read_sections(read, key, given, things="callbacks", example=example)


def _read_monitor(read: Reader, of: str, task: Task, objective: Objective) -> Monitor:
    """Read the metric, the direction and the patience of a rule."""
    metric = read.text(f"{of}.monitor", optional=True) or objective.metric
    given = read.one_of(f"{of}.direction", ("auto", "maximize", "minimize"), default="auto")
    min_delta = read.number(f"{of}.min_delta", optional=True)
    if min_delta is not None and min_delta < 0:
        advice = f"Set {of}.min_delta=0 to count every improvement."
        read.fault(f"{of}.min_delta", min_delta, allowed="a number of at least 0", advice=advice)
    known: str | None = objective.direction if metric == objective.metric else None
    if metric not in task.metric_names and metric:
        allowed = f"a metric of this workload: {', '.join(task.metric_names)}"
        read.fault(f"{of}.monitor", metric, allowed=allowed, advice=did_you_mean(metric, task.metric_names))
        known = "minimize"
    elif known is None:
        known = _direction(read, f"{of}.monitor", metric, task)
    if given == "auto" and known is None:
        advice = f"Set {of}.direction, or give the metric's class an attribute: direction = 'minimize'."
        allowed = f"maximize or minimize, since the direction of {metric} is not known"
        read.fault(f"{of}.direction", given, allowed=allowed, advice=advice)
    elif given != "auto" and known not in (None, given):
        better = "small" if known == "minimize" else "large"
        allowed = f"{known} or auto, since a {better} {metric} is good"
        read.fault(f"{of}.direction", given, allowed=allowed, advice="Leave it out, or monitor another metric.")
    return Monitor(
        metric=metric,
        direction=cast(Any, known or ("minimize" if given == "auto" else given)),
        patience=read.integer(f"{of}.patience", minimum=1) or 1,
        min_delta=min_delta or 0.0,
    )


def _direction(read: Reader, key: str, name: str, task: Task) -> str | None:
    """Return the direction of a metric of the task; None if it is not known."""
    watched = task.find_watched(name)
    try:
        facts = LOSS if watched is None or watched.metric is None else facts_of(watched.metric)
    except UnusableMetric as error:
        read.fault(key, name, allowed=f"a metric that can be used; {error}", advice="Monitor another metric.")
        return "minimize"
    return facts.direction


def _check_length(read: Reader, monitor: Monitor, n_epochs: int, *, restores: bool) -> None:
    """Refuse a patience that has no effect within the epochs of the budget."""
    key = f"{_STOPPING}.patience"
    if n_epochs == 1:
        advice = "Raise budget.n_epochs, or leave out early stopping."
        read.fault(key, monitor.patience, allowed="a budget of more than one epoch (budget.n_epochs=1)", advice=advice)
    elif monitor.patience >= n_epochs and not restores:
        allowed = f"a number below budget.n_epochs={n_epochs}: with this one no training stops"
        read.fault(key, monitor.patience, allowed=allowed, advice="Lower it, or raise budget.n_epochs.")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
