"""Entries whose untuned defaults have a better mean than their tuned configuration, and the sentence on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.core.records import RunRecord
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

    @property
    def is_shown(self) -> bool:
        """True if the interval over shared seeds, of this pair alone, excludes 0."""
        return self.shared is not None and self.shared.low > 0


def untuned_leads(experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row]) -> tuple[UntunedLead, ...]:
    """Return the leads of untuned defaults.

    Args:
        experiment: The experiment.
        outcome: The decisions.
        rows: The rows of the summary table, in the page's order.

    Returns:
        The leads: first that of the entry that is the best on validation, then those that are shown, then the largest.
        Empty where tuning helped all entries, and without decisions.
    """
    verdict = outcome.verdict
    if verdict is None:
        return ()
    best = outcome.labels[verdict.candidate]
    entries = {entry.label: entry for entry in experiment.entries}
    found = [_lead(entries[row.label], row, outcome, experiment.metric) for row in rows]
    leads = [each for each in found if each is not None]
    return tuple(sorted(leads, key=lambda each: (each.label != best, not each.is_shown, -each.lead)))


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
    name = marked_name(first.label)
    tuning = f"Tuning made {name} worse" if first.is_shown else f"Tuning is not shown to help {name}"
    told = f"{tuning}: its untuned defaults reach {metric.text(first.mean)}{counted}, {_ahead(metric, first)}."
    shown = [each.label for each in others if each.is_shown]
    left = [each.label for each in others if not each.is_shown]
    if shown:
        told += f" It made {listed(shown)} worse{' too' if first.is_shown else ''}, each pair by itself."
    if left:
        has, its = ("has", "its") if len(left) == 1 else ("have", "their")
        told += f" {listed(left)} {has} a better mean with {its} untuned defaults too, which is not shown."
    return told


def _ahead(metric: ObjectiveMetric, lead_of: UntunedLead) -> str:
    """Return the lead over the shared seeds, and whether its interval shows a difference of this pair alone."""
    shared = lead_of.shared
    if shared is None:
        return f"better by {metric.change(lead_of.lead, signed=False)}"
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
    shown = "; shown for this pair alone" if lead_of.is_shown else ""
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
