"""The answer in a sentence: the better optimizer and by how much, or no significant difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from study.core.names import typed_command
from study.report.behind_winner import behind_sentence
from study.report.configuration_kinds import configurations_text, n_tuned, scope_sentence
from study.report.confirmed import divergence_text
from study.report.decision_text import (
    alive_pairs,
    all_diverged,
    divergence_sentence,
    equal_sentence,
    error_sentence,
    going_on_sentence,
    level_text,
    plan_sentence,
    price_sentence,
    ruled_out_sentence,
)
from study.report.marked_text import joined, listed, marked_command, marked_name, pieces, plain
from study.report.not_ended import said_so_far, so_far_text
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pair_prices import PairPrice
from study.report.pairing import Outcome
from study.report.price_of_all import PriceOfAll
from study.report.studies import ComparedExperiment
from study.report.summary_rows import Row
from study.report.untuned_leads import UntunedLead, untuned_leads, untuned_sentence
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
        on_tuning: The one of them which says that tuning is not shown to help; empty (the default) where it is.
        head: The answer without its numbers, marked. Default: empty, without a claim.
        leads: The leads of untuned defaults. Default: none.
    """

    kind: Literal["winner", "equal", "none", "open"]
    winner: str | None
    marked: tuple[str, ...]
    on_tuning: str = ""
    head: str = ""
    leads: tuple[UntunedLead, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences as plain text; the first is the answer."""
        return tuple(plain(text) for text in self.marked)

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...]:
        """The sentences cut at the names: text, name, text and so on, so that every second piece is a name."""
        return tuple(pieces(text) for text in self.marked)


def answer(
    experiment: ComparedExperiment,
    outcome: Outcome,
    rows: Sequence[Row],
    priced: Sequence[PairPrice] = (),
    *,
    of_all: PriceOfAll | None = None,
) -> Answer:
    """State the result of the comparison; only the decisions on the pairs name a winner.

    Args:
        experiment: The experiment.
        outcome: The scores compared, and the decisions.
        rows: The rows of the summary table.
        priced: The prices of open pairs. Default: none, and no sentence on them.
        of_all: The price until all of them are decided. Default: none, likewise.
    """
    verdict, metric = outcome.verdict, experiment.metric
    if verdict is None:
        return Answer(kind="open", winner=None, marked=(_nothing(experiment, outcome, rows), *_left_out(outcome)))
    row = next(row for row in rows if row.label == outcome.candidate)
    leads = untuned_leads(experiment, outcome, rows)
    if not verdict.differences or not is_testable(verdict):
        marked = _untestable(metric, outcome, verdict, row)
        return Answer(kind="open", winner=None, marked=(marked, *_left_out(outcome)), leads=leads)
    alive = alive_pairs(outcome)
    kind: Literal["winner", "equal", "none"] = "none"
    if verdict.winner:
        kind, told = "winner", _winner(experiment, outcome, verdict, rows)
    elif alive and all(pair.claim == "equal" for pair in alive):
        kind, told = "equal", _equal(metric, outcome, row)
    else:
        told = _no_winner(experiment, outcome, rows, priced, of_all)
    head, first, *others = told
    so_far = so_far_text(experiment, outcome)
    on_tuning = untuned_sentence(metric, leads)
    scope = (scope_sentence(experiment, outcome), *_left_out(outcome))
    after = (plan_sentence(metric, outcome), error_sentence(outcome), *scope)
    return Answer(
        kind=kind,
        winner=row.label if verdict.winner else None,
        marked=tuple(sentence for sentence in (said_so_far(so_far, first), on_tuning, *others, *after) if sentence),
        on_tuning=on_tuning,
        head=said_so_far(so_far, head),
        leads=leads,
    )


def _untestable(metric: ObjectiveMetric, outcome: Outcome, verdict: Verdict, row: Row) -> str:
    if not verdict.differences:
        return f"{_reached(row, metric, outcome)} There is nothing to compare it with yet."
    n = "one" if verdict.n_seeds == 1 else str(verdict.n_seeds)
    return (
        f"No significance test is possible with {n} {_unit(outcome, verdict.n_seeds)}. "
        f"{_reached(row, metric, outcome, by_validation=True)} "
        f"Confirm on {MIN_SEEDS} seeds or more (budget.n_confirmations)."
    )


def _winner(
    experiment: ComparedExperiment, outcome: Outcome, verdict: Verdict, rows: Sequence[Row]
) -> tuple[str, ...]:
    metric, row = experiment.metric, next(row for row in rows if row.label == outcome.candidate)
    head = f"{marked_name(row.label)} is the best of {_these(experiment, outcome)}{_by_little(metric, outcome)}"
    first = f"{head}: {_leads(metric, outcome, verdict.differences, rows)}"
    second = " ".join(part for part in (_reached(row, metric, outcome), _within(outcome)) if part)
    return head, first, second, behind_sentence(metric, outcome)


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
    first = equal_sentence(metric, outcome, pairs)
    return (
        first.removesuffix("."),
        first,
        f"{best}{divergence_sentence(outcome, entries)}",
        ruled_out_sentence(outcome),
        _reached(row, metric, outcome),
    )


def _no_winner(
    experiment: ComparedExperiment,
    outcome: Outcome,
    rows: Sequence[Row],
    priced: Sequence[PairPrice],
    of_all: PriceOfAll | None,
) -> tuple[str, ...]:
    metric, labels, verdict = experiment.metric, outcome.labels, outcome.verdict
    assert verdict is not None
    row = next(row for row in rows if row.label == outcome.candidate)
    tied, gone = _open_against(outcome, verdict)
    apart = f"is not shown to be better than {listed(gone)}, all of whose runs diverged" if gone else ""
    better = [labels[index] for index in outcome.in_order(verdict.better)]
    among = f"No clear winner among {_these(experiment, outcome)}:"
    best = f"{marked_name(row.label)}, the best on validation,"
    lead = ""
    if tied:
        names = listed([labels[index] for index in outcome.in_order(each.other for each in tied)])
        head = f"{among} {best} shows no significant difference from {names}"
        lead = f"; {_leads(metric, outcome, tied, rows)}"
    elif gone:
        head = f"{among} {best} {apart}"
    elif better:
        head = (
            f"{among} {marked_name(row.label)} was the best on validation, but {listed(better)} did better on the "
            f"{metric.confirmed_on} split"
        )
    else:
        others = outcome.in_order(each.other for each in verdict.differences)
        equals = [other for other in others if outcome.pair_of(verdict.candidate, other).claim == "equal"]
        names = listed([labels[index] for index in equals])
        head = f"{among} {best} equals {names} within the margin, and other pairs are open"
    rest = _equalities(metric, outcome)
    if tied and gone:
        rest.append(f"{marked_name(row.label)} {apart}.")
    if (tied or gone) and better:
        rest.append(f"{listed(better)} did better than {marked_name(row.label)} on the {metric.confirmed_on} split.")
    cost = _cost(experiment, outcome, priced, of_all)
    return head, head + (lead or "."), cost, *rest, ruled_out_sentence(outcome), _reached(row, metric, outcome)


def _equalities(metric: ObjectiveMetric, outcome: Outcome) -> list[str]:
    """Return the claims of equality about entries that can be the best, and what they do not cover."""
    equal = [pair for pair in alive_pairs(outcome) if pair.claim == "equal"]
    if not equal:
        return []
    entries = outcome.in_order({index for pair in equal for index in (pair.first, pair.second)})
    return [*(equal_sentence(metric, outcome, [pair]) for pair in equal), divergence_sentence(outcome, entries)]


def _open_against(outcome: Outcome, verdict: Verdict) -> tuple[list[CandidateDifference], list[str]]:
    """Return the candidate's open differences, and the labels of those all of whose runs diverged apart from them.

    Their differences are large, and open only since the runs are few.
    """
    still_open = [
        each for each in verdict.differences if outcome.pair_of(verdict.candidate, each.other).claim == "open"
    ]
    # Those that cannot be the best have a sentence of their own.
    silent = [each for each in still_open if outcome.silence(outcome.pair_of(verdict.candidate, each.other))]
    found = [each for each in still_open if each not in silent] or still_open
    if all_diverged(outcome, verdict.candidate):
        return found, []
    gone = outcome.in_order(each.other for each in found if all_diverged(outcome, each.other))
    return [each for each in found if each.other not in gone], [outcome.labels[index] for index in gone]


def _cost(
    experiment: ComparedExperiment, outcome: Outcome, priced: Sequence[PairPrice], of_all: PriceOfAll | None
) -> str:
    going_on = going_on_sentence(experiment, outcome)
    cost = price_sentence(experiment.metric, outcome, priced, of_all=of_all, going_on=going_on)
    if not cost or outcome.due:
        return cost
    return f"{cost} The command to type: see {marked_command(typed_command('plan', experiment.name))}."


def _leads(
    metric: ObjectiveMetric, outcome: Outcome, differences: Sequence[CandidateDifference], rows: Sequence[Row]
) -> str:
    """Return `its lead in mean test accuracy is 0.31 points over nadam (0.12 to 0.50).`, and what intervals hold for.

    A lead and the ends of its interval are positive where the candidate is better, for scores and for losses. Many
    are shortened: to the smallest of a winner, or to the span of those that are not significant.
    """
    ordered = sorted(differences, key=lambda each: abs(each.mean))
    of = f"in mean {metric.confirmed_spoken}"
    seeds = [_shared_seeds(outcome, each, rows) for each in ordered]
    # Said once, if it is the same for all.
    once = seeds[0] if len(seeds) > 1 and len(set(seeds)) == 1 else ""
    has_winner = outcome.verdict is not None and outcome.verdict.winner
    # Beside others that the sentence has named, "its" would have two readings.
    whose, one = (
        f"its {noun}" if has_winner else f"the {noun} of {marked_name(outcome.candidate or '')}"
        for noun in ("leads", "lead")
    )

    def lead(each: CandidateDifference, over: str, at: str) -> str:
        told = "; ".join(filter(None, (metric.change_span(each.low_holm, each.high_holm, margin=outcome.margin), at)))
        # The one that the sentence has just named is not named again.
        whom = f"{over} {marked_name(outcome.labels[each.other])}" if has_winner or len(ordered) > 1 else ""
        return f"{metric.change(each.mean, signed=False)}{whom} ({told})"

    if len(ordered) <= _ALL_NAMED:
        told = joined([lead(each, " over", "" if once else at) for each, at in zip(ordered, seeds, strict=True)])
        below = "; below 0 it is behind" if any(each.mean < 0 for each in ordered) else ""
        return f"{one} {of} is {told}{f', {once}' if once else ''}{below}. {_intervals(len(ordered), outcome)}"
    if has_winner:
        return f"the smallest of {whose} {of} is {lead(ordered[0], ', over', seeds[0])}. {_intervals(1, outcome)}"
    means = [each.mean for each in ordered]
    span = metric.change_span(min(means), max(means)) + (f"{SPACE}points" if metric.is_share else "")
    if not all(each.low_holm <= 0 <= each.high_holm for each in ordered):
        return f"{whose} {of} over them are {span}."
    return f"{whose} {of} over them are {span}, and every interval contains zero. {_intervals(len(ordered), outcome)}"


def _shared_seeds(outcome: Outcome, each: CandidateDifference, rows: Sequence[Row]) -> str:
    """Return the seeds of a difference, if the means in the table are of others; empty otherwise."""
    labels = (outcome.candidate or "", outcome.labels[each.other])
    shared = outcome.pair_of(*map(outcome.labels.index, labels)).n_units
    n = {row.confirmed.n // len(row.configuration) for row in rows if row.label in labels and row.confirmed}
    return f"over their {shared} shared seeds" if outcome.unit == "seed" and n != {shared} else ""


def _intervals(n: int, outcome: Outcome) -> str:
    """Return what n intervals hold for: with more than two optimizers, each is wider than one of a single pair."""
    pairs, looks = len(outcome.labels) > 2, len(outcome.looks) > 1
    together = " and ".join(word for word, many in (("pairs", pairs), ("looks", looks)) if many)
    if_normal = f"all {together} together, if scores are roughly normal" if together else "roughly normal scores"
    return f"The {level_text(outcome)} interval{'s hold' if n > 1 else ' holds'} for {if_normal}."


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


def _these(experiment: ComparedExperiment, outcome: Outcome) -> str:
    n = len(outcome.labels)
    if outcome.unit == "study" and n_tuned(experiment, outcome.labels) == n:
        return f"the {n} optimizers"
    return f"these {configurations_text(experiment, outcome.labels)}"


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
