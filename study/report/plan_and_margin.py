"""The plan of looks and the margin of a comparison, as its studies recorded them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.core.errors import StoreError
from study.core.records import StudyRecord
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, Entry, recorded_plan
from study.statistics.looks import Look, looks_text

# A tag of a study's run.
MARGIN = "objective_margin"
# A tag of a study's run, if the margin was changed after confirmations: the one of before.
EARLIER_MARGIN = "earlier_margin"
# Half a point: the margin of a share whose studies record none, as `objective.margin: auto` has it.
_MARGIN_OF_SHARES = 0.005


def common_plan(entries: Sequence[Entry]) -> tuple[Look, ...]:
    """Return the plan of looks of a comparison: of different ones, the one with the most looks.

    Args:
        entries: The entries compared.

    Returns:
        The plan; empty if no study recorded one, or none has more than one look. Then there is one look, at the seeds
        that all share.

    Raises:
        StoreError: A recorded plan was changed.
    """
    plans = [plan for entry in entries for study in entry.studies if (plan := recorded_plan(study.record))]
    finest = max(plans, key=lambda plan: (len(plan), plan[-1].n_seeds, looks_text(plan)), default=())
    return finest if len(finest) > 1 else ()


def plans_differ(experiment: ComparedExperiment) -> bool:
    """Return whether studies of an experiment recorded different plans, and one of them has several looks.

    Args:
        experiment: The experiment.
    """
    plans = [recorded_plan(record) for record in experiment.records]
    return len({looks_text(plan) for plan in plans}) > 1 and any(len(plan) > 1 for plan in plans)


def without_further_seeds(entries: Sequence[Entry], plan: Sequence[Look]) -> frozenset[int]:
    """Return the indices of entries that get no seeds for the last look, since a study's own plan ends before it.

    Args:
        entries: The entries compared.
        plan: The plan of the comparison.
    """
    last = plan[-1].n_seeds if plan else 0
    return frozenset(
        index
        for index, entry in enumerate(entries)
        if any((own := recorded_plan(study.record)) == () or own[-1].n_seeds < last for study in entry.studies)
    )


def margin_of(experiment: ComparedExperiment) -> float | None:
    """Return the difference that matters: the smallest one recorded, or none if a study says so.

    Args:
        experiment: The experiment.

    Returns:
        The margin in the unit of the metric; None: no difference is too small.

    Raises:
        StoreError: A recorded margin was changed.
    """
    metric = experiment.metric
    margins = [_recorded_margin(record, metric) for record in experiment.records]
    known = [margin for margin in margins if margin is not None]
    return min(known) if known and len(known) == len(margins) else None


def margins_differ(experiment: ComparedExperiment) -> bool:
    """Return whether studies of an experiment recorded different margins.

    Args:
        experiment: The experiment.
    """
    return len({_recorded_margin(record, experiment.metric) for record in experiment.records}) > 1


def margin_fault(margin: float, metric: ObjectiveMetric) -> str | None:
    """Return the values that a margin may have, and advice, if this one cannot be; None if it can.

    Args:
        margin: The margin, in the unit of the metric.
        metric: The metric.
    """
    most = metric.bounds[1] - metric.bounds[0]
    if 0 < margin < most:
        return None
    if not metric.is_share:
        return "expected a number above 0. Give the smallest difference that matters to you."
    advice = (
        f"Write {margin / 100:g}, if {margin:g} points are meant." if 1 <= margin < 100 else "Half a point is 0.005."
    )
    return f"expected a number above 0 and below 1, the largest difference of {metric.spoken}. {advice}"


def _recorded_margin(record: StudyRecord, metric: ObjectiveMetric) -> float | None:
    text = record.tags.get(MARGIN)
    if text is None:
        return _MARGIN_OF_SHARES if metric.is_share else None
    if text == "null":
        return None
    try:
        margin = float(text)
    except ValueError:
        margin = math.nan
    if margin_fault(margin, metric) is not None:
        raise StoreError(
            f"The tag {MARGIN}={text} of {record.name}: expected a number that a difference of {metric.spoken} can "
            "have, or null. It was changed in MLflow. Correct it there, or restore the store from a copy."
        )
    return margin
