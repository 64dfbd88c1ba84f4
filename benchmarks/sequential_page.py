"""Write docs/sequential_rates.md: the full simulation of `benchmarks/sequential.py` as tables.

python -m benchmarks.sequential_page                       # some ten minutes on two cores
python -m benchmarks.sequential_page --repetitions 500     # a look; do not publish it
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from textwrap import fill

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.error_rates import rate_text, standard_error
from benchmarks.sequential import (
    AHEAD,
    CONTENDERS,
    PLANS,
    SCORES,
    SequentialCell,
    SequentialRates,
    all_cells,
    sequential_rates,
)
from benchmarks.sequential_prices import PriceHits, leader_price_hits, price_hits
from benchmarks.tables import folded

_WIDTH = 118
PAGE = Path(__file__).parents[1] / "docs" / "sequential_rates.md"
PriceCase = tuple[float, int, int, float | None]
PRICES: tuple[PriceCase, ...] = tuple(
    (ahead, n_seen, horizon, margin)
    for margin, (n_seen, horizon), ahead in product(
        (None, 0.5), ((5, 20), (5, 40), (10, 40), (10, 160)), (0.0, 0.25, 0.5, 1.0, 2.0)
    )
)
LeaderCase = tuple[int, float, float | None]
LEADERS: tuple[LeaderCase, ...] = tuple(product((3, 8), AHEAD, (None, 0.5)))
# Fewer pairs than this are open: nothing is shown.
_FEWEST_OPEN = 50
_HEAD = """# Error rates, seeds and prices of sequential confirmation

{conclusion}
"""
_REPRODUCE = """`python -m benchmarks.sequential_page` simulates it and writes this page: {n} comparisons in each of
{n_cells} cases. `study/statistics/looks.py`, `look_claims.py` and `price.py` have the rules. The price of several open
pairs together is checked by `tests/statistics/test_joint_price.py`.
"""
_WORDS = """Plans: *sequential 40*, looks at 5, 10, 20 and 40 seeds that spend 0.5, 1, 1.5 and 2 %; *fixed 10* and
*fixed 40*, one look that spends 5 %.

Scores: *normal*; *discrete*, an accuracy over 360 examples; *lognormal*, the luck is e to a normal value;
*all diverge*, normal with 5 % of all runs at 0; *one diverges*, normal with 5 % of the last contender's runs at 0.
All contenders share a part of the luck of a seed. Distances are in standard deviations (SD) of a paired difference.

Truth: *all tied*; *one ahead* of equal others; *two groups* of equals; *twins*, pairs of equals, each pair ahead of
the next. The margin is the true distance, under ties one SD: equality is claimed wrongly most often at exactly the
margin.

- *false claim*: any claim, of any pair at any look, that is not true: equals called different, a wrong direction, or a
  difference of the margin or more called smaller. At most 5 % by design.
- *false equality*: the last of these alone. It is about runs that do not diverge.
- *best found*: the one that is ahead is named.
- *settled*: nothing is open between those that are not ruled out.
- *seeds*: mean number of seeds of a contender.

