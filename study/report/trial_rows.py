"""The trials of an experiment one by one, for the table and the figure of trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.core.records import RunRecord
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy, Entry


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial.

    Attributes:
        label: The entry's name.
        study: The study's name.
        study_seed: The study's `study_seed`.
        number: The trial's index in its study, from 0.
        run_id: Its run in the store.
        state: The state in which it ended; `running`, or `cut off` for a trial that ended in none.
        score: Its validation objective; None where it has no finite one.
        values: The values searched, by name, as recorded.
        seconds: Seconds of training; None where unknown.
    """

    label: str
    study: str
    study_seed: int
    number: int
    run_id: str
    state: str
    score: float | None
    values: Mapping[str, str]
    seconds: float | None


def trial_rows(entries: Sequence[Entry], metric: ObjectiveMetric) -> tuple[TrialRow, ...]:
    """Return all trials of all studies, also those that run and those beyond the common budget.

    Args:
        entries: The entries, in the order of the page.
        metric: The study's objective.

    Returns:
        Entry by entry, study by study, in the order of their numbers.
    """
    return tuple(
        _row(entry, study, run, metric) for entry in entries for study in entry.studies for run in study.record.trials
    )


def _row(entry: Entry, study: ComparedStudy, run: RunRecord, metric: ObjectiveMetric) -> TrialRow:
    score = metric.validation(run) if run.state in ("complete", "pruned") else None
    return TrialRow(
        label=entry.label,
        study=study.record.name,
        study_seed=study.seed,
        number=run.number,
        run_id=run.run_id,
        state=run.state or ("running" if run.status == "RUNNING" else "cut off"),
        score=score if score is not None and math.isfinite(score) else None,
        values={argument: run.params[argument] for argument in study.ranges if argument in run.params},
        seconds=run.metrics.get("seconds_train"),
    )
