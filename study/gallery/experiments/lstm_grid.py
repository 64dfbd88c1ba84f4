"""S3: a forecaster under every pair of an output activation and an optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.datasets import Dataset, sunspots
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.grid import (
    Cell,
    Floats,
    Place,
    best_first,
    cells,
    gap_text,
    gaps,
    mean_text,
    ordered,
    score_map,
)
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
    better = "better" if best.mean < baseline else "worse"
    error = f", {best.mean * scale:.1f} sunspots" if metric.training == "mae" else ""
    return (
        f"Chosen by the validation years, the best pair is {_spoken(best.place)}: test {metric.spoken} "
        f"{mean_text(best, metric)}{error}, {better} than persistence with {baseline:.3g}.",
        _alike(best, grid),
    )


def _alike(best: Cell, grid: Mapping[Place, Cell]) -> str:
    """Return a sentence on the pairs without a significant difference from the best one."""
    others = gaps(best, grid.values(), chosen=True)
    if not others:
        return "One seed tells no pair from another."
    untold = sum(not gap.is_told for gap in others.values())
    return (
        f"Of {len(others)} other pairs, {untold} are not told from {_spoken(best.place)} by their seeds (paired t "
        "intervals, corrected for all pairs)."
    )


def _claim(grid: Mapping[Place, Cell], metric: ObjectiveMetric) -> tuple[str, ...]:
    claimed = grid[_CLAIMED]
    by_mean = best_first(grid.values(), metric, by=lambda cell: cell.mean)
    place = 1 + [cell.place for cell in by_mean].index(_CLAIMED)
    told = f"{_spoken(_CLAIMED)} is number {place} of {len(grid)} by mean test {metric.spoken}"
    if place == 1:
        others = gaps(claimed, grid.values())
        untold = sum(not gap.is_told for gap in others.values())
        if others and not untold:
            return (f"{told}, and told from all {len(others)} others: the claim holds.",)
        from_whom = f"{untold} pairs are not told from it" if others else "one seed tells nothing"
        return (f"{told}, but {from_whom}: the claim is not shown.",)
    best = by_mean[0]
    gap = gaps(best, grid.values(), chosen=True).get(_CLAIMED)
    if gap is None:
        verdict = (
            "is not shown: too few seeds to be compared" if claimed.is_finite else "does not hold here: it diverged"
        )
        return (f"{told}; {_spoken(best.place)} is first. The claim {verdict}.",)
    verdict = (
        "does not hold here" if gap.is_told else "is not shown, and not refuted: its seeds do not tell the two apart"
    )
    return (
        f"{told}, {gap_text(gap, metric)} from the first, {_spoken(best.place)} (corrected for all "
        f"pairs). The claim {verdict}.",
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
    row = [cell for (name, _), cell in grid.items() if name == "softmax"]
    if not row:
        return ()
    constant = _error(np.ones_like(dataset.test.y), dataset, metric)
    off = max(float(np.max(np.abs(cell.values - constant))) for cell in row)
    same = "exactly that" if off < 1e-5 else f"within {off:.2g} of that"
    return (
        f"A forecast of 1 for every year has a test {metric.spoken} of {constant:.3f}, and all {len(row)} cells of "
        f"softmax have {same}: a softmax over one output learns nothing.",
    )


def _beaten(
    grid: Mapping[Place, Cell], columns: list[str], metric: ObjectiveMetric, *, baseline: float
) -> tuple[str, ...]:
    worse = [place for place, cell in grid.items() if not metric.sign * cell.mean > metric.sign * baseline]
    counts = Counter(column for _, column in worse)
    never = [column for column in columns if counts[column] == sum(own == column for _, own in grid)]
    told = f"{len(worse)} of {len(grid)} pairs forecast no better than persistence"
    return (f"{told}; with {', '.join(never)} no activation did." if never else f"{told}.",)


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
