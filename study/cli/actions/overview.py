"""Show studies of the stores side by side."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from study.cli.text_table import render_table
from study.core.errors import StoreError
from study.core.records import RunRecord, StudyRecord
from study.report.objective_metric import PREFIXES, confirmed_on_of, metric_of
from study.report.studies import at_target
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies

if TYPE_CHECKING:
    from study.search.stored_searches import Searches  # imports Optuna

_HEADERS = ("study", "state", "trials", "diverged", "validation", "{split}, tuned", "{split}, untuned", "best")
# A study that MLflow calls running, and no living worker has open.
_ABANDONED = "abandoned"


def show_studies(
    experiments: Collection[tuple[str, str]],
    *,
    searches: Iterable[Searches] = (),
    connections: Connections | None = None,
) -> None:
    """Print one table for each experiment, and the command that shows more.

    Args:
        experiments: Pairs of a store's address and an experiment's name.
        searches: Each returns the studies in a store of searches, which knows whether a study still has a worker; they
            are called only if a study is running. Default: none, so a study whose process was killed counts as
            running.
        connections: The command's connections. None (the default): open new ones.
    """
    connections = connections or Connections()
    has_worker: dict[str, bool] | None = None
    for tracking_uri, experiment in sorted(experiments):
        studies = _sorted(read_studies(tracking_uri, experiment, trials=False, connections=connections))
        if has_worker is None and any(study.status == "RUNNING" for study in studies):
            has_worker = _with_worker(searches)
        states = [_state(study, has_worker or {}) for study in studies]
        counted = "1 study" if len(studies) == 1 else f"{len(studies)} studies, best validation result first"
        sys.stdout.write(f"\n{experiment}: {counted}\n")
        rows = [_row(study, state) for study, state in zip(studies, states, strict=True)]
        split = " or ".join(sorted({confirmed_on_of(study.tags) for study in studies}))
        render_table([header.format(split=split) for header in _HEADERS], rows, stream=sys.stdout)
        if _ABANDONED in states:
            sys.stdout.write(f"{_ABANDONED}: its process has died; the same study run continues it.\n")
    sys.stdout.write("\nOpen MLflow on these runs:  study ui\n")


def _with_worker(searches: Iterable[Searches]) -> dict[str, bool]:
    """Return whether a living worker has a study open, by digest; empty without a readable search."""
    found: dict[str, bool] = {}
    for listed in searches:
        with contextlib.suppress(StoreError):  # the commands that need a search say that it cannot be read
            found |= {search.digest: search.is_open for search in listed()}
    return found


def _state(study: StudyRecord, has_worker: Mapping[str, bool]) -> str:
    """Return MLflow's status of a study in small letters, or that it is abandoned."""
    is_abandoned = study.status == "RUNNING" and not has_worker.get(study.study_id, True)
    return _ABANDONED if is_abandoned else study.status.lower()


def _row(study: StudyRecord, state: str) -> tuple[str, ...]:
    current = [run for run in study.confirmations if not run.superseded]
    untuned = [run for run in current if run.config == "default"]
    return (
        study.name,
        state,
        study.tags.get("progress", f"0/{study.n_trials}") + (", at target" if at_target(study) is not None else ""),
        f"{study.metrics.get('n_diverged', 0):.0f}",
        _number(study.metrics.get("best_objective")),
        _interval(study),
        _mean(study, untuned),
        study.tags.get("best", ""),
    )


def _sorted(studies: Sequence[StudyRecord]) -> list[StudyRecord]:
    """Return the studies, those with the best objective first and those without one last."""

    def key(study: StudyRecord) -> tuple[bool, float, str]:
        value = study.metrics.get("best_objective")
        return (value is None, -metric_of(study.params, study.tags).sign * (value or 0.0), study.name)

    return sorted(studies, key=key)


def _confirmed_metric(study: StudyRecord, names: Collection[str]) -> str | None:
    """Return the metric of confirmations to show: that of the study's objective, otherwise any, a loss last."""
    found = sorted(name for name in names if name.startswith(PREFIXES[confirmed_on_of(study.tags)]))
    selected = metric_of(study.params, study.tags).confirmed
    if selected in found:
        return selected
    return next((name for name in found if "loss" not in name), found[0] if found else None)


def _interval(study: StudyRecord) -> str:
    means = [name.removeprefix("mean_") for name in study.metrics if name.startswith("mean_")]
    metric = _confirmed_metric(study, means)
    if metric is None:
        return ""
    mean, low, high = (study.metrics.get(f"{part}_{metric}", math.nan) for part in ("mean", "low", "high"))
    apart = _diverged(study)
    if math.isnan(mean):
        return apart
    tuned = [run for run in study.confirmations if run.config != "default" and not run.superseded]
    n = sum(run.state == "complete" for run in tuned)
    few = "one seed" if n == 1 else f"{n} seeds"
    ends = f"({few})" if math.isnan(low) else f"[{_number(low)}, {_number(high)}]"
    return f"{_number(mean)} {ends}" + (f" of the others; {apart}" if apart else "")


def _diverged(study: StudyRecord) -> str:
    """Return the number of confirmations that diverged and the rate not excluded; empty where none did."""
    n, limit = (study.metrics.get(name) for name in ("n_confirmations_diverged", "divergence_rate_high"))
    if not n or limit is None:
        return ""
    return f"{n:.0f} diverged (rate up to {math.ceil(100 * limit - 1e-9)} %)"


def _mean(study: StudyRecord, runs: Sequence[RunRecord]) -> str:
    """Return the mean over confirmations that did not diverge, and the number of those that did."""
    metric = _confirmed_metric(study, {name for run in runs for name in run.metrics})
    left = [run for run in runs if run.state != "diverged"]
    values = [run.metrics[metric] for run in left if metric in run.metrics] if metric else []
    parts = [_number(sum(values) / len(values))] if values else []
    parts += [f"{len(runs) - len(left)} of {len(runs)} diverged"] if len(left) < len(runs) else []
    return "; ".join(parts)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    # Accuracies line up; a loss can be of any size.
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"