A number in brackets is the sampling error (one standard error) of the last digits.
"""


def document(
    found: Mapping[SequentialCell, SequentialRates],
    prices: Mapping[PriceCase, PriceHits],
    leaders: Mapping[LeaderCase, PriceHits],
    *,
    n_repetitions: int,
) -> str:
    """Return the page.

    Args:
        found: The rates of each cell.
        prices: The hits of the price of a single pair.
        leaders: The hits of the price of a leader and its closest rival.
        n_repetitions: Simulated comparisons a cell.
    """
    worst: dict[str, float] = {
        plan: max(rates.false_claims for cell, rates in found.items() if cell.plan == plan) for plan in PLANS
    }
    of_eight = [_cell_of(found, "normal", 8, ("one ahead", 1.0), plan, margin=False) for plan in PLANS]
    hits = [each.hits for each in prices.values() if each.n_open >= _FEWEST_OPEN]
    parts = [
        _HEAD.format(
            conclusion=conclusion(
                worst,
                {plan: (each.right_best, each.seeds) for plan, each in zip(PLANS, of_eight, strict=True)},
                lowest_hits=min(hits, default=math.nan),
                n=n_repetitions,
            )
        ),
        _worst(found),
        _REPRODUCE.format(n=n_repetitions, n_cells=len(found)),
        folded("Words of the tables", _WORDS),
        folded("Winners found, and the seeds they cost", _power(found)),
        folded("False claims of equality alone", _equalities(found, n_repetitions)),
        folded("Divergence that was not seen", _hidden(found, n_repetitions)),
        folded("The price of one pair", _prices(prices)),
        folded("The price of a leader among several", _leaders(leaders)),
        folded("Rules that were tried and left", _why()),
    ]
    parts += [folded(f"All cases of scores: {kind}", _table(kind, found, n_repetitions)) for kind in SCORES]
    return "\n".join(parts)


def conclusion(
    worst: Mapping[str, float], of_eight: Mapping[str, tuple[float, float]], *, lowest_hits: float, n: int
) -> str:
    """Return what the rates say, in three paragraphs: the error, the seeds, the price.

    Args:
        worst: The highest rate of false claims, by plan.
        of_eight: How often the best of eight is found that is one deviation ahead, and the mean number of seeds of a
            contender, by plan.
        lowest_hits: The lowest share of prices of one pair that hold the number of seeds needed at last.
        n: Simulated comparisons a case.
    """
    rounds, *fixed = worst
    found, seeds = of_eight[rounds]
    others = "; ".join(f"{plan}: {100 * of_eight[plan][0]:.0f} % with {of_eight[plan][1]:.0f}" for plan in fixed)
    told = (
        "**Confirmation in rounds makes any false claim, of any pair at any look, in at most 5 % of comparisons by "
        f"design.** Measured are {100 * worst[rounds]:.2f} % ({rounds}) in the worst of all cases, with a sampling "
        f"error of {100 * standard_error(0.05, n):.2g} points.",
        f"Rounds find the best of eight that is one deviation ahead in {100 * found:.0f} %, with {seeds:.0f} seeds of "
        f"each on average ({others}).",
        "The price of an open pair, stated as a range for 8 of 10 cases, held the number of seeds needed in "
        f"{100 * lowest_hits:.0f} % or more.",
    )
    return "\n\n".join(fill(each, width=_WIDTH) for each in told)


def _worst(found: Mapping[SequentialCell, SequentialRates]) -> str:
    lines = [
        "## The worst case of each kind of scores",
        "",
        "The highest rate of false claims in percent, over all truths, contenders and margins; at most 5 by design.",
        "",
        f"| scores | {' | '.join(PLANS)} |",
        f"|---|{'---|' * len(PLANS)}",
    ]
    for kind in SCORES:
        own = [[rates for cell, rates in found.items() if (cell.scores, cell.plan) == (kind, plan)] for plan in PLANS]
        cells = [f"{100 * max(each.false_claims for each in rates):.2f}" for rates in own]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _equalities(found: Mapping[SequentialCell, SequentialRates], n: int) -> str:
    lines = [
        "The highest rate in percent, of runs that do not diverge.",
        "",
        f"| scores | {' | '.join(PLANS)} |",
        f"|---|{'---|' * len(PLANS)}",
    ]
    for kind in SCORES:
        own = [[rates for cell, rates in found.items() if (cell.scores, cell.plan) == (kind, plan)] for plan in PLANS]
        cells = [rate_text(max(each.false_equalities for each in rates), n) for rates in own]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _power(found: Mapping[SequentialCell, SequentialRates]) -> str:
    lines = [
        "One contender is ahead of equal others; normal scores. Best found in percent, and in brackets the mean",
        "number of seeds of a contender; without a margin / with one.",
        "",
        f"| contenders | ahead | {' | '.join(PLANS)} |",
        f"|---|---|{'---|' * len(PLANS)}",
    ]
    for n, ahead in product(CONTENDERS, AHEAD):
        cells = []
        for plan in PLANS:
            both = [
                _cell_of(found, "normal", n, ("one ahead", ahead), plan, margin=margin) for margin in (False, True)
            ]
            best = " / ".join(f"{100 * each.right_best:.0f}" for each in both)
            cells.append(f"{best} ({' / '.join(f'{each.seeds:.0f}' for each in both)})")
        lines.append(f"| {n} | {ahead:g} SD | {' | '.join(cells)} |")
    diverged = [_cell_of(found, "all diverge", 2, ("one ahead", 1.0), plan, margin=False) for plan in PLANS]
    lines += [
        "",
        "A diverged run counts as the worst value, beside which a difference of one SD is small: more seeds then mean",
        "more that diverge, not more power. Where 5 % of all runs diverge, one of two that is ahead by one SD is",
        f"found in {', '.join(f'{100 * each.right_best:.0f}' for each in diverged)} % by {', '.join(PLANS)}.",
    ]
    lines += ["", "Ties are settled by the margin of one SD alone:", ""]
    lines += [f"| contenders | {' | '.join(PLANS)} |", f"|---|{'---|' * len(PLANS)}"]
    for n in CONTENDERS:
        own = [_cell_of(found, "normal", n, ("all tied", 0.0), plan, margin=True) for plan in PLANS]
        lines.append(f"| {n} | {' | '.join(f'{100 * each.settled:.0f} ({each.seeds:.0f})' for each in own)} |")
    return "\n".join([*lines, ""])


def _hidden(found: Mapping[SequentialCell, SequentialRates], n: int) -> str:
    lines = [
        "Equality is claimed of runs that do not diverge, beside the rates that the seeds exclude, and never where",
        "one of the two diverged. Still, a contender that diverges in 5 % of runs can have none in the seeds of a",
        "look: comparisons in percent that call it equal to one that never diverges. All tied but for that; margin of",
        "one SD.",
        "",
        f"| contenders | {' | '.join(PLANS)} |",
        f"|---|{'---|' * len(PLANS)}",
    ]
    for k in CONTENDERS:
        own = [_cell_of(found, "one diverges", k, ("all tied", 0.0), plan, margin=True) for plan in PLANS]
        lines.append(f"| {k} | {' | '.join(rate_text(each.hidden_divergence, n) for each in own)} |")
    return "\n".join([*lines, ""])


def _prices(prices: Mapping[PriceCase, PriceHits]) -> str:
    lines = [
        "One pair, normal scores, looks at 5, 10, 20, ... seeds up to the horizon. After the seeds seen, the price of",
        "the pairs that are still open is asked: the central 80 % of the predicted numbers of seeds. *Hits*: the",
        "number at which the pair was decided is in that range (more than the horizon, where it was not decided).",
        "*Open*: ranges without an upper end: “or more than the horizon”. *Factor*: median of upper by lower end, an",
        "open end counted as the horizon. *More*: the typical price is “more than the horizon”; *not decided*: so it",
        "was. In percent.",
        "",
    ]
    rows = [
        "| margin | seen | horizon | true difference | hits | open | factor | more | not decided |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (ahead, n_seen, horizon, margin), hits in prices.items():
        start = f"| {'none' if margin is None else f'{margin:g} SD'} | {n_seen} | {horizon} | {ahead:g} SD |"
        cells = _hit_cells(hits)
        rows.append(f"{start} {' | '.join(cells)} |")
    lines += [
        *rows,
        "",
        "A dash: fewer than 50 of the simulated pairs were open. After ten seeds, a difference of half an SD has a",
        "standard error of a third of an SD: it may as well be 0.1, which needs hundreds of seeds. Without a margin,",
        "such a range has no upper end. With one it has, since the pair is then equal.",
    ]
    return "\n".join([*lines, ""])


def _leaders(leaders: Mapping[LeaderCase, PriceHits]) -> str:
    lines = [
        "Of several contenders, one ahead of equal others, the price of the leader and its closest rival after ten",
        "seeds, horizon 40. It counts one pair, by the rule for the best of all.",
        "",
    ]
    rows = [
        "| contenders | ahead | margin | hits | open | factor | more | not decided |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (n, ahead, margin), hits in leaders.items():
        start = f"| {n} | {ahead:g} SD | {'none' if margin is None else f'{margin:g} SD'} |"
        rows.append(f"{start} {' | '.join(_hit_cells(hits))} |")
    return "\n".join([*lines, *rows, ""])


def _hit_cells(hits: PriceHits) -> list[str]:
    if hits.n_open < _FEWEST_OPEN:
        return ["-"] * 5
    shares = [hits.hits, hits.open_ended, hits.beyond, hits.not_decided]
    hit, open_ended, beyond, left = (f"{100 * share:.0f}" for share in shares)
    return [hit, open_ended, f"{hits.factor:g}", beyond, left]


def _why() -> str:
    return """Largest simulated rates of false claims, two groups of two equals, normal scores, one look at ten
