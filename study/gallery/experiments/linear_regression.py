"""S6: SGD and Adam on a line: the loss of every step, and the fitted lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from study.config.instantiate import instantiate
from study.datasets import Dataset
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import against_constant
from study.gallery.analysis.rankings import by_setting, changes, ranking, rankings_table
from study.gallery.analysis.run_scores import last_values, seed_of
from study.gallery.analysis.verdicts import ClaimVerdict, greater
from study.gallery.figures.drawing import GROUND, INK, legend, new_figure, tidy, to_svg
from study.gallery.figures.loss_curves import step_losses
from study.report.figures.style import styles
from study.report.studies import Entry

ABOUT = About(
    title="SGD and Adam on a line",
    question="How do SGD and Adam come to the line y = w x + b, and which of them is there first?",
    source="Lectures that show both on this problem: rate 0.01, Adam with 0.9, 0.999 and 1e-8.",
    claim="Adam is ahead of SGD at the same rate.",
    traps=(
        "At the start a step of Adam is about as long as its rate whatever the gradient, so over a distance of 2 a "
        "rate of 0.01 needs some 200 steps; a step of SGD is as long as the rate times the gradient. At one rate the "
        "scale of the problem separates the two, and not the rule.",
        "The best line is known here by least squares, so a loss can be held against the least that is possible.",
    ),
)
SMALLEST = ("setting=published",)

_WINDOW = 5
_COLUMNS = ("slope", "intercept")


def show(material: Material) -> PageContents:
    """Return the loss of every step, the fitted lines, and their distances from the line of least squares.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    entries = by_setting(material)
    rankings = [ranking(setting, own, metric) for setting, own in entries.items()]
    dataset = _dataset(material)
    best = _least_squares(dataset)
    headline, *findings = _claim(material, entries)
    if {"published", "tuned"} <= set(entries):
        by_name = {each.setting: each for each in rankings}
        findings += changes(by_name["published"], by_name["tuned"], metric)
    return PageContents(
        pictures=(
            *(
                step_losses(
                    material, own, name=f"loss-{setting}", told=f"{setting} rates", title=setting, window=_WINDOW
                )
                for setting, own in entries.items()
            ),
            *(_fit(dataset, setting, own, best) for setting, own in entries.items()),
        ),
        tables=(rankings_table(rankings, entries, metric), _lines_table(dataset, entries, best)),
        findings=(*findings, *_nearest(dataset, entries, best)),
        headline=headline,
    )


def _dataset(material: Material) -> Dataset:
    config = next(iter(material.configs.values()))
    dataset: Dataset = instantiate({k: v for k, v in config["dataset"].items() if k not in ("name", "task")})
    return dataset


def _least_squares(dataset: Dataset) -> tuple[float, float]:
    """Return slope and intercept of the line of least squares through the training points."""
    x, y = (array.astype(np.float64).reshape(-1) for array in (dataset.train.x, dataset.train.y))
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def _lines(dataset: Dataset, entry: Entry) -> np.ndarray:
    """Return slope and intercept at the end of each run, shape (n_runs, 2).

    Validation inputs have mean 0. So the outputs' mean is the intercept, and their spread is the slope times the
    spread of
    x.
    """
    spread = float(np.std(dataset.validation.x.astype(np.float64)))
    metrics = ("val_output_spread", "val_output_mean")
    values = [last_values(entry.tuned, metric) for metric in metrics]
    n = min(map(len, values))
    return np.column_stack([values[0][:n] / spread, values[1][:n]])


