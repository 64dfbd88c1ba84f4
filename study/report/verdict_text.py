"""The answer in a sentence: the better optimizer and by how much, or no significant difference."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from study.report.confirmed import divergence_text
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment
from study.report.summary_rows import Row
from study.statistics.intervals import MIN_SEEDS
from study.statistics.winner import CandidateDifference, Verdict, is_testable

# Control characters around a name: plain text drops them, the page shows the name in bold. No name contains them.
_OPEN, _CLOSE = "\x02", "\x03"
_ALL_NAMED = 3  # up to so many differences are listed one by one; of more, only the smallest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a comparison.

    Attributes:
        kind: `winner`; `none` without a clear winner; `open` without enough results.
        winner: The winner's label; None unless `kind` is `winner`.
        marked: The answer and the sentences that qualify it, with names marked.
    """

    kind: Literal["winner", "none", "open"]
    winner: str | None
    marked: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences as plain text; the first is the answer."""
        return tuple(text.replace(_OPEN, "").replace(_CLOSE, "").replace(SPACE, " ") for text in self.marked)

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...]:
        """The sentences cut at the names: text, name, text and so on, so that every second piece is a name."""
        return tuple(tuple(re.split(f"[{_OPEN}{_CLOSE}]", text)) for text in self.marked)


def answer(experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row]) -> Answer:
    """State the result of the comparison; only the verdict names a winner."""
    verdict = outcome.verdict
    if verdict is None:
        return Answer(kind="open", winner=None, marked=(_nothing(experiment, outcome, rows), *_left_out(outcome)))
    row = next(row for row in rows if row.label == outcome.candidate)
    if not verdict.differences:
        marked = f"{_reached(row, experiment.metric, outcome)} There is nothing to compare it with."
        return Answer(kind="open", winner=None, marked=(marked, *_left_out(outcome)))
    if not is_testable(verdict):
        n = "one" if verdict.n_seeds == 1 else str(verdict.n_seeds)
        marked = (
            f"No significance test is possible with {n} {_unit(outcome, verdict.n_seeds)}. "
            f"{_reached(row, experiment.metric, outcome, by_validation=True)} "
            f"Confirm on {MIN_SEEDS} seeds or more (budget.n_confirmations)."
        )
        return Answer(kind="open", winner=None, marked=(marked, *_left_out(outcome)))
    tell = _winner if verdict.winner else _no_winner
    return Answer(
        kind="winner" if verdict.winner else "none",
        winner=row.label if verdict.winner else None,
        marked=(*tell(experiment.metric, outcome, verdict, row), _scope(experiment, outcome), *_left_out(outcome)),
    )


def _winner(metric: ObjectiveMetric, outcome: Outcome, verdict: Verdict, row: Row) -> tuple[str, ...]:
    better = _differences(metric, outcome, verdict.differences)
    n = len(outcome.labels)
    first = (
        f"{_name(row.label)} is the best of {_these(outcome, n)}: its mean {metric.confirmed_spoken} is {better} "
        f"({_intervals(_n_named(verdict.differences), outcome)})."
    )
    second = _reached(row, metric, outcome)
    if outcome.behind is None:
        return first, second
    labels, behind = outcome.behind
    if behind.winner:
        third = f"Behind it, {_name(labels[behind.candidate])} is better than the rest."
    elif behind.tied:
        # One sentence for the best of the rest on validation and those that do not differ significantly from it.
        tied = [labels[behind.candidate], *(labels[index] for index in behind.tied)]
        third = f"Behind it, {_listed(tied)} show no significant difference{_closest(metric, behind)}."
    else:
        return first, second
    return first, second, third


def _no_winner(metric: ObjectiveMetric, outcome: Outcome, verdict: Verdict, row: Row) -> tuple[str, ...]:
    labels = outcome.labels
    tied = [each for each in verdict.differences if each.other in verdict.tied]
    better = [labels[index] for index in verdict.better]
    worse = [
        labels[each.other]
        for each in verdict.differences
        if each.other not in verdict.tied and each.other not in verdict.better
    ]
    rest = [f"{_name(row.label)} is better than {_listed(worse)}."] if worse else []
    among = f"No clear winner among {_these(outcome, len(labels))}:"
    if tied:
        names = _listed([labels[each.other] for each in tied])
        first = (
            f"{among} {_name(row.label)}, the best on validation, shows no significant difference from {names}; "
            f"{_tied_differences(metric, outcome, tied)}."
        )
    else:
        best = f"{_name(row.label)} was the best on validation"
        first = f"{among} {best}, but {_listed(better)} did better on the {metric.confirmed_on} split."
    if tied and better:
        rest.append(f"{_listed(better)} did better than {_name(row.label)} on the {metric.confirmed_on} split.")
    return first, _reached(row, metric, outcome), *rest


def _differences(metric: ObjectiveMetric, outcome: Outcome, differences: Sequence[CandidateDifference]) -> str:
    """Return `0.31 points better than nadam (0.12 to 0.50)` for a few differences, or for the smallest of many."""
    ordered = sorted(differences, key=lambda each: abs(each.mean))
    many = len(ordered) > _ALL_NAMED
    shown = ordered[: _n_named(ordered)]
    told = []
    for each in shown:
        word = "better" if each.mean >= 0 else "worse"
        size = metric.change(abs(each.mean), signed=False)
        told.append(f"{size} {word} than that of {_name(outcome.labels[each.other])} ({_ends(metric, each)})")
    return ("in the closest case " if many else "") + _joined(told)


def _tied_differences(metric: ObjectiveMetric, outcome: Outcome, tied: Sequence[CandidateDifference]) -> str:
    """Return each difference for a few optimizers, or the span of the differences for many."""
    if len(tied) <= _ALL_NAMED:
        told = _differences(metric, outcome, tied)
        return f"its mean {metric.confirmed_spoken} is {told} ({_intervals(len(tied), outcome)})"
    means = [each.mean for each in tied]
    unit = f"{SPACE}points" if metric.is_share else ""
    span = metric.change_span(min(means), max(means))
    return (
        f"its mean {metric.confirmed_spoken} differs from theirs by {span}{unit}, "
        f"and every interval contains zero ({_intervals(len(tied), outcome)})"
    )


def _n_named(differences: Sequence[CandidateDifference]) -> int:
    return len(differences) if len(differences) <= _ALL_NAMED else 1


def _intervals(n: int, outcome: Outcome) -> str:
    """Return the kind of n intervals: with more than two optimizers, each is wider than one of a single pair."""
    told = f"95{SPACE}% intervals, which hold" if n > 1 else f"95{SPACE}% interval, which holds"
    return f"{told} for all pairs together" if len(outcome.labels) > 2 else told.split(",")[0]


def _ends(metric: ObjectiveMetric, each: CandidateDifference) -> str:
    """Return the corrected interval, turned so that it has the sign of the difference; an end at 0 is open."""
    low, high = (each.low_holm, each.high_holm) if each.mean >= 0 else (-each.high_holm, -each.low_holm)
    return metric.change_span(low, high)


def _closest(metric: ObjectiveMetric, verdict: Verdict) -> str:
    """Return the difference that is not significant and its interval; empty unless there is exactly one tie."""
    if len(verdict.tied) != 1:
        return ""
    each = next(each for each in verdict.differences if each.other == verdict.tied[0])
    size = metric.change(each.mean)
    return f" (difference {size}, 95{SPACE}% interval {metric.change_span(each.low_holm, each.high_holm)})"


def _reached(row: Row, metric: ObjectiveMetric, outcome: Outcome, *, by_validation: bool = False) -> str:
    """Return the mean that an entry reaches, of all its seeds, shared or not, and its divergence.

    The interval is left to the table: for the best of several, chosen on the same runs, it would be too narrow.
    """
    who = f"{_name(row.label)}, the best on validation," if by_validation else _name(row.label)
    apart = divergence_text(row.confirmed)
    interval = row.over_studies if outcome.unit == "study" and row.over_studies else row.tuned
    if interval is None:
        return f"{who} has no mean: {apart}."
    reached = f"{who} reaches a mean {metric.confirmed_spoken} of {metric.text(interval.estimate)}"
    if apart:
        left = row.confirmed.n - row.confirmed.n_diverged if row.confirmed else 0
        others = f"{left} confirmations" if left != 1 else "one confirmation"
        return f"{reached} in the {others} that did not diverge: {apart}."
    return f"{reached} ({interval.n} {_unit(outcome, interval.n)})."


def _these(outcome: Outcome, n: int) -> str:
    return f"the {n} optimizers" if outcome.unit == "study" else f"these {n} tuned configurations"


def _scope(experiment: ComparedExperiment, outcome: Outcome) -> str:
    if outcome.unit == "study":
        n = len(outcome.units)
        return (
            f"The intervals include the luck of the search: every optimizer was searched under {n} study seeds, each "
            "with its own initial weights and batch orders of the confirmations. The split of the data and the batch "
            "order of the search are the same in all."
        )
    orders = {run.params.get("order_seed") for entry in experiment.entries for run in entry.tuned}
    vary = "initial weights and batch orders" if len(orders) > 1 else "initial weights"
    fixed = "the split of the data is" if len(orders) > 1 else "the split of the data and the batch order are"
    return (
        "This result is about these tuned configurations, not about the optimizers: it depends on the luck of the "
        f"search. The seeds vary {vary}; {fixed} the same in all. To compare the optimizers, use three study seeds or "
        "more (study run -m study_seed=0,1,2)."
    )


def _nothing(experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row]) -> str:
    if len(outcome.labels) > 1:
        return (
            f"No comparison: {_listed(outcome.labels)} share no confirmation seeds. "
            "Run them under the same study_seed and order_seed. If they have the same already, an earlier version "
            "confirmed some of them under other batch orders: the same command again confirms them anew."
        )
    metric = experiment.metric
    found = [row for row in rows if row.search_best is not None and math.isfinite(row.search_best)]
    if not found:
        return "No result yet: no trial has completed."
    best = max(found, key=lambda row: metric.sign * (row.search_best or 0.0))
    reached = metric.text(best.search_best or 0.0)
    return (
        f"No result yet: there are no confirmations to compare. The best validation {metric.spoken} so far is "
        f"{reached}, by {_name(best.label)}; the luck of the search biases it."
    )


def _left_out(outcome: Outcome) -> tuple[str, ...]:
    return tuple(f"{_name(label)} is not in the comparison: {why}." for label, why in sorted(outcome.left_out.items()))


def _unit(outcome: Outcome, n: int) -> str:
    word = "study seed" if outcome.unit == "study" else "confirmation seed"
    return word if n == 1 else f"{word}s"


def _name(label: str) -> str:
    return f"{_OPEN}{label}{_CLOSE}"


def _listed(labels: Sequence[str]) -> str:
    return _joined([_name(label) for label in labels])


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
