"""The answer in a sentence: the better optimizer and by how much, or no significant difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from study.core.names import typed_command
from study.report.confirmed import divergence_text
from study.report.decision_text import (
    alive_pairs,
    divergence_sentence,
    equal_sentence,
    error_sentence,
    level_text,
    plan_sentence,
    price_sentence,
    ruled_out_sentence,
)
from study.report.marked_text import joined, listed, marked_name, pieces, plain
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pair_prices import PairPrice
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment
from study.report.summary_rows import Row
from study.statistics.intervals import MIN_SEEDS
from study.statistics.winner import CandidateDifference, Verdict, is_testable

_ALL_NAMED = 3  # up to so many differences are listed one by one; of more, only the smallest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a comparison.

    Attributes:
        kind: `winner`; `equal`: those that can be the best are equal within the margin; `none` without a clear
            winner; `open` without enough results.
        winner: The winner's label; None unless `kind` is `winner`.
        marked: The answer and the sentences that qualify it, with names marked.
    """

    kind: Literal["winner", "equal", "none", "open"]
    winner: str | None
    marked: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences as plain text; the first is the answer."""
        return tuple(plain(text) for text in self.marked)

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...]:
        """The sentences cut at the names: text, name, text and so on, so that every second piece is a name."""
        return tuple(pieces(text) for text in self.marked)


def answer(
    experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row], priced: Sequence[PairPrice] = ()
) -> Answer:
    """State the result of the comparison; only the decisions on the pairs name a winner.

    Args:
        experiment: The experiment.
        outcome: The scores compared, and the decisions.
        rows: The rows of the summary table.
        priced: The prices of open pairs. Default: none, and no sentence on them.
    """
    verdict, metric = outcome.verdict, experiment.metric
    if verdict is None:
        return Answer(kind="open", winner=None, marked=(_nothing(experiment, outcome, rows), *_left_out(outcome)))
    row = next(row for row in rows if row.label == outcome.candidate)
    if not verdict.differences:
        marked = f"{_reached(row, metric, outcome)} There is nothing to compare it with yet."
        return Answer(kind="open", winner=None, marked=(marked, *_left_out(outcome)))
    if not is_testable(verdict):
        n = "one" if verdict.n_seeds == 1 else str(verdict.n_seeds)
        marked = (
            f"No significance test is possible with {n} {_unit(outcome, verdict.n_seeds)}. "
            f"{_reached(row, metric, outcome, by_validation=True)} "
            f"Confirm on {MIN_SEEDS} seeds or more (budget.n_confirmations)."
        )
        return Answer(kind="open", winner=None, marked=(marked, *_left_out(outcome)))
    alive = alive_pairs(outcome)
    kind: Literal["winner", "equal", "none"] = "none"
    if verdict.winner:
        kind, told = "winner", _winner(metric, outcome, verdict, row)
    elif alive and all(pair.claim == "equal" for pair in alive):
        kind, told = "equal", _equal(metric, outcome, row)
    else:
        told = _no_winner(experiment, outcome, verdict, row, priced)
    after = (plan_sentence(metric, outcome), error_sentence(outcome), _scope(experiment, outcome), *_left_out(outcome))
    return Answer(
        kind=kind,
        winner=row.label if verdict.winner else None,
        marked=tuple(sentence for sentence in (*told, *after) if sentence),
    )


def _winner(metric: ObjectiveMetric, outcome: Outcome, verdict: Verdict, row: Row) -> tuple[str, ...]:
    better = _differences(metric, outcome, verdict.differences)
    n = len(outcome.labels)
    first = (
        f"{marked_name(row.label)} is the best of {_these(outcome, n)}{_by_little(metric, outcome)}: its mean "
        f"{metric.confirmed_spoken} is {better} ({_intervals(_n_named(verdict.differences), outcome)})."
    )
    second = " ".join(part for part in (_reached(row, metric, outcome), _within(outcome)) if part)
    if outcome.behind is None:
        return first, second
    labels, behind = outcome.behind
    if behind.winner:
        rest = listed(_named(outcome, [labels[each.other] for each in behind.differences]))
        third = f"Behind it, {marked_name(labels[behind.candidate])} is better than {rest}."
    elif behind.tied and _is_of_last_look(outcome, behind, labels):
        # One sentence for the best of the rest on validation and those that do not differ significantly from it.
        tied = _named(outcome, [labels[behind.candidate], *(labels[index] for index in behind.tied)])
        third = f"Behind it, {listed(tied)} show no significant difference{_closest(metric, outcome, behind)}."
    else:
        return first, second
    return first, second, third


def _named(outcome: Outcome, labels: Sequence[str]) -> list[str]:
    """Return labels in the order of the page."""
    return [outcome.labels[row] for row in outcome.in_order(map(outcome.labels.index, labels))]


def _is_of_last_look(outcome: Outcome, behind: Verdict, labels: Sequence[str]) -> bool:
    """Return whether those that do not differ behind the winner were tested at the last look, and not left before."""
    rows = [outcome.labels.index(labels[index]) for index in (behind.candidate, *behind.tied)]
    last = max(pair.n_seeds for pair in outcome.decisions.pairs) if outcome.decisions is not None else 0
    return all(outcome.pair_of(rows[0], row).n_seeds == last for row in rows[1:])


def _near(outcome: Outcome) -> list[int]:
    """Return the entries from which the winner differs by less than the margin."""
    winner = _winner_of(outcome)
    others = [index for index in range(len(outcome.labels)) if index != winner]
    return outcome.in_order(other for other in others if outcome.pair_of(winner, other).within_margin)


def _by_little(metric: ObjectiveMetric, outcome: Outcome) -> str:
    """Return that the winner is better by less than the margin; empty without such an entry."""
    near = _near(outcome)
    if not near or outcome.margin is None:
        return ""
    margin = metric.change(outcome.margin, signed=False)
    whom = "" if len(near) == len(outcome.labels) - 1 else f" than {listed([outcome.labels[each] for each in near])}"
    return f", but better{whom} by less than the margin of {margin}"


def _within(outcome: Outcome) -> str:
    """Return the rates of divergence beside a difference below the margin; empty without one."""
    near = _near(outcome)
    return divergence_sentence(outcome, outcome.in_order({_winner_of(outcome), *near})) if near else ""


def _winner_of(outcome: Outcome) -> int:
    assert outcome.verdict is not None
    return outcome.verdict.candidate


def _equal(metric: ObjectiveMetric, outcome: Outcome, row: Row) -> tuple[str, ...]:
    pairs = alive_pairs(outcome)
    entries = outcome.in_order({index for pair in pairs for index in (pair.first, pair.second)})
    best = "No other is better. " if len(outcome.labels) > len(entries) else ""
    return (
        equal_sentence(metric, outcome, pairs),
        f"{best}{divergence_sentence(outcome, entries)}",
        ruled_out_sentence(outcome),
        _reached(row, metric, outcome),
    )


def _no_winner(
    experiment: ComparedExperiment, outcome: Outcome, verdict: Verdict, row: Row, priced: Sequence[PairPrice]
) -> tuple[str, ...]:
    metric, labels, candidate = experiment.metric, outcome.labels, verdict.candidate
    pairs = {each.other: outcome.pair_of(candidate, each.other) for each in verdict.differences}
    still_open = [each for each in verdict.differences if pairs[each.other].claim == "open"]
    # Those that cannot be the best have a sentence of their own.
    tied = [each for each in still_open if not outcome.silence(pairs[each.other])] or still_open
    equal = [pair for pair in alive_pairs(outcome) if pair.claim == "equal"]
    better = [labels[index] for index in outcome.in_order(verdict.better)]
    among = f"No clear winner among {_these(outcome, len(labels))}:"
    best = f"{marked_name(row.label)}, the best on validation,"
    if tied:
        names = listed([labels[index] for index in outcome.in_order(each.other for each in tied)])
        first = (
            f"{among} {best} shows no significant difference from {names}; {_tied_differences(metric, outcome, tied)}."
        )
    elif better:
        first = (
            f"{among} {marked_name(row.label)} was the best on validation, but {listed(better)} did better on the "
            f"{metric.confirmed_on} split."
        )
    else:
        equals = outcome.in_order(other for other, pair in pairs.items() if pair.claim == "equal")
        names = listed([labels[index] for index in equals])
        first = f"{among} {best} equals {names} within the margin, and other pairs are open."
    rest = [equal_sentence(metric, outcome, [pair]) for pair in equal]
    if equal:
        entries = outcome.in_order({index for pair in equal for index in (pair.first, pair.second)})
        rest.append(divergence_sentence(outcome, entries))
    if tied and better:
        rest.append(f"{listed(better)} did better than {marked_name(row.label)} on the {metric.confirmed_on} split.")
    cost = price_sentence(metric, outcome, priced)
    if cost:
        cost += f" The command to type: see {typed_command('plan', experiment.name)}."
    return first, cost, *rest, ruled_out_sentence(outcome), _reached(row, metric, outcome)


def _differences(metric: ObjectiveMetric, outcome: Outcome, differences: Sequence[CandidateDifference]) -> str:
    """Return `0.31 points better than nadam (0.12 to 0.50)` for a few differences, or for the smallest of many."""
    ordered = sorted(differences, key=lambda each: abs(each.mean))
    many = len(ordered) > _ALL_NAMED
    shown = ordered[: _n_named(ordered)]
    told = []
    for each in shown:
        word = "better" if each.mean >= 0 else "worse"
        size = metric.change(abs(each.mean), signed=False)
        told.append(f"{size} {word} than that of {marked_name(outcome.labels[each.other])} ({_ends(metric, each)})")
    return ("in the closest case " if many else "") + joined(told)


def _tied_differences(metric: ObjectiveMetric, outcome: Outcome, tied: Sequence[CandidateDifference]) -> str:
    """Return each difference for a few optimizers, or the span of the differences for many."""
    if len(tied) <= _ALL_NAMED:
        told = _differences(metric, outcome, tied)
        return f"its mean {metric.confirmed_spoken} is {told} ({_intervals(len(tied), outcome)})"
    means = [each.mean for each in tied]
    unit = f"{SPACE}points" if metric.is_share else ""
    span = metric.change_span(min(means), max(means))
    zero = ""
    if all(each.low_holm <= 0 <= each.high_holm for each in tied):
        zero = f", and every interval contains zero ({_intervals(len(tied), outcome)})"
    return f"its mean {metric.confirmed_spoken} differs from theirs by {span}{unit}{zero}"


def _n_named(differences: Sequence[CandidateDifference]) -> int:
    return len(differences) if len(differences) <= _ALL_NAMED else 1


def _intervals(n: int, outcome: Outcome) -> str:
    """Return the kind of n intervals: with more than two optimizers, each is wider than one of a single pair."""
    level = level_text(outcome)
    told = f"{level} intervals, which hold" if n > 1 else f"{level} interval, which holds"
    if len(outcome.looks) > 1:
        return f"{told} for all {'pairs and ' if len(outcome.labels) > 2 else ''}looks together"
    return f"{told} for all pairs together" if len(outcome.labels) > 2 else told.split(",")[0]


def _ends(metric: ObjectiveMetric, each: CandidateDifference) -> str:
    """Return the corrected interval, turned so that it has the sign of the difference; an end at 0 is open."""
    low, high = (each.low_holm, each.high_holm) if each.mean >= 0 else (-each.high_holm, -each.low_holm)
    return metric.change_span(low, high)


def _closest(metric: ObjectiveMetric, outcome: Outcome, verdict: Verdict) -> str:
    """Return the difference that is not significant and its interval; empty unless there is exactly one tie."""
    if len(verdict.tied) != 1:
        return ""
    each = next(each for each in verdict.differences if each.other == verdict.tied[0])
    size = metric.change(each.mean)
    return f" (difference {size}, {level_text(outcome)} interval {metric.change_span(each.low_holm, each.high_holm)})"


def _reached(row: Row, metric: ObjectiveMetric, outcome: Outcome, *, by_validation: bool = False) -> str:
    """Return the mean that an entry reaches, of all its seeds, shared or not, and its divergence.

    The interval is left to the table: for the best of several, chosen on the same runs, it would be too narrow.
    """
    who = f"{marked_name(row.label)}, the best on validation," if by_validation else marked_name(row.label)
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
    if outcome.decisions is not None and outcome.due:
        n = outcome.looks[0].n_seeds
        return (
            f"No result yet: the first look is at {n} confirmation seeds, and not all of {listed(outcome.labels)} "
            "have them. The command that made the studies trains the rest."
        )
    if len(outcome.labels) > 1:
        return (
            f"No comparison: {listed(outcome.labels)} share no confirmation seeds. "
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
        f"{reached}, by {marked_name(best.label)}; the luck of the search biases it."
    )


def _left_out(outcome: Outcome) -> tuple[str, ...]:
    return tuple(
        f"{marked_name(label)} is not in the comparison: {why}." for label, why in sorted(outcome.left_out.items())
    )


def _unit(outcome: Outcome, n: int) -> str:
    word = "study seed" if outcome.unit == "study" else "confirmation seed"
    return word if n == 1 else f"{word}s"
