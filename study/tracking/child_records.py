"""Trials and confirmations of a study as they count: one of each, with the objective that stands for divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from study.config.schema import Direction, Objective
from study.core.records import RunRecord

OBJECTIVE = "objective"


def with_worst_objective(children: Sequence[RunRecord], tags: Mapping[str, str]) -> list[RunRecord]:
    """Return runs of which each diverged one has the worst value as its objective.

    MLflow has no objective of a diverged run, since its charts would show -1e9 beside losses near 0. Earlier versions
    recorded it, and such a value stays.

    Args:
        children: The trials and confirmations of a study.
        tags: The study's tags, which have the direction and the range of the objective's metric.
    """
    if "objective_direction" not in tags:  # recorded by a version that recorded the objective too
        return list(children)
    direction: Direction = "minimize" if tags["objective_direction"] == "minimize" else "maximize"
    is_share = tags.get("objective_is_share") == "True"
    worst = Objective(metric="", direction=direction, target=None, is_share=is_share).worst
    return [
        replace(child, metrics={OBJECTIVE: worst, **child.metrics}) if child.state == "diverged" else child
        for child in children
    ]


def without_twins(children: Sequence[RunRecord]) -> list[RunRecord]:
    """Leave out the earlier of two finished runs of one trial, or of one confirmation.

    There are two after a run was deleted in MLflow, trained again, and restored in MLflow. Both would count.

    Args:
        children: The trials and confirmations of a study.
    """
    last: dict[tuple[str, int, bool], RunRecord] = {}
    for child in sorted(children, key=lambda child: child.started):
        if child.finished:
            last[child.kind, child.number, child.superseded] = child
    kept = {child.run_id for child in last.values()}
    return [child for child in children if not child.finished or child.run_id in kept]
