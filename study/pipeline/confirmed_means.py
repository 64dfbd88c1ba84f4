"""The means over a study's confirmations, as its run in MLflow has them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from study.core.records import RunRecord
from study.report.confirmed import ConfirmedScores, confirmed_metrics, validation_of
from study.report.objective_metric import metric_of
from study.tracking.study_summary import ConfirmedMean


def confirmed_means(
    confirmed: Iterable[RunRecord],
    *,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    configs: Collection[str] = ("best", "fixed"),
) -> dict[str, ConfirmedMean]:
    """Return each metric over the confirmations of a setting, as the comparison page shows it.

    Args:
        confirmed: The confirmations that count; those of other settings are left out.
        params: The study's recorded config.
        tags: Tags of the study's run, which hold the objective's direction and the sizes of the splits.
        configs: The settings: `best`, `fixed` or `default`. Default: the best or the fixed one.
    """
    runs = [(run.state, run.metrics) for run in confirmed if run.config in configs]
    found = confirmed_metrics(runs, params, tags)
    means = {name: _confirmed_mean(each) for name, each in found.items()}
    if "objective.metric" not in params:
        return means
    metric = metric_of(params, tags)
    # The protocol chooses by validation, also where confirmations are measured on a test split.
    if (on_validation := validation_of(runs, metric)) is not None:
        mean = _confirmed_mean(on_validation)
        means[metric.name] = replace(mean, chosen_by=_with_worst(mean, worst=metric.worst))
    return means


def _with_worst(mean: ConfirmedMean, *, worst: float) -> float:
    """Return a mean with the worst value for each confirmation that diverged."""
    if mean.n_diverged in (0, mean.n):
        return worst if mean.n_diverged else mean.mean
    return ((mean.n - mean.n_diverged) * mean.mean + mean.n_diverged * worst) / mean.n


def _confirmed_mean(found: ConfirmedScores) -> ConfirmedMean:
    others = found.others
    return ConfirmedMean(
        mean=others.estimate if others else math.nan,
        low=others.low if others else math.nan,
        high=others.high if others else math.nan,
        n=found.n,
        n_diverged=found.n_diverged,
        divergence_limit=found.divergence_limit,
    )
