"""Entries whose untuned defaults are better than their tuned configuration, and the sentence on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from study.report.marked_text import listed, marked_name
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment, Entry
from study.report.summary_rows import Row, mean_with_diverged
from study.statistics.intervals import MIN_SEEDS, PairedDifference


@dataclass(frozen=True, kw_only=True)
class UntunedLead:
    """The untuned defaults of an entry, whose mean is better than the tuned one over the seeds that both have.

    It plays no part in any choice or decision: its interval is of this pair alone, beside the tests of the comparison.

    Attributes:
        label: The entry.
        mean: Mean test score of the untuned defaults, with the worst value for each diverged confirmation.
        lead: How much better than the tuned ones they are over the seeds that both have, above 0: the mean of
            `shared`.
        shared: The paired difference over these seeds, positive where the untuned defaults are better: the gain of
            tuning with the other sign.
        has_diverged: Whether a confirmation of either diverged.
        of_studies: Whether a difference of `shared` is of a whole study. Default: False, of a confirmation seed.
    """

    label: str
    mean: float
    lead: float
    shared: PairedDifference
    has_diverged: bool
    of_studies: bool = False

    @property
    def is_shown(self) -> bool:
        """True if the interval over shared seeds, of this pair alone, excludes 0."""
        return self.shared.low > 0


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
    found = [_lead(entries[row.label], row, experiment.metric) for row in rows]
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
        its, are = ("its", "difference is") if len(left) == 1 else ("their", "differences are")
        told += f" Over shared seeds, {listed(left)} did better with {its} untuned defaults too; the {are}"
        told += " not significant."
    return told


def _ahead(metric: ObjectiveMetric, lead_of: UntunedLead) -> str:
    """Return the lead over the shared seeds, and whether its interval shows a difference of this pair alone."""
    shared = lead_of.shared
    unit = "study seed" if lead_of.of_studies else "seed"
    over = f"over {shared.n} shared {unit}{'s' if shared.n > 1 else ''}"
    told = f"and lead by {metric.change(shared.mean, signed=False)} {over}"
    span = metric.change_span(shared.low, shared.high)
    if not span:
        return f"{told}, too few for an interval"
    shown = "; shown for this pair alone" if lead_of.is_shown else ""
    return f"{told} ({100 * shared.level:g}{SPACE}% interval {span}{shown})"


def _lead(entry: Entry, row: Row, metric: ObjectiveMetric) -> UntunedLead | None:
    gain = row.gain
    if gain is None or round(gain.mean, 4 if metric.is_share else 12) >= 0:
        return None
    mean = mean_with_diverged([study.untuned for study in entry.studies], metric)
    assert mean is not None  # the seeds that both have are some of these
    runs = [run for study in entry.studies for run in (*study.tuned, *study.untuned)]
    return UntunedLead(
        label=row.label,
        mean=mean,
        lead=-gain.mean,
        shared=replace(gain, mean=-gain.mean, low=-gain.high, high=-gain.low),
        has_diverged=any(run.state == "diverged" for run in runs),
        of_studies=len(entry.studies) >= MIN_SEEDS,
    )
