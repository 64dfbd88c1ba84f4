"""Studies as cells of a grid: their scores over seeds, and the significant differences between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.gallery import Material
from study.gallery.analysis import run_scores as _run_scores
from study.gallery.analysis.differences import simultaneous
from study.gallery.analysis.run_scores import Seed, scores_of
from study.gallery.analysis.verdicts import Judged, is_negative, is_positive
from study.gallery.figures.heat_map import heat_map
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy
from study.statistics.intervals import MIN_SEEDS
from study.statistics.resolution import comparable_means

Floats = NDArray[np.float64]
# Row and column.
Place = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A study in its place of the grid.

    Attributes:
        place: Row and column.
        study: The study.
        scores: Test scores of the best or fixed configuration, by seed; infinite, or the worst value, if it diverged.
        validation: Mean objective of the same runs.
    """

    place: Place
    study: ComparedStudy
    scores: Mapping[Seed, float]
    validation: float

    @property
    def values(self) -> Floats:
        """Scores, shape (n_seeds,)."""
        return np.asarray(list(self.scores.values()), dtype=np.float64)

    @property
    def mean(self) -> float:
        """Mean of the scores; NaN without scores, or if one is not finite."""
        return float(np.mean(self.values)) if self.is_finite else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the scores; NaN with fewer than two scores, or if one is not finite."""
        return float(np.std(self.values, ddof=1)) if self.is_finite and len(self.scores) > 1 else math.nan

    @property
    def is_finite(self) -> bool:
        """True if there are scores and all of them are finite."""
        return bool(self.scores) and bool(np.all(np.isfinite(self.values)))


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The difference of a cell's test score from a reference cell's.

    Attributes:
        place: The cell's place.
        mean: Mean difference over shared seeds, in the metric's own direction.
        low: Lower limit of the interval, corrected for all compared cells; exactly 0 means "above 0".
        high: Upper limit of the interval; exactly 0 means "below 0".
    """

    place: Place
    mean: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """True for a significant difference: the interval excludes zero."""
        return is_positive(self) or is_negative(self)


def optimizer_of(config: Mapping[str, Any]) -> str:
    """Return the optimizer's name, the column of most grids.

    Args:
        config: A resolved config.
    """
    return str(config["optimizer"]["name"])


def cells(
    material: Material,
    *,
    row: Callable[[Mapping[str, Any]], str],
    column: Callable[[Mapping[str, Any]], str] = optimizer_of,
) -> dict[Place, Cell]:
    """Return the experiment's studies by row and column.

    If several studies have the same place, for example under several settings, a study without a search has priority.

    Args:
        material: The data of the page.
        row: Returns the row of a resolved config.
        column: Returns the column of a resolved config. Default: the optimizer's name.
    """
    found: dict[Place, Cell] = {}
    for study in sorted(material.experiment.studies, key=lambda study: (bool(study.ranges), study.seed)):
        config = material.configs[study.record.name]
        place = row(config), column(config)
        if place not in found:
            found[place] = _cell(place, study, material.experiment.metric)
    return found


