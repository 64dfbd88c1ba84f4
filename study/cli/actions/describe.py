"""Describe an experiment in MLflow's pages, after a command that compared its studies."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from study.core.entry_colors import entry_colors
from study.core.names import typed_command
from study.core.number_text import plus_minus, score_text, short_number
from study.pipeline.confirmed_means import confirmed_means
from study.report.caution import Caution
from study.report.configuration_kinds import kinds_text
from study.report.confirmed import divergence_text
from study.report.marked_text import plain as without_marks
from study.report.studies import ComparedExperiment, ComparedStudy, Histories
from study.report.summary_rows import Row
from study.report.verdict_text import Answer
from study.statistics.intervals import Interval
from study.tracking.connection import Connections
from study.tracking.experiment_note import ExperimentNote, write_note
from study.tracking.experiment_views import ENDS
from study.tracking.own_notes import plain
from study.tracking.read_studies import read_histories
from study.tracking.search_history import BEST_SO_FAR
from study.tracking.study_summary import CHOSEN_BY, score_tags

# The part of the values above and below that an axis shows beside them.
_MARGIN = 0.15
# A value further from the median than this number of median distances decides no axis.
_FAR = 8.0
# The end of a sentence, and the longest caution in a description, in letters.
_SENTENCE, _LONGEST = re.compile(r"(?<=[.])\s+(?=[A-Z])"), 240


def describe(
    tracking_uri: str,
    experiment: ComparedExperiment,
    *,
    rows: Sequence[Row],
    found: Answer,
    cautions: Sequence[Caution] = (),
    connections: Connections | None = None,
) -> bool:
    """Write the answer, the table and links to MLflow's description of an experiment.

    Args:
        tracking_uri: Address of the store.
        experiment: The experiment; histories that it lacks are read.
        rows: Its summary.
        found: Its answer.
        cautions: Its cautions, of which the serious ones are written. Default: none.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        True if the description was written; False if a person wrote it, and it stays.

    Raises:
        StoreError: The store cannot be written.
    """
    labels = [entry.label for entry in experiment.entries]
    colors = dict(zip(labels, entry_colors([entry.optimizer for entry in experiment.entries]), strict=True))
    headline, colon, _ = found.sentences[0].partition(": ")
    tuning, _, _ = without_marks(found.on_tuning).partition(": ")
    first = [headline + ("." if colon else "")]
    first += [f"{tuning}."] if tuning else []
    first += ["The studies are not comparable; --force was given."] if experiment.differing else []
    note = ExperimentNote(
        # MLflow shows the first line alone until a person opens the description.
        headline=" ".join(first),
        sentences=found.sentences if colon else found.sentences[1:],
        cautions=[(each.topic, _in_short(without_marks(each.text))) for each in cautions if each.serious],
        table=[_head(experiment), *(_cells(row, experiment) for row in rows)],
        below=[
            f"Best first, by {experiment.metric.name} over the confirmations of each configuration. After ± stands "
            "half of the 95 % interval of the mean, not a standard deviation. "
            f"{_code(typed_command('compare', experiment.name))} writes the page with figures, tests and cautions."
        ],
        colors={run_id: colors[row.label] for row in rows for run_id in row.run_ids},
        ranges=_ranges(experiment, _histories(tracking_uri, experiment, connections)),
        lacking=_lacking(experiment),
    )
    return write_note(tracking_uri, experiment.name, note, connections=connections)


def describe_without_answer(
    tracking_uri: str, name: str, *, headline: str, reasons: Sequence[str] = (), connections: Connections | None = None
) -> bool:
    """Write to MLflow's description of an experiment that there is no answer now, in place of an earlier one.

    Args:
        tracking_uri: Address of the store.
        name: Name of the experiment.
        headline: A short line that says so.
        reasons: The reasons in sentences. Default: none.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        True if the description was written; False if a person wrote it, or there is no such experiment.

    Raises:
        StoreError: The store cannot be written.
    """
    note = ExperimentNote(
        headline=headline,
        sentences=reasons,
        table=(),
        below=[f"{_code(typed_command('compare', name))} writes the answer here, if there is one."],
        colors={},
        ranges={},
    )
    return write_note(tracking_uri, name, note, connections=connections)


def _in_short(text: str) -> str:
    """Return the first sentence of a caution; the page has the others."""
    first = _SENTENCE.split(text, maxsplit=1)[0]
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 4]} ..."


def _head(experiment: ComparedExperiment) -> tuple[str, ...]:
    metric = experiment.metric
    chosen_by = (metric.name,) if metric.confirmed != metric.name else ()
    tuned = metric.confirmed if kinds_text(experiment) != "tuned " else f"{metric.confirmed}, tuned"
    return ("study", *chosen_by, tuned, "untuned", "trials", "best configuration")


def _cells(row: Row, experiment: ComparedExperiment) -> tuple[str, ...]:
    value = row.search_best if row.validation is None else row.validation
    validation = "" if value is None else score_text(value) + (" (search)" if row.validation is None else "")
    trials = f"{row.n_trials} of {row.n_planned}" if row.n_trials < row.n_planned else str(row.n_trials)
    return (
        f"**{plain(row.label)}**" + (" (running)" if row.running else ""),
        *((validation,) if experiment.metric.confirmed != experiment.metric.name else ()),
        ", ".join(filter(None, (_mean(row.tuned), divergence_text(row.confirmed)))),
        _mean(row.untuned),
        trials,
        plain("; ".join(_configuration(point) for point in row.configuration)),
    )


def _code(command: str) -> str:
    """Return a command as code in Markdown; one with the sign that ends code stands between two of them."""
    return f"`` {command} ``" if "`" in command else f"`{command}`"


def _mean(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return plus_minus(interval.estimate, max(interval.high - interval.estimate, interval.estimate - interval.low))


def _configuration(point: object) -> str:
    values = dict(point) if isinstance(point, dict) else {}
    return " ".join(f"{key}={short_number(str(value))}" for key, value in values.items())


def _lacking(experiment: ComparedExperiment) -> dict[str, tuple[dict[str, str], dict[str, float]]]:
    """Return the results that studies of earlier versions do not have, by which MLflow's pages show and sort them."""
    found: dict[str, tuple[dict[str, str], dict[str, float]]] = {}
    for study in experiment.studies:
        record = study.record
        has_all = CHOSEN_BY in record.metrics and ("untuned" in record.tags or not study.untuned)
        if record.status == "RUNNING" or not study.tuned or has_all:
            continue
        of: dict[str, Any] = {"params": record.params, "tags": record.tags}
        means = confirmed_means(study.tuned, **of)
        untuned = confirmed_means(study.untuned, configs=("default",), **of)
        scores = score_tags(experiment.metric.name, means, untuned=untuned)
        tags = {key: text for key, text in scores.items() if key not in record.tags}
        chosen_by = next((mean.chosen_by for mean in means.values() if mean.chosen_by is not None), None)
        found[record.run_id] = (tags, {} if chosen_by is None else {CHOSEN_BY: chosen_by})
    return found


