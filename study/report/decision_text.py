"""Sentences on the decisions: equality, the price of what is open, who is ruled out, and the error spent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.report.marked_text import joined, listed, marked_name
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.pair_prices import PairPrice
from study.report.pairing import Outcome
from study.report.price_of_all import PriceOfAll
from study.report.studies import ComparedExperiment
from study.statistics.divergence import divergence_limit
from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import ERROR, continued, error_spent
from study.statistics.price import COVERAGE
from study.statistics.sequential import PairDecision

NOT_TESTED = "not tested: neither leads"
_ALL_NAMED = 4  # up to so many entries that are ruled out get a reason of their own


def level_text(outcome: Outcome) -> str:
    """Return the confidence level, such as `95 %`."""
    return f"{100 * (1 - outcome.error):.4g}{SPACE}%"


def p_text(pair: PairDecision) -> str:
    """Return the adjusted p of a pair, or that its difference was not tested; empty with too few seeds for a test.

    Args:
        pair: The decision on the pair.
    """
    if math.isnan(pair.p):
        return NOT_TESTED if pair.n_units >= MIN_SEEDS else ""
    return "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}"


def alive_pairs(outcome: Outcome) -> list[PairDecision]:
    """Return the pairs of entries that nothing rules out as the best."""
    decided = outcome.decisions
    if decided is None or not decided.n_looks_made:
        return []
    return [pair for pair in decided.pairs if not {pair.first, pair.second} & decided.ruled_out]


def equal_sentence(metric: ObjectiveMetric, outcome: Outcome, pairs: Sequence[PairDecision]) -> str:
    """Return that entries are equal within the margin, with the largest difference of a pair of them.

    Args:
        metric: The metric.
        outcome: The comparison, with a margin.
        pairs: Pairs that are claimed equal, at least one.
    """
    assert outcome.margin is not None
    entries = outcome.in_order({index for pair in pairs for index in (pair.first, pair.second)})
    labels = [outcome.labels[index] for index in entries]
    margin = metric.change(outcome.margin, signed=False)
    widest = max(pairs, key=lambda pair: abs(pair.mean))
    apart = _diverged_in(outcome, pairs)
    of_runs = " of the runs that did not diverge" if apart else ""
    equal = f"{listed(labels)} are equal within {margin}"
    if len(pairs) > 1:
        size = metric.change(abs(widest.mean), signed=False)
        return f"{equal}{of_runs}: the means of a pair differ by {size} at most, and each pair is shown to be equal."
    if apart:  # the means of the tests count diverged runs
        return f"{equal}, by the means{of_runs}."
    at = f" at {widest.n_seeds} seeds" if len(outcome.looks) > 1 and outcome.unit == "seed" else ""
    return f"{equal}: {lead_text(metric, outcome, widest, of=f'in mean {metric.confirmed_spoken} ', at=at)}."


def lead_text(metric: ObjectiveMetric, outcome: Outcome, pair: PairDecision, *, of: str = "", at: str = "") -> str:
    """Return `the lead of adam is 0.20 points (95 % interval -0.10 to 0.50)`; the lead is of the better mean.

    A lead is positive where the one named is better, and so are the ends of its interval, for scores and for losses.

    Args:
        metric: The metric.
        outcome: The comparison.
        pair: The decision on the pair.
        of: The quantity, between the name and the number. Default: none.
        at: The seeds, after the number. Default: none.
    """
    ahead, low, high = pair.first, pair.low, pair.high
    if pair.mean < 0:
        ahead, low, high = pair.second, -pair.high, -pair.low
    size = metric.change(abs(pair.mean), signed=False)
    span = metric.change_span(low, high, margin=outcome.margin)
    interval = f" ({level_text(outcome)} interval {span})" if span else ""
    return f"the lead of {marked_name(outcome.labels[ahead])} {of}is {size}{at}{interval}"


def equality_note(metric: ObjectiveMetric, outcome: Outcome) -> str:
    """Return the rates of divergence beside claims of equality about entries that can be the best; empty without one.

    The claims come first, unless the answer is one of them.

    Args:
        metric: The metric.
        outcome: The comparison.
    """
    decided = outcome.decisions
    if decided is None:
        return ""
    able = [pair for pair in decided.pairs if not {pair.first, pair.second} & (decided.ruled_out - {decided.best})]
    near = [pair for pair in decided.pairs if pair.within_margin and decided.best in (pair.first, pair.second)]
    equal = [*(pair for pair in able if pair.within_margin), *near]
    entries = outcome.in_order({index for pair in equal for index in (pair.first, pair.second)})
    if not entries:
        return ""
    is_answer = decided.best is not None or all(pair.claim == "equal" for pair in alive_pairs(outcome))
    claims = "" if is_answer else f"{_equal_in_brief(metric, outcome, equal)} "
    return f"{claims}{divergence_sentence(outcome, entries)}"


def divergence_sentence(outcome: Outcome, entries: Sequence[int]) -> str:
    """Return the rates of divergence that the seeds do not exclude; a claim of equality does not cover them.

    Args:
        outcome: The comparison.
        entries: Indices of the entries that are called equal.
    """
    counts = {outcome.labels[index]: _counts(outcome, index) for index in entries}
    if len(set(counts.values())) == 1 and next(iter(counts.values()))[0] == 0:
        n = next(iter(counts.values()))[1]
        who = " nor ".join(map(marked_name, counts))
        who = f"Neither {who}" if len(counts) == 2 else f"None of {listed([*counts])}"
        return (
            f"{who} diverged in {n} runs. Equality does not cover divergence: for each, a rate of up to "
            f"{_limit(0, n)}{SPACE}% is not excluded."
        )
    told = [
        f"{marked_name(label)} diverged in {k} of {n} runs (a rate of up to {_limit(k, n)}{SPACE}% is not excluded)"
        for label, (k, n) in counts.items()
    ]
    return f"Equality does not cover divergence: {joined(told)}."


def all_diverged(outcome: Outcome, index: int) -> bool:
    """Return whether all runs of an entry diverged, at the last look that it has.

    Args:
        outcome: The comparison.
        index: Index of the entry.
    """
    n_diverged, n_runs = _counts(outcome, index)
    return n_diverged == n_runs > 0


def price_sentence(
    metric: ObjectiveMetric,
    outcome: Outcome,
    priced: Sequence[PairPrice],
    *,
    of_all: PriceOfAll | None,
    going_on: str = "",
    with_error: bool = True,
) -> str:
    """Return what is open, the difference that is ruled out, and the price; empty if no pair that matters is open.

    Args:
        metric: The metric.
        outcome: The comparison.
        priced: The prices of its open pairs.
        of_all: The price until all of them are decided; None where nothing is open that matters.
        going_on: The sentence on the looks that are still planned, which comes before the price. Default: none.
        with_error: Say what seeds beyond the plan add to the probability of a false claim. Default: True.
    """
    of_best = [each for each in priced if each.matters]
    if of_all is None:
        return going_on
    open_ones = {label for each in of_best for label in (each.first, each.second)}
    labels = [outcome.labels[row] for row in outcome.in_order(range(len(outcome.labels)))]
    labels = [label for label in labels if label in open_ones]
    told = [f"Still open: {_open_pairs(of_best, labels)}."]
    apart = [each for each in of_best if each.one_diverged]
    if apart:
        which = "They" if len(of_best) == 1 else "Some of them"
        told.append(
            f"{which} cannot be called equal: one of the two diverged, and the other did not. A diverged run counts "
            f"as {metric.text(metric.worst)}, which makes the difference uncertain."
        )
    else:
        told.append(_limit_sentence(metric, outcome, of_best))
    return " ".join(filter(None, [*told, going_on, price_text(outcome, of_all, with_error=with_error)]))


def going_on_sentence(experiment: ComparedExperiment, outcome: Outcome) -> str:
    """Return that planned looks are still to come, and which command makes them; empty where none is due.

    Args:
        experiment: The experiment, with what is known of its workers.
        outcome: The comparison.
    """
    if not outcome.due or outcome.decisions is None:
        return ""
    ahead = [str(look.n_seeds) for look in outcome.looks[outcome.decisions.n_looks_made :]]
    running = [experiment.has_worker.get(record.run_id) for record in experiment.records if record.status == "RUNNING"]
    command = "The same command, run again, goes on"
    if True in running:
        command = "The running command goes on"
    elif None in running:  # it runs, or was killed
        command = "The command that made the studies goes on"
    looks = f"look at {ahead[0]}" if len(ahead) == 1 else f"looks at {joined(ahead)}"
    return f"{command} to the planned {looks} seeds."


def price_text(outcome: Outcome, of_all: PriceOfAll, *, with_error: bool = True) -> str:
    """Return how many seeds and minutes it takes until all open pairs are decided: the typical number, then the range.

    Args:
        outcome: The comparison.
        of_all: The price.
        with_error: Say what seeds beyond the plan add to the probability of a false claim. Default: True.
    """
    seeds, unit = of_all.seeds, outcome.units_text
    it, rest = "it" if of_all.n_pairs == 1 else "all of them", ""
    if not of_all.together:
        it, rest = "the dearest of them by itself", " All of them take at least as many."
    beyond = _beyond_plan(outcome, of_all.n_seeds) if with_error else ""
    time = duration_text(of_all.seconds) if of_all.seconds else ""
    if seeds.typical is None:
        time = f", more than {time.removeprefix('about ')} of training" if time else ""
        return f"To decide {it} probably takes more than {seeds.horizon} {unit} in all{time}.{rest}{beyond}"
    # Of several pairs, some are decided before the last one, and their entries train no more.
    most = "" if of_all.n_pairs == 1 else "up to "
    more = f"{most}{seeds.typical - of_all.n_seen} more of each" + (f", {time}" if time else "")
    low, high = seeds.low or seeds.typical, f"more than {seeds.horizon}" if seeds.high is None else str(seeds.high)
    span = f" (in {round(10 * COVERAGE)} of 10 cases between {low} and {high})" if str(low) != high else ""
    return f"To decide {it} takes about {seeds.typical} {unit} in all{span}: {more}.{rest}{beyond}"


def _limit_sentence(metric: ObjectiveMetric, outcome: Outcome, of_best: Sequence[PairPrice]) -> str:
    """Return the differences that are ruled out; empty where the answer has the interval that says it."""
    ruled_out = max(each.ruled_out for each in of_best)
    # A spread of a share's whole range says nothing.
    if not ruled_out < metric.bounds[1] - metric.bounds[0]:
        return ""
    if len(of_best) > 1:
        return f"In each pair, a difference of more than {metric.change(ruled_out, signed=False)} is ruled out."
    (only,) = of_best
    if outcome.candidate in (only.first, only.second):
        return ""
    pair = outcome.pair_of(outcome.labels.index(only.first), outcome.labels.index(only.second))
    told = lead_text(metric, outcome, pair)
    return f"{told[:1].upper()}{told[1:]}."


def _beyond_plan(outcome: Outcome, n_seeds: int) -> str:
    """Return what seeds beyond the plan add to the probability of a false claim; empty within the plan."""
    if outcome.unit == "study" or not outcome.looks or n_seeds <= outcome.looks[-1].n_seeds:
        return ""
    planned = outcome.looks[-1].n_seeds
    added = continued(outcome.looks, n_done=planned, n_max=n_seeds, sequential=True)
    return (
        f" Beyond the plan of {planned}, the probability of any false claim is at most "
        f"{100 * error_spent(added):.3g}{SPACE}%."
    )


def duration_text(seconds: float) -> str:
    """Return a time such as `about 3 minutes`.

    Args:
        seconds: The time.
    """
    if seconds < 90:
        return f"about {max(1, round(seconds))} seconds" if seconds >= 1.5 else "about a second"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"


def ruled_out_sentence(outcome: Outcome) -> str:
    """Return who is ruled out as the best, and by whom; empty if no entry is."""
    decided = outcome.decisions
    if decided is None or not decided.ruled_out:
        return ""
    losers = outcome.in_order(decided.ruled_out)
    if len(losers) > _ALL_NAMED:
        return f"Ruled out as the best, since another is better: {listed([outcome.labels[row] for row in losers])}."
    told = []
    for row in losers:
        winner, n_seeds = _beaten_by(outcome, row)
        at = f", shown at {n_seeds} seeds" if len(outcome.looks) > 1 and n_seeds else ""
        told.append(f"{marked_name(outcome.labels[row])} (worse than {marked_name(outcome.labels[winner])}{at})")
    return f"Ruled out as the best: {joined(told)}."


def plan_sentence(metric: ObjectiveMetric, outcome: Outcome, *, margin_key: str = "objective.margin") -> str:
    """Return the looks that were made, and the margin; empty for a single look without one.

    Args:
        metric: The metric of the comparison.
        outcome: Its outcome.
        margin_key: Name of the setting that gave the margin. Default: the key of the config.
    """
    told = []
    n_made = 0 if outcome.decisions is None else outcome.decisions.n_looks_made
    if len(outcome.looks) > 1 and n_made:
        made, ahead = (
            joined([str(look.n_seeds) for look in looks]) for looks in (outcome.looks[:n_made], outcome.looks[n_made:])
        )
        of = "confirmation seeds of each study" if outcome.unit == "study" else "seeds"
        if not ahead:
            planned = "" if outcome.error > ERROR else ", as planned"
            told.append(f"tested at {made} {of}{planned}")
        elif outcome.due:
            told.append(f"tested at {made} {of} so far; the next look is at {outcome.looks[n_made].n_seeds}")
        else:
            told.append(f"decided at {outcome.looks[n_made - 1].n_seeds} {of}, so no look at {ahead} was needed")
    if outcome.margin is not None:
        size = metric.change(outcome.margin, signed=False)
        told.append(f"the margin, below which a difference does not matter, is {size} ({margin_key})")
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def error_sentence(outcome: Outcome) -> str:
    """Return the probability of a false claim, if confirmations were added after the planned 5 % were spent."""
    if outcome.error <= ERROR:
        return ""
    return (
        f"Confirmations were added after the plan had spent its {100 * ERROR:g}{SPACE}% of error. So the probability "
        f"of any false claim here is at most {100 * outcome.error:.4g}{SPACE}%, not {100 * ERROR:g}{SPACE}%."
    )


def _equal_in_brief(metric: ObjectiveMetric, outcome: Outcome, pairs: Sequence[PairDecision]) -> str:
    """Return which entries are equal within the margin, without the differences."""
    assert outcome.margin is not None
    entries = outcome.in_order({index for pair in pairs for index in (pair.first, pair.second)})
    names = listed([outcome.labels[index] for index in entries])
    of_runs = ", by the runs that did not diverge" if _diverged_in(outcome, pairs) else ""
    if 2 * len(pairs) < len(entries) * (len(entries) - 1):  # not each with each
        ends = [outcome.in_order((pair.first, pair.second)) for pair in pairs]
        names = "; ".join(listed([outcome.labels[index] for index in both]) for both in ends)
        if len(pairs) > _ALL_NAMED:
            names = f"{len(pairs)} pairs of {listed([outcome.labels[index] for index in entries])}"
    return f"Equal within {metric.change(outcome.margin, signed=False)}{of_runs}: {names}."


def _open_pairs(priced: Sequence[PairPrice], labels: Sequence[str]) -> str:
    if len(priced) == 1:
        return f"{marked_name(priced[0].first)} against {marked_name(priced[0].second)}"
    return f"{len(priced)} pairs of {listed(labels)}"


def _beaten_by(outcome: Outcome, row: int) -> tuple[int, int]:
    """Return who is better than an entry, one that is not ruled out itself if there is one, and the look's seeds."""
    assert outcome.decisions is not None
    found = []
    for pair in outcome.decisions.pairs:
        if (pair.second == row and pair.claim == "first") or (pair.first == row and pair.claim == "second"):
            other = pair.first if pair.second == row else pair.second
            found.append((other in outcome.decisions.ruled_out, pair.n_seeds, other))
    _, n_seeds, other = min(found)
    return other, n_seeds


def _counts(outcome: Outcome, index: int) -> tuple[int, int]:
    """Return the diverged runs and all runs of an entry at its last look."""
    at = [scores for scores in outcome.at_looks if scores.present[index]]
    return int(at[-1].n_diverged[index]), int(at[-1].n_runs[index])


def _diverged_in(outcome: Outcome, pairs: Sequence[PairDecision]) -> bool:
    return any(_counts(outcome, index)[0] for pair in pairs for index in (pair.first, pair.second))


def _limit(n_diverged: int, n_runs: int) -> int:
    return math.ceil(100 * divergence_limit(n_diverged, n_runs) - 1e-9)