def _fit(dataset: Dataset, setting: str, own: Mapping[str, Entry], best: tuple[float, float]) -> Picture:
    """Draw the points, the line of least squares and the fitted lines."""
    figure = new_figure(height=3.6)
    axes: Any = figure.add_subplot()
    x, y = dataset.train.x.reshape(-1), dataset.train.y.reshape(-1)
    axes.plot(x, y, ".", color=GROUND, ms=2.5, label="training points")
    ends = np.array([-1.0, 1.0])
    axes.plot(ends, best[0] * ends + best[1], color=INK, lw=1.4, ls=":", label="least squares")
    for (optimizer, entry), style in zip(own.items(), styles(list(own)), strict=True):
        for index, (slope, intercept) in enumerate(_lines(dataset, entry)):
            label = optimizer if index == 0 else None
            axes.plot(ends, slope * ends + intercept, color=style.color, lw=1.2, alpha=0.7, label=label)
    tidy(axes, x="x", y="y")
    legend(figure, axes, title=setting)
    caption = f"{setting.capitalize()}: the line of each seed after the last epoch, and that of least squares."
    return Picture(name=f"line-{setting}", caption=caption, data=to_svg(figure), suffix="svg")


def _lines_table(dataset: Dataset, entries: Mapping[str, Mapping[str, Entry]], best: tuple[float, float]) -> Table:
    rows = [("least squares", "", *(f"{value:.4f}" for value in best))]
    for setting, own in entries.items():
        for optimizer, entry in own.items():
            found = _lines(dataset, entry)
            rows.append((optimizer, setting, *(_with_spread(column) for column in found.T)))
    caption = "The lines after the last epoch: mean and standard deviation over seeds."
    return Table(caption=caption, header=("line", "rates", *_COLUMNS), rows=tuple(rows))


def _with_spread(values: np.ndarray) -> str:
    """Return mean and standard deviation over seeds; one seed has no deviation."""
    if not values.size:
        return "none"
    return f"{values.mean():.4f}" + (f" ± {values.std(ddof=1):.4f}" if values.size > 1 else "")


def _claim(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """Return a headline, and the verdicts that Adam is ahead at the published rates: in each half of the steps.

    Each half has a verdict of its own. The intervals of both hold together.
    """
    own = entries.get("published", {})
    if not {"sgd", "adam"} <= set(own):
        return ["", f"{ClaimVerdict.INCONCLUSIVE} at the published rates: SGD and Adam did not both run."]
    losses = {
        name: {seed_of(run): material.history(run, "step_loss") for run in own[name].tuned} for name in ("sgd", "adam")
    }
    seeds = sorted(set(losses["sgd"]) & set(losses["adam"]))
    n = min((len(losses[name][seed]) for name in losses for seed in seeds), default=0)
    if n < 2:
        return ["", f"{ClaimVerdict.INCONCLUSIVE} at the published rates: no losses of both were recorded."]
    told, judged = [], []
    for half, part in (("first", slice(0, n // 2)), ("last", slice(n // 2, n))):
        shares = [float(np.mean(losses["adam"][seed][part] < losses["sgd"][seed][part])) for seed in seeds]
        found = against_constant(shares, 0.5, n_comparisons=2, step=2 / n, bounds=(0.0, 1.0))
        share = f"{100 * float(np.mean(shares)):.0f}"
        span = f" [{100 * (found.low + 0.5):.0f} to {100 * (found.high + 0.5):.0f}]" if found else ""
        told.append(f"{share} % of the {half} half")
        judged.append(f"{greater(found)} for the {half} half of the steps: {share}{span} %.")
    return [
        f"Of {n} steps, Adam's loss is the lower one in {' and in '.join(told)}.",
        f"{' '.join(judged)} These are the shares of {n} steps at the published rates in which Adam's loss is the "
        "lower one; ahead is more than half (means over seeds, t intervals corrected for both halves).",
    ]


def _nearest(
    dataset: Dataset, entries: Mapping[str, Mapping[str, Entry]], best: tuple[float, float]
) -> tuple[str, ...]:
    """Return sentences on the distances of the lines from the line of least squares."""
    told = []
    for setting, own in entries.items():
        for optimizer, entry in own.items():
            found = _lines(dataset, entry)
            if len(found):
                away = float(np.median(np.hypot(*(found - np.array(best)).T)))
                told.append(f"{optimizer} {away:.2g} ({setting})")
    return (f"Distance of slope and intercept from least squares, median over seeds: {', '.join(told)}.",)
