"""S3: a forecaster under every pair of an output activation and an optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.datasets import Dataset, sunspots
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import against_constant
from study.gallery.analysis.grid import (
    Cell,
    Floats,
    Place,
    best_first,
    cells,
    gap_text,
    gaps,
    mean_text,
    n_pairs_of,
    ordered,
    score_map,
)
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater, in_short
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked
from study.report.objective_metric import ObjectiveMetric

ABOUT = About(
    title="Eleven output activations times seven optimizers around one LSTM",
    question="Does the pair of output activation and optimizer matter for a forecaster, and which pair is best?",
    source="A published grid of 77 cells around one LSTM (window 20, 32 units, dropout keeping 0.8, 100 epochs, "
    "batches of 128), one seed a cell.",
    claim="PReLU with RMSprop is the best pair.",
    traps=(
        "77 cells from one seed: the best of so many noisy numbers is as much the luckiest as the best. Here every "
        "cell has several seeds, shared by all cells, and differences are corrected for their number.",
        "Softmax over a single output is 1 whatever the weights, so nothing is learned in that row.",
        "PReLU is a layer with a weight of its own in Keras, not a function that is named.",
        "The source forecast the series that it had trained on. Here the last years are the test split, and the scale "
        "is that of the training years alone, so a later record lies above 1, which sigmoid, tanh, softsign and "
        "softmax cannot reach.",
        "One rate for all, or Keras's defaults as here, ranks rates: Adadelta, Adagrad and Ftrl at 0.001 hardly move "
        "in 200 steps. setting=tuned searches the rate of each cell.",
        "The training years make 231 windows, so an epoch is two batches, and 100 epochs are 200 steps, which may "
        "be too few for the errors to have settled.",
        "A forecaster is to beat persistence, the forecast that next year is as this one.",
    ),
)

_ACTIVATIONS = (
    *("linear", "tanh", "sigmoid", "softmax", "softplus", "softsign"),
    *("relu", "relu6", "leaky_relu", "prelu", "elu"),
)
_OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam", "ftrl")
_CLAIMED: Place = ("prelu", "rmsprop")
# Rounding of float32, in errors.
_SAME = 1e-5
SMALLEST = ("optimizer=rmsprop", "model.activation=linear,prelu")


def show(material: Material) -> PageContents:
    """Return the grid, the best pair and the claimed one, and the error of a forecast without a network.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    grid = cells(material, row=lambda config: str(config["model"]["activation"]))
    rows = ordered((row for row, _ in grid), _ACTIVATIONS)
    columns = ordered((column for _, column in grid), _OPTIMIZERS)
    dataset, scale = _data(next(iter(material.configs.values())))
    baseline = _error(sunspots.persistence(dataset.test), dataset, metric)
    picture = score_map(grid, rows, columns, metric, number="{:.3f}")
    n_seeds = max(len(cell.scores) for cell in grid.values())
    caption = (
        f"Test {metric.spoken} of every pair: mean and standard deviation over {n_seeds} seeds. Persistence has "
        f"{baseline:.3f}. One is {scale:.0f} sunspots, the range of the training years; the frame marks the smallest."
    )
    chosen = [_best_of(grid, column, metric) for column in columns]
    findings = (
        *_claim(grid, metric),
        *_best(grid, metric, baseline=baseline, scale=scale),
        *_luck(grid, metric),
        *_softmax(grid, dataset, metric),
        *_beaten(grid, columns, metric, baseline=baseline),
    )
    return PageContents(
        pictures=(
            Picture(name="grid", caption=caption, data=picture, suffix="svg"),
            _training(material, chosen, metric),
        ),
        tables=(_table(chosen, metric, baseline=baseline), _seeds_table(grid, metric)),
        findings=findings,
        headline=f"The claimed pair, {in_short(findings[0], capital=False).replace(' is number', ', is number', 1)}",
    )


def _data(config: Mapping[str, Any]) -> tuple[Dataset, float]:
    """Return the data of a config, and the number of sunspots in one unit of its scale."""
    arguments = {key: config["dataset"][key] for key in ("window", "n_validation", "n_test")}
    values = sunspots.series()
    n_seen = len(values) - arguments["n_validation"] - arguments["n_test"]
    return sunspots.load(**arguments), float(np.ptp(values[:n_seen]))


