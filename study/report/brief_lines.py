"""The sentences under the table of a comparison in a few words, for a terminal on which the full ones do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from study.report.caution import Caution
from study.report.decision_text import duration_text, level_text
from study.report.marked_text import listed, marked_name
from study.report.objective_metric import ObjectiveMetric
from study.report.pair_prices import PairPrice
from study.report.pairing import Outcome
from study.report.price_of_all import PriceOfAll
from study.report.untuned_leads import UntunedLead
from study.report.verdict_text import Answer

# Topics of cautions; of further ones only the number is said.
_MOST_TOPICS = 3


def brief_answer(metric: ObjectiveMetric, outcome: Outcome, found: Answer) -> str:
    """Return the answer, with the smallest lead of a winner as its only number; marked.

    Args:
        metric: The metric.
        outcome: The comparison.
        found: The answer.
    """
    if not found.head:
        return found.marked[0]
    if found.winner is None or outcome.verdict is None:
        return f"{found.head}."
    smallest = min(outcome.verdict.differences, key=lambda each: abs(each.mean))
    span = metric.change_span(smallest.low_holm, smallest.high_holm, margin=outcome.margin)
    interval = f" ({level_text(outcome)} interval {span})" if span else ""
    size, whom = metric.change(smallest.mean, signed=False), marked_name(outcome.labels[smallest.other])
    which = "its lead" if len(outcome.verdict.differences) == 1 else "its smallest lead"
    return f"{found.head}: {which} in mean {metric.confirmed_spoken} is {size}, over {whom}{interval}."


def brief_untuned(leads: Sequence[UntunedLead]) -> str:
    """Return where tuning is not shown to help, such as `Tuning is not shown to help adam.`; marked, or empty.

    Args:
        leads: The leads of untuned defaults.
    """
    shown, left = ([each.label for each in leads if each.is_shown is is_shown] for is_shown in (True, False))
    told = [f"made {listed(shown)} worse"] if shown else []
    told += [f"is not shown to help {listed(left)}"] if left else []
    return f"Tuning {', and '.join(told)}." if told else ""


def brief_price(
    outcome: Outcome, priced: Sequence[PairPrice], *, of_all: PriceOfAll | None, going_on: str = ""
) -> str:
    """Return what is open and what deciding it takes; marked, or empty if no pair that matters is open.

    Args:
        outcome: The comparison.
        priced: The prices of its open pairs.
        of_all: The price until all of them are decided; None where nothing is open that matters.
        going_on: The sentence on the looks that are still planned, which comes before the price. Default: none.
    """
    if of_all is None:
        return going_on
    told, it = f"Still open: {of_all.n_pairs} pairs", "to decide them takes"
    of_best = [each for each in priced if each.matters]
    if len(of_best) == 1:
        told = f"Still open: {marked_name(of_best[0].first)} against {marked_name(of_best[0].second)}"
        it = "to decide it takes"
    elif of_all.n_pairs == len(outcome.labels) * (len(outcome.labels) - 1) // 2:
        told = f"Still open: all {of_all.n_pairs} pairs"
    it = it if of_all.together else "the dearest takes"
    if of_all.seeds.typical is None:
        cost = f"probably over {of_all.seeds.horizon} {outcome.units_text} in all"
    else:
        cost = f"about {of_all.seeds.typical - of_all.n_seen} more {outcome.units_text} of each"
        cost += f" ({duration_text(of_all.seconds)})" if of_all.seconds else ""
    return " ".join(filter(None, (f"{told}; {it} {cost}.", going_on)))


def brief_ruled_out(outcome: Outcome) -> str:
    """Return who is ruled out as the best; marked, or empty if no entry is.

    Args:
        outcome: The comparison.
    """
    decided = outcome.decisions
    losers = [] if decided is None else [outcome.labels[row] for row in outcome.in_order(decided.ruled_out)]
    return f"Ruled out as the best: {listed(losers)}." if losers else ""


def brief_cautions(cautions: Sequence[Caution]) -> list[str]:
    """Return one line for each topic of some cautions, and the number of those that are left out.

    Args:
        cautions: The cautions, the most important first.
    """
    told: dict[str, list[str]] = {}
    for each in cautions:
        told.setdefault(each.topic, []).append(each.brief or f"{each.text.partition('. ')[0].removesuffix('.')}")
    lines = [f"{topic}: {'; '.join(texts)}." for topic, texts in told.items()]
    if len(lines) <= _MOST_TOPICS:
        return lines
    return [*lines[: _MOST_TOPICS - 1], f"{len(lines) - _MOST_TOPICS + 1} more cautions: {', '.join([*told][2:])}."]
