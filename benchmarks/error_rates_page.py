"""Write docs/error_rates.md: the full simulation of `benchmarks/error_rates.py` as tables.

python -m benchmarks.error_rates_page                       # some ten minutes on two cores
python -m benchmarks.error_rates_page --repetitions 500     # a look; do not publish it
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from textwrap import fill

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.error_rates import (
    CORRELATIONS,
    OPTIMIZERS,
    SCORES,
    SEEDS,
    STUDIES,
    Cell,
    Rates,
    all_cells,
    power,
    rate_text,
    rates_of,
    standard_error,
)
from benchmarks.tables import folded

PAGE = Path(__file__).parents[1] / "docs" / "error_rates.md"
# The highest of some thousand simulated rates is rarely more sampling errors above its limit.
_ERRORS = 4
_WIDTH = 118
_HEAD = """# Error rates of the verdict

{conclusion}
"""
_REPRODUCE = """`python -m benchmarks.error_rates_page` simulates it and writes this page, in some ten minutes on two
cores: {n} comparisons in each of {n_cells} cases. [Decision 30](decisions/0030-few-seeds-invent-nothing.md) has the
rules.
"""
_WORDS = """- *false difference*: the candidate is called different from an optimizer of equal expected score, or in
  the wrong direction. At most 5 % by design, whichever way the candidate was chosen.
- *false winner*: a winner is named that is not better than all others. At most 5 % by design.
- *all intervals*: all intervals of the candidate's differences hold at the same time.
- *mean*: the interval of an optimizer's mean holds, as tables, pages and commands show it. Of several study seeds: the
  mean over these studies. Runs that diverged are counted apart; the interval is that of the others.
- *over studies*: the same for the mean over study seeds.

A dash: there is no interval, and nothing is claimed, with fewer than three seeds (studies, where there are several).
A number in brackets is the sampling error (one standard error) of the last digits.

Scores: *normal*; *discrete*, an accuracy over 360 examples whose own luck has a standard deviation of three examples;
*coarse*, the same with half an example; *unequal*, normal with spreads from a quarter to four times; *lognormal*, e
to a normal score; *diverged*, normal with 5 % of the runs at 0. All optimizers share the luck of a seed. A run's
validation score has the correlation given with its test score, and the candidate is the best on validation. In several
studies, each optimizer also has luck of its own in each study, as large as that of a run: of the search, and of the
batch orders that belong to the study seed. With one study seed the claim is about its configurations, and that luck is
no part of it.

