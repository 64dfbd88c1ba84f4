"""Contents of the tables of pairs: those of the candidate, and all with the price of the open ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.report.comparison import Comparison
from study.report.decision_text import NOT_TESTED, all_diverged, duration_text, level_text, p_text
from study.report.html.tables import Column, ReportTable, RowHeading, entry_heading
from study.report.marked_text import joined
from study.report.pair_prices import PairPrice
from study.report.pairing import Outcome
from study.statistics.intervals import MIN_SEEDS
from study.statistics.price import COVERAGE
from study.statistics.sequential import DecidedPairs, PairDecision
from study.statistics.winner import is_testable


def pairs_table(comparison: Comparison) -> ReportTable | None:
    """Return all pairs, those that decide who is best first; None without a test.

    Args:
        comparison: The comparison.
    """
    outcome, metric = comparison.outcome, comparison.experiment.metric
    decided = outcome.decisions
    if decided is None or not any(pair.n_units >= MIN_SEEDS for pair in decided.pairs):
        return None
    pairs = _sorted(decided, [comparison.places[label] for label in outcome.labels])
    turned = [_turned(outcome, pair) for pair in pairs]
    silent = [outcome.silence(pair) for pair in pairs]
    spans = [metric.change_span(low, high, margin=outcome.margin) for *_, low, high in turned]
    columns: list[Column] = [
        ("answer", "text", [_claim(comparison, pair) for pair in pairs]),
        ("difference", "strong", [metric.change(mean) for _, _, mean, _, _ in turned]),
        (f"{level_text(outcome)} interval", "number", _unless(silent, spans)),
        ("adjusted p", "number", _unless(silent, [p_text(pair) for pair in pairs])),
        (outcome.units_text, "number", [pair.n_units for pair in pairs]),
    ]
    costs = _costs(comparison, pairs)
    if any(costs):
        columns.append((f"decided at, {outcome.units_text}", "number", [_seeds(cost) for cost in costs]))
        columns.append(("more training time", "number", [_time(cost) for cost in costs]))
    return ReportTable(
        caption="All pairs; a positive difference favors the first one.",
        subject="pair",
        name="Decisions on all pairs",
        headings=[RowHeading(label=f"{first}, {second}") for first, second, *_ in turned],
        columns=columns,
        notes=_notes(comparison, has_price=any(costs)),
    )


def differences_table(comparison: Comparison) -> ReportTable | None:
    """Return the candidate's paired differences; None without differences."""
    outcome, metric = comparison.outcome, comparison.experiment.metric
    verdict = outcome.verdict
    if verdict is None or not is_testable(verdict):
        return None
    found = sorted(verdict.differences, key=lambda each: comparison.places[outcome.labels[each.other]])
    labels = [outcome.labels[each.other] for each in found]
    pairs = [outcome.pair_of(verdict.candidate, each.other) for each in found]
    silent = [outcome.silence(pair) for pair in pairs]
    significant = [
        why or ("no" if each.other in verdict.tied else "worse" if each.other in verdict.better else "better")
        for each, why in zip(found, silent, strict=True)
    ]
    spans = [metric.change_span(each.low_holm, each.high_holm, margin=outcome.margin) for each in found]
    units = f"{verdict.n_seeds} shared {outcome.units_text}" if len(outcome.looks) == 1 else "the seeds of each pair"
    return ReportTable(
        caption=f"Over {units}; positive favors {outcome.candidate}",
        subject=f"{outcome.candidate} against",
        headings=[entry_heading(label, comparison.look[label]) for label in labels],
        columns=[
            ("mean difference", "strong", [metric.change(each.mean) for each in found]),
            (f"{level_text(outcome)} interval", "number", _unless(silent, spans)),
            ("adjusted p", "number", _unless(silent, [p_text(pair) for pair in pairs])),
            (f"{outcome.units_text} won", "number", [_won(comparison, each.other) for each in found]),
            ("significant difference", "text", significant),
        ],
        notes=_difference_notes(comparison),
    )


def _difference_notes(comparison: Comparison) -> list[str]:
    outcome = comparison.outcome
    assert outcome.verdict is not None
    n = len(outcome.labels)
    looks = " and for the looks" if len(outcome.looks) > 1 else ""
    told = [f"p is that of a two-sided paired t test{', adjusted for the looks' if looks else ''}."]
    if n > 2:
        told = [
            f"p is that of a two-sided paired t test, adjusted for all {n * (n - 1) // 2} pairs{looks} by Holm's "
            "procedure, which bounds the probability of any false claim among all of them together. Where "
            f"{outcome.candidate} leads every other and that is smaller, it is the largest p of its own tests."
        ]
    if any(each.low_holm == 0 < each.high_holm or each.high_holm == 0 for each in outcome.verdict.differences):
        told.append("An end above or below 0: the sign is significant, and the tests say no more.")
    split = comparison.experiment.metric.confirmed_on
    won = (
        f"{outcome.units_text.capitalize()} won: those under which {outcome.candidate} has the better {split} result."
    )
    return [*told, *_divergence_note(comparison), won]


def _divergence_note(comparison: Comparison) -> list[str]:
    """Say of which pairs p and interval are no plain t test's: those of an optimizer with a diverged run."""
    outcome, metric = comparison.outcome, comparison.experiment.metric
    counts = np.max([scores.n_diverged for scores in outcome.at_looks], axis=0)
    if not metric.is_share or not counts.any():
        return []
    names = joined([outcome.labels[row] for row in outcome.in_order(np.flatnonzero(counts).tolist())])
    return [
        f"Pairs of {names}, here and among all pairs: a diverged run counts as {metric.text(metric.worst)}, and the "
        "spread of the differences is at least the one that such a rate of divergence gives by chance. So p and "
        "interval can be wider than those of a plain t test; the page “The statistics” of the documentation has this "
        "under “Pairs with diverged runs”."
    ]


