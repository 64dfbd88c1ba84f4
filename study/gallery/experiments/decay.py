"""S14: schedules of the learning rate times optimizers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous
from study.gallery.analysis.grid import (
    Cell,
    Place,
    best_first,
    cells,
    gap_text,
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

# The gain of a schedule over a constant rate by schedule and optimizer; None if one of the two did not train.
Compared = Mapping[Place, CorrectedDifference | None]

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
    compared = _against_constant(grid, metric)
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


def _against_constant(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> Compared:
    """Return the gain of each schedule over a constant rate, corrected over all schedules of all optimizers."""
    asked = [(row, column) for row, column in grid if row != "constant"]
    pairs = [(grid[place].scores, grid["constant", place[1]].scores) for place in asked]
    return dict(zip(asked, simultaneous(pairs, metric=metric), strict=True))


def _claim(grid: Mapping[Place, Cell], compared: Compared, metric: ObjectiveMetric) -> str:
    """Judge all schedules against a constant rate; name the largest gain, and the loss that contradicts the claim."""
    if all(each is None for each in compared.values()):
        few = all(len(cell.scores) < MIN_SEEDS for cell in grid.values())
        why = "fewer than three seeds" if few else "nowhere did both a schedule and the constant rate train"
        return f"{ClaimVerdict.INCONCLUSIVE}, that decay is better: {why}."
    judged = [greater(each, sign=metric.sign) for each in compared.values()]
    counts = Counter(judged)
    left_out = counts[ClaimVerdict.INCONCLUSIVE]
    open_ones = f", {left_out} cannot be compared" if left_out else ""
    loss = f"; {_largest(compared, metric, gain=False)}" if counts[ClaimVerdict.CONTRADICTED] else ""
    return (
        f"{all_of(judged)}, that decay is better: of {len(compared)} schedules, {counts[ClaimVerdict.HELD]} are "
        f"significantly better than a constant rate, {counts[ClaimVerdict.CONTRADICTED]} worse, "
        f"{counts[ClaimVerdict.NOT_SHOWN]} neither{open_ones} (paired t intervals, Holm over all "
        f"{len(compared) - left_out}){loss}; {_largest(compared, metric, gain=True)}."
    )


def _largest(compared: Compared, metric: ObjectiveMetric, *, gain: bool) -> str:
    """Name the largest gain, or loss, by its mean, with its interval."""
    sign, word = (metric.sign, "gain") if gain else (-metric.sign, "loss")
    known = [(sign * each.mean, place) for place, each in compared.items() if each is not None]
    largest, place = max(known, default=(0.0, ("", "")))
    found = compared.get(place)
    if largest <= 0 or found is None:
        return f"no optimizer has a {word} by its mean"
    certain = "" if found.is_significant else ", not significant"
    return f"the largest mean {word} is that of {place[1]} with {place[0]}, {gap_text(found, metric)}{certain}"


def _firsts(
    grid: Mapping[Place, Cell], columns: Sequence[str], compared: Compared, metric: ObjectiveMetric
) -> list[str]:
    """Name each optimizer's first schedule, and those significantly different from a constant rate."""
    told = []
    for column in columns:
        own = [cell for (_, name), cell in grid.items() if name == column]
        best = best_first(own, metric, by=lambda cell: cell.mean)[0]
        judged = {row: greater(each, sign=metric.sign) for (row, name), each in compared.items() if name == column}
        better, worse = (
            ", ".join(row for row, verdict in judged.items() if verdict is word) or "none"
            for word in (ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED)
        )
        told.append(
            f"{column}: {best.place[0]} is first by its mean with {mean_text(best, metric)}; significantly better "
            f"than constant: {better}; significantly worse: {worse}."
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
    compared: Compared,
    metric: ObjectiveMetric,
) -> Table:
    entries = by_study(material)
    found = []
    for column in columns:
        for row in rows:
            if (row, column) not in grid:
                continue
            cell = grid[row, column]
            gap = compared.get((row, column))
            against = "-" if gap is None else gap_text(gap, metric)
            rate = rate_text(entries[cell.study.record.name])
            found.append((f"{column}, {row}", mean_text(cell, metric), against, rate))
    return Table(
        caption="Each pair at its best rate. Intervals of differences hold for all of them together (Holm).",
        header=(
            "optimizer, schedule",
            f"test {metric.spoken} [95 % interval]",
            "against constant",
            "rate",
        ),
        rows=tuple(found),
    )
