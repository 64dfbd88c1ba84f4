"""S15: optimizers on documents in which one rare word decides."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis import run_scores as _run_scores
from study.gallery.analysis.grid import Cell, Gap, Place, best_first, cells, gap_text, mean_text, ordered, pair_gaps
from study.gallery.analysis.rankings import by_study, rate_text
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked
from study.report.objective_metric import ObjectiveMetric

ABOUT = About(
    title="Sparse words",
    question="Are adaptive optimizers better where features are sparse, and rare ones tell most?",
    source="J. Duchi, E. Hazan and Y. Singer, Adaptive Subgradient Methods, JMLR 12, 2011; S. Ruder, An overview of "
    "gradient descent optimization algorithms, 2016.",
    claim="For sparse data use an adaptive optimizer; Adagrad suits it best.",
    traps=(
        "At one small rate SGD hardly moves the vectors of rare words, and looks hopeless. So it is shown tuned as "
        "well, where its rate is bounded by the common words, whose vectors move in every step.",
        "Accuracy on all words is that of the frequent ones. Validation and test hold words here that decide only a "
        "few training documents.",
        "Keras computes the gradient of an embedding as if it were dense: momentum, and the moments of Adam and "
        "RMSprop, go on moving the words that a batch does not hold.",
    ),
)

_OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
_ADAPTIVE = ("adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam", "amsgrad", "adamw")


def show(material: Material) -> PageContents:
    """Return the accuracy on rare words of each optimizer, untuned and tuned, with the accuracy on all training words.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    grid = {place[1]: cell for place, cell in cells(material, row=lambda _: "").items()}
    names = ordered(grid, _OPTIMIZERS)
    curves = []
    for name in names:
        values = stacked([material.history(run, metric.name) for run in grid[name].study.tuned])
        if values.size:
            curves.append(Curve(label=name, values=values))
    picture = Picture(
        name="rare_words",
        caption=f"Validation {metric.spoken}, on rare words, over the epochs: the tuned optimizers, median and "
        "quartiles over seeds.",
        data=loss_curves(curves, y=f"{metric.spoken} on rare words", log=False),
        suffix="svg",
    )
    return PageContents(
        pictures=(picture,),
        tables=(_table(material, grid, names, metric),),
        findings=(*_tuned(grid, metric), *_untuned(grid, names, metric)),
        headline=_headline(best_first(grid.values(), metric, by=lambda cell: cell.mean), metric),
    )


def _untuned(grid: Mapping[str, Cell], names: list[str], metric: ObjectiveMetric) -> tuple[str, ...]:
    means = {name: float(np.mean(values)) for name in names if len(values := _default_scores(grid[name], metric))}
    if not means:
        return ()
    ranked = sorted(means, key=lambda name: -metric.sign * means[name])
    listed = ", ".join(f"{name} {metric.text(means[name])}" for name in ranked)
    return (f"Untuned, at Keras's defaults, on rare words, by their means: {listed}.",)


def _tuned(grid: Mapping[str, Cell], metric: ObjectiveMetric) -> tuple[str, ...]:
    ranked = best_first(grid.values(), metric, by=lambda cell: cell.mean)
    best = ranked[0]
    if not best.is_finite:
        return (f"{ClaimVerdict.INCONCLUSIVE}: every optimizer diverged.",)
    listed = ", ".join(f"{cell.place[1]} {metric.text(cell.mean)}" for cell in ranked if cell.is_finite)
    return (_claims(best, ranked, metric), f"Tuned, on rare words, by their means: {listed}.")