def _error(forecast: Any, dataset: Dataset, metric: ObjectiveMetric) -> float:
    """Return the test error of a forecast: the mean absolute error, or the mean square if that is the metric."""
    errors = np.asarray(forecast, dtype=np.float64) - dataset.test.y
    return float(np.mean(np.square(errors) if metric.training == "loss" else np.abs(errors)))


def _best_of(grid: Mapping[Place, Cell], column: str, metric: ObjectiveMetric) -> Cell:
    """Return an optimizer's best cell on the validation years."""
    return best_first(
        [cell for (_, own), cell in grid.items() if own == column], metric, by=lambda cell: cell.validation
    )[0]


def _best(grid: Mapping[Place, Cell], metric: ObjectiveMetric, *, baseline: float, scale: float) -> tuple[str, ...]:
    best = best_first(grid.values(), metric, by=lambda cell: cell.validation)[0]
    if not best.is_finite:
        return ("Every pair diverged.",)
    error = f", {best.mean * scale:.1f} sunspots" if metric.training == "mae" else ""
    apart = against_constant(list(best.values), baseline, bounds=metric.value_bounds)
    beats = {
        ClaimVerdict.HELD: "better than",
        ClaimVerdict.CONTRADICTED: "worse than",
        ClaimVerdict.NOT_SHOWN: "not shown to differ from",
        ClaimVerdict.INCONCLUSIVE: "on too few seeds for an interval; not compared with",
    }[greater(apart, sign=metric.sign)]
    return (
        f"Chosen by the validation years, the best pair is {_spoken(best.place)}: test {metric.spoken} "
        f"{mean_text(best, metric)}{error}, {beats} persistence with {baseline:.3g}.",
        _alike(best, grid),
    )


def _alike(best: Cell, grid: Mapping[Place, Cell]) -> str:
    """Say how many pairs can be compared with the best, and how many of them do not differ significantly."""
    others = gaps(best, grid.values(), chosen=True)
    if not others:
        return "No other pair can be compared with it: fewer than three shared seeds trained."
    untold = sum(not gap.is_told for gap in others.values())
    return (
        f"Of {len(grid) - 1} other pairs, {len(others)} can be compared with {_spoken(best.place)}"
        f"{_left_out(len(grid) - 1 - len(others))}; of these, {untold} do not differ significantly from it (paired t "
        f"intervals, corrected for all {n_pairs_of(len(others) + 1)} pairs of the {len(others) + 1})."
    )


def _left_out(n: int) -> str:
    return f" ({n} diverged or share fewer than three seeds with it)" if n else ""


