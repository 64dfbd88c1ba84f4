"""S14: schedules of the learning rate times optimizers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous
from study.gallery.analysis.grid import (
    Cell,
    Gap,
    Place,
    best_first,
    cells,
    gap_text,
    gaps,
    mean_text,
    ordered,
    score_map,
)
from study.gallery.analysis.rankings import by_study, rate_text
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater, in_short
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked
from study.report.figures.style import styles
from study.report.objective_metric import ObjectiveMetric
from study.statistics.intervals import MIN_SEEDS

ABOUT = About(
    title="Learning-rate decay",
    question="Does it help to let the rate decay, how, and which optimizer gains most?",
    source="Advice of courses and libraries; the cosine after I. Loshchilov and F. Hutter, SGDR, ICLR 2017.",
    claim="Decaying the rate is better than keeping it constant.",
    traps=(
        "A schedule at a rate that was tuned without it starts too low: here every pair has its own rate tuned, with "
        "as many trials of as many epochs.",
        "An adaptive optimizer scales its steps, but its rate does not decay by itself: Adam can be scheduled too.",
        "A schedule knows when the training ends. Stopped earlier it is another schedule.",
    ),
)

_SCHEDULES = ("constant", "step", "exponential", "cosine", "warmup_cosine")
_OPTIMIZERS = ("sgd", "momentum", "adam")
# Optimizers whose colors the schedules get, in the order of the schedules.
_LOOKS = ("rmsprop", "adam", "momentum", "sgd", "nesterov")


def show(material: Material) -> PageContents:
    """Return the grid of schedules and optimizers, and the gain of each schedule over a constant rate.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    grid = cells(material, row=lambda config: str(config["schedule"]["name"]))
    rows = ordered((row for row, _ in grid), _SCHEDULES)
    columns = ordered((column for _, column in grid), _OPTIMIZERS)
    compared = {column: _against_constant(grid, column) for column in columns}
    picture = score_map(grid, rows, columns, metric, number="{:.4f}")
    caption = f"Test {metric.spoken} at the best rate of each pair: mean and standard deviation over seeds."
    claim = _claim(grid, compared, metric)
    return PageContents(
        pictures=(
            Picture(name="grid", caption=caption, data=picture, suffix="svg"),
            *(_training(material, grid, rows, column) for column in columns),
        ),
        tables=(_table(material, grid, rows, columns, compared, metric),),
        findings=(claim, *_firsts(grid, columns, compared, metric)),
        headline=in_short(claim, until=" (paired"),
    )


def _against_constant(grid: Mapping[Place, Cell], column: str) -> dict[str, Gap]:
    """Return the gain of each schedule over a constant rate, by schedule."""
    own = [cell for (_, name), cell in grid.items() if name == column]
    return {place[0]: gap for place, gap in gaps(grid["constant", column], own).items()}


def _claim(grid: Mapping[Place, Cell], compared: Mapping[str, Mapping[str, Gap]], metric: ObjectiveMetric) -> str:
    """Judge each schedule against a constant rate, corrected over all optimizers, and name the largest gain."""
    asked = [(row, column) for row, column in grid if row != "constant"]
    gaps_of_all = simultaneous(
        [(grid[place].scores, grid["constant", place[1]].scores) for place in asked], metric=metric
    )
    judged = [greater(each, sign=metric.sign) for each in gaps_of_all]
    if all(each is None for each in gaps_of_all):
        few = all(len(cell.scores) < MIN_SEEDS for cell in grid.values())
        why = "fewer than three seeds" if few else "nowhere did both a schedule and the constant rate train"
        return f"{ClaimVerdict.INCONCLUSIVE}, that decay is better: {why}."
    counts = Counter(judged)
    left_out = counts[ClaimVerdict.INCONCLUSIVE]
    open_ones = f", {left_out} cannot be compared" if left_out else ""
    decides = _decides(asked, gaps_of_all, metric)
    return (
        f"{all_of(judged)}, that decay is better: of {len(asked)} schedules, {counts[ClaimVerdict.HELD]} are "
        f"significantly better than a constant rate, {counts[ClaimVerdict.CONTRADICTED]} worse, "
        f"{counts[ClaimVerdict.NOT_SHOWN]} "
        f"neither"
        f"{open_ones} (paired t intervals, Holm over all){decides}; {_largest_gain(compared, metric)}."
    )