Truth: *all tied*, and *two ahead*: two equal optimizers two deviations ahead of the others. Rates in the tables are
the higher of the two, coverage is the lower.
"""


def document(
    found: Mapping[Cell, Rates], *, n_repetitions: int, powers: Mapping[tuple[int, int], tuple[float, float]]
) -> str:
    """Return the page.

    Args:
        found: The rates of each cell.
        n_repetitions: Simulated comparisons a cell.
        powers: How often the right winner is named, by seeds and optimizers: by the verdict, and by Holm alone.
    """
    worst = max(max(rates.false_differences, rates.false_winners) for rates in found.values())
    lowest: dict[str, float] = {
        kind: _least((rates for cell, rates in found.items() if cell.scores == kind), _coverage) for kind in SCORES
    }
    parts = [
        _HEAD.format(conclusion=conclusion(worst, lowest, _means(found), n_cells=len(found), n=n_repetitions)),
        _summary(found),
        _REPRODUCE.format(n=n_repetitions, n_cells=len(found)),
        folded("Words of the tables", _WORDS),
        folded("Winners found", _power(powers)),
    ]
    parts += [folded(f"All cases of {kind} scores", _table(kind, found, n_repetitions)) for kind in SCORES]
    return "\n".join(parts)


def conclusion(
    worst: float, lowest: Mapping[str, float], means: Mapping[str, tuple[str, str]], *, n_cells: int, n: int
) -> str:
    """Return what the rates say, in two paragraphs.

    Args:
        worst: The highest rate of false differences and winners.
        lowest: The lowest coverage of an interval, by the kind of scores.
        means: The spans of the coverage of a mean in percent, by the kind of scores: of one study, and over several.
        n_cells: Number of cases.
        n: Simulated comparisons a case.
    """
    error = standard_error(0.05, n)
    most = 0.05 + _ERRORS * error
    within = "within" if worst <= most else "beyond"
    told = [
        "**Equals are called different, or a wrong winner is named, in at most 5 % of comparisons by design.** "
        f"Measured are {100 * worst:.2f} % in the worst of {n_cells} cases, {within} what luck alone makes of the "
        f"highest of so many simulated rates, with a sampling error of {100 * error:.2g} points each.",
    ]
    short = {kind: share for kind, share in lowest.items() if share < 1 - most}
    good = min((share for kind, share in lowest.items() if kind not in short), default=math.nan)
    if not math.isnan(good):
        told.append(f"The 95 % intervals hold in {100 * good:.1f} % or more of the comparisons of each case.")
    limits = [
        f"**Not of {kind} scores: there, the interval of a mean of one study holds in {means[kind][0]} %**, that of a "
        f"mean over several studies in {means[kind][1]} %."
        for kind in short
    ]
    return "\n\n".join(fill(" ".join(text), width=_WIDTH) for text in (told, limits) if text)


def _means(found: Mapping[Cell, Rates]) -> dict[str, tuple[str, str]]:
    """Return, by the kind of scores, the spans of the coverage of a mean: of one study, and over several."""
    spans: dict[str, tuple[str, str]] = {}
    for kind in SCORES:
        own = {cell: rates for cell, rates in found.items() if cell.scores == kind}
        of_one = [rates for cell, rates in own.items() if cell.n_studies == 1]
        spans[kind] = (
            _span(of_one, lambda rates: rates.mean, digits=0),
            _span(own.values(), lambda rates: rates.over_studies, digits=0),
        )
    return spans


def _coverage(rates: Rates) -> float:
    known = [each for each in (rates.differences, rates.mean, rates.over_studies) if not math.isnan(each)]
    return min(known, default=math.nan)


def _summary(found: Mapping[Cell, Rates]) -> str:
    lines = [
        "## The worst case of each kind of scores",
        "",
        "In percent: the highest rate of false claims, and between which shares the intervals hold.",
        "",
        "| scores | false differences | false winners | all intervals | mean | over studies |",
        "|---|---|---|---|---|---|",
    ]
    for kind in SCORES:
        own = [rates for cell, rates in found.items() if cell.scores == kind]
        cells = [
            f"{100 * _most(own, lambda rates: rates.false_differences):.2f}",
            f"{100 * _most(own, lambda rates: rates.false_winners):.2f}",
            _span(own, lambda rates: rates.differences),
            _span(own, lambda rates: rates.mean),
            _span(own, lambda rates: rates.over_studies),
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _power(powers: Mapping[tuple[int, int], tuple[float, float]]) -> str:
    lines = [
        "One optimizer is two deviations ahead of equal others; normal scores, one study, correlation 0.5. In",
        "brackets: Holm's procedure over all pairs alone, without the rule for the best of all. The limit for 28",
        "pairs is 2 % above that of the exact largest t, so a simulated limit would gain nothing.",
        "",
        f"| seeds | {' | '.join(f'{k} optimizers' for k in OPTIMIZERS)} |",
        f"|---|{'---|' * len(OPTIMIZERS)}",
    ]
    for n_seeds in (n for n in SEEDS if n > 2):
        both = [powers[n_seeds, k] for k in OPTIMIZERS]
        lines.append(f"| {n_seeds} | {' | '.join(f'{100 * a:.0f} % ({100 * b:.0f} %)' for a, b in both)} |")
    return "\n".join([*lines, ""])


def _table(kind: str, found: Mapping[Cell, Rates], n: int) -> str:
    correlations = ", ".join(f"{each:g}" for each in CORRELATIONS)
    lines = [
        f"Rates in percent, at a correlation of {correlations}.",
        "",
        "| studies | seeds | optimizers | false differences | false winners | all intervals | mean | over studies |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n_studies, n_seeds, n_optimizers in product(STUDIES, SEEDS, OPTIMIZERS):
        by_correlation = [
            [
                rates
                for cell, rates in found.items()
                if (cell.scores, cell.n_studies, cell.n_seeds, cell.n_optimizers, cell.correlation)
                == (kind, n_studies, n_seeds, n_optimizers, correlation)
            ]
            for correlation in CORRELATIONS
        ]
        most = [lambda rates: rates.false_differences, lambda rates: rates.false_winners]
        least = [lambda rates: rates.differences, lambda rates: rates.mean, lambda rates: rates.over_studies]
        cells = [", ".join(rate_text(_most(own, of), n) for own in by_correlation) for of in most]
        cells += [", ".join(rate_text(_least(own, of), n) for own in by_correlation) for of in least]
        cells = ["-" if set(cell.split(", ")) == {"-"} else cell for cell in cells]
        lines.append(f"| {n_studies} | {n_seeds} | {n_optimizers} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _most(rates: Iterable[Rates], of: Callable[[Rates], float]) -> float:
    return max(of(each) for each in rates)


def _least(rates: Iterable[Rates], of: Callable[[Rates], float]) -> float:
    return min((of(each) for each in rates if not math.isnan(of(each))), default=math.nan)


def _span(rates: Iterable[Rates], of: Callable[[Rates], float], *, digits: int = 1) -> str:
    known = [of(each) for each in rates if not math.isnan(of(each))]
    return f"{100 * min(known):.{digits}f} to {100 * max(known):.{digits}f}" if known else "-"


def main() -> None:
    """Simulate all cells and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10_000, help="simulated comparisons a cell (default 10000)")
    parser.add_argument("--processes", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    options = parser.parse_args()
    cells = all_cells()
    with ProcessPoolExecutor(options.processes) as pool:
        rates = pool.map(rates_of, cells, [options.repetitions] * len(cells), chunksize=8)
        found = dict(zip(cells, rates, strict=True))
    powers = {(n, k): power(n, k, n_repetitions=options.repetitions) for n, k in product(SEEDS, OPTIMIZERS) if n > 2}
    options.out.write_text(document(found, n_repetitions=options.repetitions, powers=powers))


if __name__ == "__main__":
    main()