def _won(comparison: Comparison, other: int) -> str:
    """Return the seeds under which the candidate is better, such as `3 of 5, 1 tied`."""
    outcome, sign = comparison.outcome, comparison.experiment.metric.sign
    assert outcome.verdict is not None
    mine, theirs, _ = outcome.pair_scores(outcome.verdict.candidate, other)
    ahead = sign * (mine - theirs)
    n_tied = int((ahead == 0).sum())
    return f"{int((ahead > 0).sum())} of {ahead.size}" + (f", {n_tied} tied" if n_tied else "")


def _sorted(decided: DecidedPairs, places: Sequence[int]) -> list[PairDecision]:
    """Return the pairs: first the open ones of entries that can be the best, then all in the page's order."""

    def key(pair: PairDecision) -> tuple[bool, list[int]]:
        is_open = pair.claim == "open" and not {pair.first, pair.second} & decided.ruled_out
        return not is_open, sorted((places[pair.first], places[pair.second]))

    return sorted(decided.pairs, key=key)


def _costs(comparison: Comparison, pairs: Sequence[PairDecision]) -> list[PairPrice | None]:
    """Return the price of each open pair of entries that may be the best; None for another."""
    labels = comparison.outcome.labels
    priced = {(each.first, each.second): each for each in comparison.prices if each.matters}
    return [priced.get((labels[pair.first], labels[pair.second])) for pair in pairs]


def _turned(outcome: Outcome, pair: PairDecision) -> tuple[str, str, float, float, float]:
    """Return labels, difference and interval, the one with the better mean first."""
    first, second = outcome.labels[pair.first], outcome.labels[pair.second]
    if pair.claim == "second" or (pair.claim != "first" and pair.mean < 0):
        return second, first, -pair.mean + 0.0, -pair.high + 0.0, -pair.low + 0.0
    return first, second, pair.mean, pair.low, pair.high


def _claim(comparison: Comparison, pair: PairDecision) -> str:
    outcome, metric = comparison.outcome, comparison.experiment.metric
    assert outcome.decisions is not None
    if pair.claim in ("first", "second"):
        better = outcome.labels[pair.first if pair.claim == "first" else pair.second]
        return f"{better} is better{', by less than the margin' if pair.within_margin else ''}"
    if pair.claim == "equal" and outcome.margin is not None:
        return f"equal within {metric.change(outcome.margin, signed=False)}"
    if why := outcome.silence(pair):
        return why
    if gone := [row for row in (pair.first, pair.second) if all_diverged(outcome, row)]:
        return f"open; all runs of {joined([outcome.labels[row] for row in outcome.in_order(gone)])} diverged"
    return "open; one has diverged" if pair.equality == "one diverged" else "open"


def _excludes_zero(pair: PairDecision) -> bool:
    return pair.claim == "open" and (pair.low > 0 or pair.high < 0)


def _seeds(cost: PairPrice | None) -> str:
    if cost is None:
        return ""
    seeds = cost.seeds
    if seeds.typical is None:
        return f"more than {seeds.horizon}"
    high = f"over {seeds.horizon}" if seeds.high is None else str(seeds.high)
    low = str(seeds.low or seeds.typical)
    return f"about {low}" if low == high else f"about {seeds.typical} ({low} to {high})"


def _time(cost: PairPrice | None) -> str:
    if cost is None:
        return ""
    seconds = cost.seconds(cost.seeds.typical)
    if seconds is None:
        beyond = cost.seconds(cost.seeds.horizon)
        return "" if beyond is None else f"over {duration_text(beyond).removeprefix('about ')}"
    return duration_text(seconds)


def _notes(comparison: Comparison, *, has_price: bool) -> list[str]:
    outcome = comparison.outcome
    pairs = outcome.decisions.pairs if outcome.decisions else ()
    looks = "pairs and looks" if len(outcome.looks) > 1 else "pairs"
    told = [
        f"Answers and intervals hold for all {looks} together: in at least {100 * (1 - outcome.error):.4g} % of "
        "comparisons of roughly normal scores, none of them is wrong. Of other scores it is less often: "
        "the page “Error rates of the verdict” of the documentation has the rates, measured by simulations."
    ]
    if any(pair.equality == "claimed" for pair in pairs):
        told.append(
            "Equal: two one-sided tests show that the difference is smaller than the margin, in either direction."
        )
    if any(_excludes_zero(pair) for pair in pairs):
        told.append(
            "A pair can stay open although its interval excludes 0: it is not tested for a difference as long as "
            "neither of the two leads."
        )
    if any(p_text(pair) == NOT_TESTED for pair in pairs):
        told.append(
            "Adjusted p is of a difference. Differences are tested for one optimizer at a time: at each look for the "
            "one that leads, which is the best on validation of those not ruled out, and for the next best once that "
            "one is shown to be better than all others."
        )
    if has_price:
        told.append(
            "Decided at: the first look by which an open pair, by itself, would be decided in at least half of the "
            f"cases, in seeds in all, and in brackets the range of {round(10 * COVERAGE)} in 10 cases, from the mean "
            "and the spread of the differences so far. The time is that of the first number."
        )
    return told


def _unless(silent: Sequence[str], texts: Sequence[str]) -> list[str]:
    return ["" if is_silent else text for is_silent, text in zip(silent, texts, strict=True)]