def _histories(tracking_uri: str, experiment: ComparedExperiment, connections: Connections | None) -> Histories:
    """Return the histories of the tuned confirmations, which a command that prints no figures has not read."""
    runs = [run.run_id for study in experiment.studies for run in study.tuned]
    if experiment.histories or not runs:
        return experiment.histories
    return read_histories(tracking_uri, runs, [experiment.metric.name], connections=connections)


def _ranges(experiment: ComparedExperiment, histories: Histories) -> dict[str, tuple[float, float]]:
    """Return the axes of the charts: over the curves of the confirmations, and over the later half of the searches."""
    metric = experiment.metric
    runs = [run for study in experiment.studies for run in study.tuned]
    ends = {run.run_id: value for run in runs if (value := metric.validation(run)) is not None}
    courses = [course for study in experiment.studies if (course := _course(study, experiment))]
    later = [value for course in courses for value in course[len(course) // 4 :]]
    # A curve that ends far from most decides no axis; of the others, the beginnings are shown too.
    near = {*_near([*ends.values()])}
    shown = {run_id: value for run_id, value in ends.items() if value in near}
    curves = [histories.get(run_id, {}).get(metric.name, ((), ()))[1] for run_id in shown]
    found = {
        ENDS: _beside([*shown.values(), *(float(value) for curve in curves for value in curve)]),
        BEST_SO_FAR: _range(later),
    }
    return {name: ends for name, ends in found.items() if ends is not None}


def _course(study: ComparedStudy, experiment: ComparedExperiment) -> list[float]:
    """Return the best objective so far after each completed trial."""
    metric = experiment.metric
    values = [metric.validation(run) for run in study.trials if run.state == "complete"]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return list(metric.sign * np.maximum.accumulate(metric.sign * np.array(finite))) if finite else []


def _range(values: Sequence[float]) -> tuple[float, float] | None:
    """Return an axis over the values that are not far from most of them, so that one failure hides no difference."""
    return _beside(_near(values))


def _near(values: Sequence[float]) -> list[float]:
    """Return the finite values that are not far from most of them."""
    finite = [value for value in values if math.isfinite(value)]
    middle = float(np.median(finite)) if finite else math.nan
    spread = float(np.median(np.abs(np.array(finite) - middle))) if finite else 0.0
    return [value for value in finite if abs(value - middle) <= _FAR * spread] if spread else finite


def _beside(values: Sequence[float]) -> tuple[float, float] | None:
    """Return an axis over values, with a part of their width beside them; None if they do not differ."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    low, high = min(finite), max(finite)
    beside = _MARGIN * (high - low)
    return (low - beside, high + beside) if high > low else None