def _claims(best: Cell, ranked: list[Cell], metric: ObjectiveMetric) -> str:
    """Judge that the best adaptive optimizer beats the best of the others, and that Adagrad beats all."""
    told = []
    # Both claims draw on one family, all pairs: the first of each kind is chosen by these results, and a difference
    # that both claims need has one interval.
    apart = pair_gaps(ranked, metric=metric)
    firsts = _first_of_each_kind(ranked)
    if firsts[0] is not None and firsts[1] is not None:
        adaptive, other = firsts[0], firsts[1]
        gap = apart.get((adaptive.place, other.place))
        shown = (
            "cannot be compared (diverged, or fewer than three shared seeds)" if gap is None else gap_text(gap, metric)
        )
        told.append(
            f"{greater(gap, sign=metric.sign)}, that adaptive optimizers are better on sparse data, for these tuned "
            f"configurations: the first of them, {adaptive.place[1]}, minus the first of the others, "
            f"{other.place[1]}: {shown}."
        )
    adagrad = next((cell for cell in ranked if cell.place[1] == "adagrad"), None)
    if adagrad is not None:
        told.append(_suits(adagrad, best, ranked, apart, metric))
    if apart:
        n_pairs = len(apart) // 2
        told.append(
            f"Differences of test {metric.spoken}, paired t intervals; all intervals hold together for the {n_pairs} "
            "pairs of these optimizers (Bonferroni)."
        )
    return " ".join(told) or f"{ClaimVerdict.INCONCLUSIVE}: no two kinds of optimizers ran."


def _first_of_each_kind(ranked: list[Cell]) -> tuple[Cell | None, Cell | None]:
    """Return the first adaptive optimizer, and the first of the others."""
    adaptive = next((cell for cell in ranked if cell.place[1] in _ADAPTIVE), None)
    return adaptive, next((cell for cell in ranked if cell.place[1] not in _ADAPTIVE), None)


def _headline(ranked: list[Cell], metric: ObjectiveMetric) -> str:
    """Compare the means of the first adaptive optimizer and of the first of the others."""
    adaptive, other = _first_of_each_kind(ranked)
    if adaptive is None or other is None or not (adaptive.is_finite and other.is_finite):
        return ""
    means = [f"{cell.place[1]} {metric.text(cell.mean)}" for cell in (adaptive, other)]
    return f"Tuned, on rare words: {means[0]}, the first of the adaptive ones; {means[1]}, the first of the others."


def _suits(
    adagrad: Cell,
    best: Cell,
    ranked: list[Cell],
    apart: Mapping[tuple[Place, Place], Gap],
    metric: ObjectiveMetric,
) -> str:
    """Judge that Adagrad is better than every other."""
    others = [cell for cell in ranked if cell is not adagrad]
    found = {cell.place[1]: apart.get((adagrad.place, cell.place)) for cell in others}
    judged = [greater(gap, sign=metric.sign) for gap in found.values()]
    parts = [f"{name} {gap_text(gap, metric)}" for name, gap in found.items() if gap is not None]
    against = f"adagrad minus the others: {', '.join(parts)}" if parts else "no other can be compared with it"
    return f"{all_of(judged)}, that Adagrad suits it best: the first by its mean is {best.place[1]}; {against}."


def _default_scores(cell: Cell, metric: ObjectiveMetric) -> list[float]:
    """Return the test scores of the untuned optimizer."""
    return [value for run in cell.study.untuned if (value := metric.confirmed_score(run)) is not None]


def _table(material: Material, grid: Mapping[str, Cell], names: list[str], metric: ObjectiveMetric) -> Table:
    entries = by_study(material)
    rows = []
    for name in names:
        cell = grid[name]
        values = _default_scores(cell, metric)
        finite = bool(values) and all(map(math.isfinite, values))
        trained = [
            float(history[-1]) for run in cell.study.tuned if len(history := material.history(run, metric.training))
        ]
        rows.append(
            (
                name,
                _run_scores.mean_text(np.array(values), metric) if finite else "-",
                mean_text(cell, metric),
                metric.text(float(np.mean(trained))) if trained else "-",
                rate_text(entries[cell.study.record.name]),
            )
        )
    return Table(
        caption=f"{metric.spoken.capitalize()} on documents that a rare word decides, and on the training documents.",
        header=("optimizer", "untuned [95 % interval]", "tuned [95 % interval]", "tuned, training", "rate"),
        rows=tuple(rows),
    )
