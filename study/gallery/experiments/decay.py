"""S14: schedules of the learning rate times optimizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.gallery import About, Material, PageContents, Picture, Table
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
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked
from study.report.figures.style import styles
from study.report.objective_metric import ObjectiveMetric

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
    return PageContents(
        pictures=(
            Picture(name="grid", caption=caption, data=picture, suffix="svg"),
            *(_training(material, grid, rows, column) for column in columns),
        ),
        tables=(_table(material, grid, rows, columns, compared, metric),),
        findings=(_claim(grid, compared, metric), *_firsts(grid, columns, compared, metric)),
    )


def _against_constant(grid: Mapping[Place, Cell], column: str) -> dict[str, Gap]:
    """Return the gain of each schedule over a constant rate, by schedule."""
    own = [cell for (_, name), cell in grid.items() if name == column]
    return {place[0]: gap for place, gap in gaps(grid["constant", column], own).items()}


def _claim(grid: Mapping[Place, Cell], compared: Mapping[str, Mapping[str, Gap]], metric: ObjectiveMetric) -> str:
    """Return the verdict on the claim that schedules beat a constant rate, and the optimizer with the largest gain."""
    n = sum(map(len, compared.values()))
    if not n:
        one = all(len(cell.scores) < 2 for cell in grid.values())
        why = "One seed tells nothing" if one else "Nowhere did both a schedule and the constant rate train"
        return f"That decay is better is not shown. {why}."
    better, worse = (sum(len(_told(own, metric, sign)) for own in compared.values()) for sign in (1, -1))
    verdict = "holds" if better == n else "holds in part" if better else "does not hold" if worse else "is not shown"
    gains = {column: max(metric.sign * gap.mean for gap in own.values()) for column, own in compared.items() if own}
    most = max(gains, key=lambda column: gains[column])
    gained = "no optimizer gains"
    if gains[most] > 0:
        gained = f"{most} gains most, {metric.change(metric.sign * gains[most])} with its best schedule"
    return (
        f"That decay is better {verdict}: {better} of {n} schedules are told better than a constant rate and {worse} "
        f"worse (paired t intervals, Holm within each optimizer); {gained}."
    )


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
            f"{column}: {best.place[0]} is first with {mean_text(best, metric)}; told better than constant: "
            f"{better}; told worse: {worse}."
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