def _claim(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> tuple[str, ...]:
    """Judge the claimed pair against each of the others by Holm's intervals; it was not chosen by these results."""
    claimed = grid[_CLAIMED]
    by_mean = best_first(grid.values(), metric, by=lambda cell: cell.mean)
    told = (
        f"{_spoken(_CLAIMED)} is number {1 + [cell.place for cell in by_mean].index(_CLAIMED)} of {len(grid)} by mean "
        f"test {metric.spoken}"
    )
    others = gaps(claimed, grid.values())
    if not others:
        why = "fewer than three shared seeds trained" if claimed.is_finite else f"{_spoken(_CLAIMED)} diverged"
        return (f"{ClaimVerdict.INCONCLUSIVE}: {told}, and no other pair can be compared with it ({why}).",)
    # The others are to be worse. Those that diverged are, but one with too few seeds may not be.
    judged = [greater(gap, sign=-metric.sign) for gap in others.values()]
    open_ones = sum(cell.is_finite and cell.place not in {_CLAIMED, *others} for cell in grid.values())
    verdict = all_of([*judged, *[ClaimVerdict.INCONCLUSIVE] * open_ones])
    worse, better = (judged.count(word) for word in (ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED))
    rival = next(cell for cell in by_mean if cell.place in others)
    return (
        f"{verdict}: {told}. Against it, {_spoken(rival.place)} has {gap_text(others[rival.place], metric)}. Of "
        f"{len(grid) - 1} other pairs, {len(others)} can be compared with it{_left_out(len(grid) - 1 - len(others))}: "
        f"{worse} are significantly worse, {better} significantly better (paired t intervals, Holm over "
        f"{len(others)}).",
    )


def _by_seed(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> list[tuple[int, Place, int]]:
    """Return for each seed the repetition, the best pair under this seed alone, and the claimed pair's place."""
    found = []
    for seed in sorted(set.intersection(*(set(cell.scores) for cell in grid.values()))):
        order = sorted(grid, key=lambda place: (-metric.sign * grid[place].scores[seed], place))
        found.append((seed[0], order[0], 1 + order.index(_CLAIMED)))
    return found


def _luck(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> tuple[str, ...]:
    seeds = _by_seed(grid, metric)
    if len(seeds) < 2:
        return ("One seed shows nothing of luck: confirm on more (budget.n_confirmations).",)
    winners = Counter(place for _, place, _ in seeds)
    places = [place for _, _, place in seeds]
    return (
        f"From one seed at a time, {len(winners)} different pairs would have been called the best in {len(seeds)} "
        f"seeds, and {_spoken(_CLAIMED)} would have been number {min(places)} to {max(places)}.",
    )


def _softmax(grid: Mapping[Place, Cell], dataset: Dataset, metric: ObjectiveMetric) -> tuple[str, ...]:
    row = [cell for (name, _), cell in grid.items() if name == "softmax" and cell.is_finite]
    if not row:
        return ()
    constant = _error(np.ones_like(dataset.test.y), dataset, metric)
    off = max(float(np.max(np.abs(cell.values - constant))) for cell in row)
    same = off < _SAME
    told = f"A forecast of 1 for every year has a test {metric.spoken} of {constant:.3f}, and all {len(row)} cells of "
    return (
        f"{told}softmax have that to within {_SAME:g}: a softmax over one output learns nothing."
        if same
        else f"{told}softmax are within {off:.2g} of that.",
    )


def _beaten(
    grid: Mapping[Place, Cell], columns: list[str], metric: ObjectiveMetric, *, baseline: float
) -> tuple[str, ...]:
    """Count the pairs that are shown to be better or worse than persistence, by intervals that hold together."""
    judged = {
        place: greater(
            against_constant(list(cell.values), baseline, n_comparisons=len(grid), bounds=metric.value_bounds),
            sign=metric.sign,
        )
        for place, cell in grid.items()
    }
    counts = Counter(judged.values())
    never = [c for c in columns if not any(own == c and judged[row, own] is ClaimVerdict.HELD for row, own in grid)]
    shown = f"; with {', '.join(never)} no activation is shown to be better" if never else ""
    return (
        f"Of {len(grid)} pairs, {counts[ClaimVerdict.HELD]} are shown to forecast better than persistence, "
        f"{counts[ClaimVerdict.CONTRADICTED]} worse, {counts[ClaimVerdict.NOT_SHOWN]} neither, and "
        f"{counts[ClaimVerdict.INCONCLUSIVE]} "
        f"diverged or have fewer than three seeds (t intervals, corrected for all {len(grid)}){shown}.",
    )


def _table(chosen: list[Cell], metric: ObjectiveMetric, *, baseline: float) -> Table:
    rows = [
        (
            cell.place[1],
            cell.place[0],
            mean_text(cell, metric),
            metric.change(cell.mean - baseline) if cell.is_finite else "-",
        )
        for cell in best_first(chosen, metric, by=lambda cell: cell.mean)
    ]
    return Table(
        caption="The best activation of each optimizer, chosen by the validation years, on the test years.",
        header=("optimizer", "activation", f"test {metric.spoken} [95 % interval]", "against persistence"),
        rows=tuple(rows),
    )


def _seeds_table(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> Table:
    rows = [(str(number), _spoken(place), str(claimed)) for number, place, claimed in _by_seed(grid, metric)]
    return Table(
        caption="What a single seed would have said.",
        header=("seed", "the best pair", f"place of {_spoken(_CLAIMED)}"),
        rows=tuple(rows),
    )


def _training(material: Material, chosen: list[Cell], metric: ObjectiveMetric) -> Picture:
    """Draw the validation error over the epochs, one line for each optimizer."""
    curves = []
    for cell in chosen:
        values: Floats = stacked([material.history(run, metric.name) for run in cell.study.tuned])
        if values.size:
            curves.append(Curve(label=f"{cell.place[1]}-{cell.place[0]}", values=values))
    name = f"validation {metric.spoken}"
    return Picture(
        name="training",
        caption=f"The best activation of each optimizer: {name} over the epochs, median and quartiles over seeds.",
        data=loss_curves(curves, y=name),
        suffix="svg",
    )


def _spoken(place: Place) -> str:
    return f"{place[0]} with {place[1]}"