def ordered(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return names without repetition: the known ones in their order, then the others in the given order.

    Args:
        names: The names.
        known: The known names, in their order.
    """
    given = list(dict.fromkeys(names))
    return [*(name for name in known if name in given), *(name for name in given if name not in known)]


def matrix(
    grid: Mapping[Place, Cell], rows: Sequence[str], columns: Sequence[str], of: Callable[[Cell], float]
) -> Floats:
    """Return one number for each cell, shape (n_rows, n_columns); NaN for a missing cell.

    Args:
        grid: The cells, by row and column.
        rows: The rows, in their order.
        columns: The columns, in their order.
        of: Returns the number of a cell.
    """
    return np.array([[of(grid[r, c]) if (r, c) in grid else math.nan for c in columns] for r in rows])


def score_map(
    grid: Mapping[Place, Cell], rows: Sequence[str], columns: Sequence[str], metric: ObjectiveMetric, *, number: str
) -> bytes:
    """Draw each cell's mean and standard deviation over its seeds as SVG.

    Args:
        grid: The cells, by row and column.
        rows: The rows, in their order.
        columns: The columns, in their order.
        metric: The compared metric.
        number: Format of a number.
    """
    return heat_map(
        matrix(grid, rows, columns, lambda cell: cell.mean if cell.is_finite else math.inf),
        rows=rows,
        columns=columns,
        label=f"test {metric.spoken}",
        spread=matrix(grid, rows, columns, lambda cell: cell.spread),
        lower_is_better=metric.sign < 0,
        number=number,
    )


def best_first(grid: Collection[Cell], metric: ObjectiveMetric, *, by: Callable[[Cell], float]) -> list[Cell]:
    """Return cells sorted by a score, the best first and those without a finite score last.

    Args:
        grid: The cells.
        metric: The compared metric.
        by: Returns the score of a cell.
    """

    def key(cell: Cell) -> tuple[bool, float, Place]:
        value = by(cell)
        known = math.isfinite(value)
        return (not known, -metric.sign * float(comparable_means(value)) if known else 0.0, cell.place)

    return sorted(grid, key=key)


def gaps(
    reference: Cell,
    others: Collection[Cell],
    *,
    chosen: bool = False,
    metric: ObjectiveMetric | None = None,
    bounds: tuple[float, float] | None = None,
) -> dict[Place, Gap]:
    """Return the differences of other cells from a reference, with simultaneous 95 % intervals.

    Differences are paired over shared seeds. Cells that diverged or share fewer than three seeds with the reference
    are left out.

    Args:
        reference: The cell with which the others are compared.
        others: The other cells; the reference among them is left out.
        chosen: True for a reference that was chosen by its results: the correction is then over all pairs of cells.
            Default False: Holm's procedure over the compared cells.
        metric: The compared metric, for the step of its scores. None (the default): the smallest difference found.
        bounds: The least and the greatest value of the scores. None (the default): those of the metric, if given.

    Returns:
        The differences, by the other cell's place.
    """
    compared = [cell for cell in others if cell.place != reference.place and comparable(cell, reference)]
    pairs = [(cell.scores, reference.scores) for cell in compared]
    n_pairs = n_pairs_of(len(compared) + 1) if chosen else None
    apart = simultaneous(pairs, n_comparisons=n_pairs, metric=metric, bounds=bounds)
    return {
        cell.place: Gap(place=cell.place, mean=found.mean, low=found.low, high=found.high)
        for cell, found in zip(compared, apart, strict=True)
        if found is not None
    }


def pair_gaps(grid: Collection[Cell], *, metric: ObjectiveMetric | None = None) -> dict[tuple[Place, Place], Gap]:
    """Return the differences of all pairs of cells, as one family: any of them may be quoted, whatever chose it.

    Each interval has Bonferroni's correction for all pairs that can be compared, so that all of them hold together
    with 95 % at least, and each says how large the difference can be. Pairs are left out as `gaps` does.

    Args:
        grid: The cells.
        metric: The compared metric, for the step and the bounds of its scores. None (the default): the smallest
            difference found, and no bounds.

    Returns:
        First minus second, by the places of both, in both orders.
    """
    pairs = [(a, b) for a, b in combinations(grid, 2) if comparable(a, b)]
    apart = simultaneous([(a.scores, b.scores) for a, b in pairs], n_comparisons=max(1, len(pairs)), metric=metric)
    found: dict[tuple[Place, Place], Gap] = {}
    for (a, b), each in zip(pairs, apart, strict=True):
        if each is not None:
            found[a.place, b.place] = Gap(place=a.place, mean=each.mean, low=each.low, high=each.high)
            found[b.place, a.place] = Gap(place=b.place, mean=-each.mean, low=-each.high + 0.0, high=-each.low + 0.0)
    return found


def comparable(cell: Cell, reference: Cell) -> bool:
    """Return True if both cells have only finite scores, and at least three shared seeds.

    Args:
        cell: A cell.
        reference: The cell with which it is compared.
    """
    return len(set(cell.scores) & set(reference.scores)) >= MIN_SEEDS and cell.is_finite and reference.is_finite


def n_pairs_of(n_cells: int) -> int:
    """Return the number of pairs of cells."""
    return n_cells * (n_cells - 1) // 2


def gap_text(gap: Judged, metric: ObjectiveMetric) -> str:
    """Return a difference with its interval, as text.

    Args:
        gap: The difference.
        metric: The compared metric.
    """
    return f"{metric.change(gap.mean)} [{metric.change_span(gap.low, gap.high)}]"


def mean_text(cell: Cell, metric: ObjectiveMetric) -> str:
    """Return a cell's mean with its own 95 % t interval, and its divergence, as text.

    Args:
        cell: The cell.
        metric: The compared metric.
    """
    return _run_scores.confirmed_text(cell.study.tuned, metric)


def _cell(place: Place, study: ComparedStudy, metric: ObjectiveMetric) -> Cell:
    seen = [value for run in study.tuned if (value := metric.validation(run)) is not None]
    return Cell(
        place=place,
        study=study,
        scores=scores_of(study.tuned, metric),
        validation=float(np.mean(seen)) if seen else math.nan,
    )
