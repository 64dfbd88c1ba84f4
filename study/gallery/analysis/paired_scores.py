"""Test scores of runs, by what they share with those of other optimizers."""

from __future__ import annotations

from collections.abc import Sequence

from study.core.records import RunRecord
from study.report.objective_metric import ObjectiveMetric

# Repetition and seed.
Seed = tuple[int, str]


def seed_of(run: RunRecord) -> Seed:
    """Return what pairs a run with one of another optimizer or cell."""
    return run.number, run.params.get("run_seed", "")


def scores_of(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> dict[Seed, float]:
    """Return the test score of each run that has one."""
    return {seed_of(run): value for run in runs if (value := metric.tested(run)) is not None}
