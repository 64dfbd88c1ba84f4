"""Entries whose untuned defaults have a better mean than their tuned configuration, and the sentence on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.core.records import RunRecord
from study.report.decision_text import alive_pairs
from study.report.marked_text import listed, marked_name
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment, ComparedStudy, Entry
from study.report.summary_rows import Row
from study.statistics.intervals import PairedDifference, paired_difference
from study.statistics.resolution import step_of_mean


@dataclass(frozen=True, kw_only=True)
class UntunedLead:
    """The untuned defaults of an entry, whose mean is better than the tuned one, unless shared seeds refute it.

    It plays no part in any choice or decision: its interval is of this pair alone, beside the tests of the comparison.

    Attributes:
        label: The entry.
        mean: Mean test score of the untuned defaults, with the worst value for each diverged confirmation.
        lead: How much better it is than the tuned mean, above 0; each mean is over all seeds of its own.
        shared: The paired difference over the seeds that both have, positive where the untuned defaults are better;
            None without such seeds, or where a score is infinite.
        has_diverged: Whether a confirmation of either diverged.
    """

    label: str
    mean: float
    lead: float
    shared: PairedDifference | None
    has_diverged: bool


def untuned_leads(experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row]) -> tuple[UntunedLead, ...]:
    """Return the leads of untuned defaults: of the winner, or else of the candidate and all that can be the best.

    Args:
        experiment: The experiment.
        outcome: The decisions.
        rows: The rows of the summary table, in the page's order.

    Returns:
        The leads, in the page's order; empty where tuning helped all of them, and without decisions.
    """
    verdict = outcome.verdict
    if verdict is None:
        return ()
    able = {verdict.candidate}
    if not verdict.winner:
        able |= {index for pair in alive_pairs(outcome) for index in (pair.first, pair.second)}
    labels = {outcome.labels[index] for index in able}
    entries = {entry.label: entry for entry in experiment.entries}
    found = [_lead(entries[row.label], row, outcome, experiment.metric) for row in rows if row.label in labels]
    return tuple(each for each in found if each is not None)


def untuned_sentence(metric: ObjectiveMetric, leads: Sequence[UntunedLead]) -> str:
    """Return that tuning is not shown to help, or did harm, with the difference over shared seeds; or nothing.

    Args:
        metric: The metric.
        leads: The leads of untuned defaults; the first in full.
    """
    if not leads:
        return ""
    first, *others = leads
    counted = f" (a diverged run counts as {metric.text(metric.worst)})" if first.has_diverged else ""
    name, shared = marked_name(first.label), first.shared
    did_harm = shared is not None and shared.low > 0
    tuning = f"Tuning made {name} worse" if did_harm else f"Tuning is not shown to help {name}"
    told = f"{tuning}: its untuned defaults reach {metric.text(first.mean)}{counted}, {_ahead(metric, first)}."
    if not others:
        return told
    return f"{told} The untuned defaults of {listed([each.label for each in others])} have the better mean too."


def _ahead(metric: ObjectiveMetric, lead: UntunedLead) -> str:
    """Return the lead over the shared seeds, and whether its interval shows a difference of this pair alone."""
    shared = lead.shared
    if shared is None:
        return f"better by {metric.change(lead.lead, signed=False)}"
    over = f"over {shared.n} shared seed{'s' if shared.n > 1 else ''}"
    by = metric.change(abs(shared.mean), signed=False)
    told = f"and lead by {by} {over}"
    if shared.mean < 0:  # the untuned mean of all seeds is the better one
        told = f"the better mean; {over} they are behind by {by}"
    elif not shared.mean:
        told = f"the better mean; {over} they are equal"
    span = metric.change_span(shared.low, shared.high)
    if not span:
        return f"{told}, too few for an interval"
    lead = "" if shared.mean > 0 else " of their lead"
    shown = "; shown for this pair alone" if shared.low > 0 else ""
    return f"{told} ({100 * shared.level:g}{SPACE}% interval{lead} {span}{shown})"


def _lead(entry: Entry, row: Row, outcome: Outcome, metric: ObjectiveMetric) -> UntunedLead | None:
    if row.gain is None or row.mean is None or round(row.gain, 4 if metric.is_share else 12) >= 0:
        return None
    pairs = [_pairs(study, metric) for study in entry.studies]
    numbers = set.intersection(*(set(of) for of in pairs))
    if outcome.unit == "study":
        cells = [list(of.values()) for of in pairs if of]
    else:
        cells = [[of[number] for of in pairs] for number in sorted(numbers)]
    shared = _shared(cells, metric)
    if shared is not None and shared.high < 0:  # over shared seeds tuning is shown to help
        return None
    runs = [run for study in entry.studies for run in (*study.tuned, *study.untuned)]
    return UntunedLead(
        label=row.label,
        mean=row.mean - metric.sign * row.gain,
        lead=-row.gain,
        shared=shared,
        has_diverged=any(run.state == "diverged" for run in runs),
    )


def _shared(cells: Sequence[Sequence[tuple[float, float]]], metric: ObjectiveMetric) -> PairedDifference | None:
    """Return the paired difference of means over cells of scores, tuned and untuned, in the direction of better."""
    if not cells or not all(math.isfinite(score) for cell in cells for both in cell for score in both):
        return None
    tuned, untuned = metric.sign * np.array([np.mean(cell, axis=0) for cell in cells]).T
    single = [[score for cell in cells for both in cell for score in both]]
    step = step_of_mean(metric.confirmed_resolution.steps(single), min(map(len, cells)))
    return paired_difference(untuned, tuned, step=float(step[0]), bounds=metric.bounds)


def _pairs(study: ComparedStudy, metric: ObjectiveMetric) -> dict[int, tuple[float, float]]:
    """Return the tuned and the untuned score of each repetition that both have under the same seeds."""
    tuned, untuned = ({_seeds(run): run for run in runs} for runs in (study.tuned, study.untuned))
    found = {}
    for key in sorted(tuned.keys() & untuned.keys()):
        mine, theirs = (metric.compared_confirmation(runs[key]) for runs in (tuned, untuned))
        if mine is not None and theirs is not None:
            found[key[0]] = (mine, theirs)
    return found


def _seeds(run: RunRecord) -> tuple[int, str, str]:
    return run.number, run.params.get("run_seed", ""), run.params.get("order_seed", "")