seeds, 20 000 comparisons:

| rules | false claims |
|---|---|
| Holm over all pairs, and the best of all at the full level, for all pairs at once, no margin | 7.6 % |
| the same, and equality at level / K for K pairs | 9.8 % |
| the same, but pairs called different keep only a quarter of their error for the margin | 7.3 % |
| claims about one contender at a time (the rules now), no margin | 4.9 % |
| the same, a quarter of the error is the margin's (the rules now), with a margin | 4.4 % |

Holm's procedure steps down to the pairs of equals, which then have the whole error, and equality of the other pairs
comes on top of it. So the margin has a share of the error of its own: a quarter costs little power for differences (at
a half, the best of eight at half an SD is found in 27 % by 40 seeds, at a quarter in 34 %, without a margin in 39 %).
"""


def _table(kind: str, found: Mapping[SequentialCell, SequentialRates], n: int) -> str:
    lines = [
        f"In percent, for {', '.join(PLANS)}; seeds are those of sequential 40.",
        "",
        "| contenders | truth | margin | false claim | false equality | best found | settled | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cases = sorted({(cell.n_contenders, cell.truth, cell.ahead) for cell in found})
    for k, truth, ahead in cases:
        for margin in (False, True):
            own = [_cell_of(found, kind, k, (truth, ahead), plan, margin=margin) for plan in PLANS]
            name = truth if truth == "all tied" else f"{truth}, {ahead:g} SD"
            cells = [
                ", ".join(rate_text(each.false_claims, n) for each in own),
                ", ".join(rate_text(each.false_equalities, n) for each in own) if margin else "-",
                ", ".join(f"{100 * each.right_best:.0f}" for each in own) if truth == "one ahead" else "-",
                ", ".join(f"{100 * each.settled:.0f}" for each in own),
                f"{own[0].seeds:.1f}",
            ]
            lines.append(f"| {k} | {name} | {'yes' if margin else 'no'} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell_of(
    found: Mapping[SequentialCell, SequentialRates],
    kind: str,
    n_contenders: int,
    truth: tuple[str, float],
    plan: str,
    *,
    margin: bool,
) -> SequentialRates:
    wanted = (kind, n_contenders, *truth, plan, margin)
    return next(
        rates
        for cell, rates in found.items()
        if (cell.scores, cell.n_contenders, cell.truth, cell.ahead, cell.plan, cell.with_margin) == wanted
    )


def hits_of(case: PriceCase, n_repetitions: int) -> PriceHits:
    """Return the hits of the price in a case."""
    ahead, n_seen, horizon, margin = case
    return price_hits(ahead, n_seen=n_seen, horizon=horizon, margin=margin, n_repetitions=n_repetitions)


def leader_hits_of(case: LeaderCase, n_repetitions: int) -> PriceHits:
    """Return the hits of the price of a leader in a case."""
    n, ahead, margin = case
    return leader_price_hits(ahead, n_contenders=n, n_seen=10, horizon=40, margin=margin, n_repetitions=n_repetitions)


def main() -> None:
    """Simulate all cells and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10_000, help="simulated comparisons a cell (default 10000)")
    parser.add_argument("--processes", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    options = parser.parse_args()
    cells = all_cells()
    with ProcessPoolExecutor(options.processes) as pool:
        n_prices = max(100, options.repetitions // 20)
        prices = pool.map(hits_of, PRICES, [n_prices] * len(PRICES))
        leaders = pool.map(leader_hits_of, LEADERS, [n_prices] * len(LEADERS))
        rates = pool.map(sequential_rates, cells, [options.repetitions] * len(cells), chunksize=4)
        found = dict(zip(cells, rates, strict=True))
        of_pairs = dict(zip(PRICES, prices, strict=True))
        of_leaders = dict(zip(LEADERS, leaders, strict=True))
    options.out.write_text(document(found, of_pairs, of_leaders, n_repetitions=options.repetitions))


if __name__ == "__main__":
    main()