def _decides(asked: Sequence[Place], found: Sequence[CorrectedDifference | None], metric: ObjectiveMetric) -> str:
    """Return the schedules that contradict the claim, or those that do not show it, with their intervals."""
    for word in (ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_SHOWN):
        shown = [
            f"{column} with {row.replace('_', ' ')} {gap_text(each, metric)}"
            for (row, column), each in zip(asked, found, strict=True)
            if each is not None and greater(each, sign=metric.sign) is word
        ]
        if shown:
            return f"; {'worse' if word is ClaimVerdict.CONTRADICTED else 'neither'}: {', '.join(shown)}"
    return ""


def _largest_gain(compared: Mapping[str, Mapping[str, Gap]], metric: ObjectiveMetric) -> str:
    """Name the largest gain by its mean, with the interval within its optimizer."""
    each = [(metric.sign * gap.mean, column, row) for column, own in compared.items() for row, gap in own.items()]
    gain, column, row = max(each, default=(0.0, "", ""))
    if gain <= 0:
        return "no optimizer gains by its mean"
    gap = compared[column][row]
    certain = "" if gap.is_told else ", not significant"
    return f"the largest mean gain is that of {column} with {row.replace('_', ' ')}, {gap_text(gap, metric)}{certain}"


def _told(own: Mapping[str, Gap], metric: ObjectiveMetric, sign: int) -> list[str]:
    """Return the schedules that are significantly better than a constant rate; with a sign of -1, worse."""
    return [name for name, gap in own.items() if gap.is_told and sign * metric.sign * gap.mean > 0]


def _firsts(
    grid: Mapping[Place, Cell],
    columns: Sequence[str],
    compared: Mapping[str, Mapping[str, Gap]],
    metric: ObjectiveMetric,
) -> list[str]:
    """Name each optimizer's first schedule, and those significantly different from a constant rate."""
    told = []
    for column in columns:
        own = [cell for (_, name), cell in grid.items() if name == column]
        best = best_first(own, metric, by=lambda cell: cell.mean)[0]
        better, worse = (", ".join(_told(compared[column], metric, sign)) or "none" for sign in (1, -1))
        told.append(
            f"{column}: {best.place[0]} is first by its mean with {mean_text(best, metric)}; significantly better "
            f"than constant: {better}; significantly worse: {worse} (Holm within {column})."
        )
    return told


def _training(material: Material, grid: Mapping[Place, Cell], rows: Sequence[str], column: str) -> Picture:
    curves = []
    for row, look in zip(rows, styles([_LOOKS[index % len(_LOOKS)] for index in range(len(rows))]), strict=True):
        if (row, column) not in grid:
            continue
        values = stacked([material.history(run, "loss") for run in grid[row, column].study.tuned])
        if values.size:
            curves.append(Curve(label=row, values=values, style=look))
    return Picture(
        name=f"loss_{column}",
        caption=f"{column}: training loss over the epochs under each schedule, median and quartiles over seeds.",
        data=loss_curves(curves, title=column),
        suffix="svg",
    )


def _table(
    material: Material,
    grid: Mapping[Place, Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    compared: Mapping[str, Mapping[str, Gap]],
    metric: ObjectiveMetric,
) -> Table:
    entries = by_study(material)
    found = []
    for column in columns:
        for row in rows:
            if (row, column) not in grid:
                continue
            cell = grid[row, column]
            gap = compared[column].get(row)
            against = "-" if gap is None else gap_text(gap, metric)
            rate = rate_text(entries[cell.study.record.name])
            found.append((f"{column}, {row.replace('_', ' ')}", mean_text(cell, metric), against, rate))
    return Table(
        caption="Each pair at its best rate. Intervals of differences are Holm's, within each optimizer.",
        header=(
            "optimizer, schedule",
            f"test {metric.spoken} [95 % interval]",
            "against constant",
            "rate",
        ),
        rows=tuple(found),
    )
