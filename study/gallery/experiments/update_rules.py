"""S5: ten update rules in NumPy and in Keras, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.verdicts import fact, in_short
from study.gallery.figures.drawing import INK, SMALL_LETTERS, log_axis, new_figure, tidy, to_svg
from study.gallery.figures.loss_curves import smoothed, stacked
from study.optimizers.reference.keras_differences import KERAS_DIFFERENCES, NOWHERE, KerasDifference
from study.report.figures.style import styles
from study.report.studies import Entry

Floats = NDArray[np.float64]

ABOUT = About(
    title="Ten update rules, in NumPy and in Keras",
    question="Do ten update rules, written out in NumPy from their definitions, train as Keras's optimizers of the "
    "same name do?",
    source="The rules' papers, each named with its equation in study/optimizers/reference; overviews put them into "
    "one frame: gradient, first and second moment, step.",
    claim="All of them are one scheme with other moments, a few lines of code each, and libraries compute the same.",
    traps=(
        "Keras's rules are not always the papers': where is in the second table, by how much in docs/update_rules.md. "
        "NumPy computes Keras's here, so that the two agree says nothing about the paper.",
        "Both must begin with the same weights and see the same batches: two backends draw other weights from one "
        "seed.",
        "Keras computes in float32 here, NumPy in float64: the last digits differ from the first step on, and more "
        "of them with every step. Tests hold the rules together in float64, over the same gradients.",
    ),
)
# Two studies of each rule: the page compares them.
SMALLEST = ("optimizer=sgd,adam",)
_OURS, _COLUMNS = "numpy", 3
# Largest relative difference of equal losses: rounding in float32 and in float64 over some hundred steps.
_EQUAL = 1e-3


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """One rule, trained twice.

    Attributes:
        name: Name of the optimizer.
        library: Training losses by Keras, shape (n_runs, n_points).
        ours: Training losses in NumPy, shape (n_runs, n_points).
        tested: Mean test scores by Keras and in NumPy.
    """

    name: str
    library: Floats
    ours: Floats
    tested: tuple[float, float]

    @property
    def difference(self) -> float:
        """The largest difference of two losses, over the loss; infinite where only one is finite, NaN without any."""
        if not (self.library.size and self.ours.size):
            return float("nan")
        if self.library.shape != self.ours.shape or np.any(np.isfinite(self.library) != np.isfinite(self.ours)):
            return float("inf")
        apart = np.abs(self.library - self.ours) / np.maximum(np.abs(self.library), 1e-12)
        return float(np.nanmax(apart, initial=0.0))


def show(material: Material) -> PageContents:
    """Return the losses of NumPy and Keras side by side, their differences, and the verdict on their equality.

    Args:
        material: The data of the page.
    """
    pairs = _pairs(material)
    metric = material.experiment.metric
    pictures = (
        Picture(
            name="side-by-side",
            caption="Training loss by step of the first seed, smoothed over nine batches: a broad line by Keras, a "
            "dashed one in NumPy on top of it.",
            data=_side_by_side(pairs),
            suffix="svg",
        ),
    )
    rows = tuple(
        (pair.name, *(metric.text(score) for score in pair.tested), f"{pair.difference:.1e}") for pair in pairs
    )
    table = Table(
        caption=f"Test {metric.spoken}, and the largest difference between the two losses of one step, relative to "
        "the loss.",
        header=("rule", "Keras", "NumPy", "largest difference"),
        rows=rows,
    )
    beside = _beside_papers(pairs)
    findings = _findings(pairs, beside)
    return PageContents(
        pictures=pictures,
        tables=(table, _differences_table(beside)),
        findings=findings,
        headline=in_short(findings[0]),
    )


def _beside_papers(pairs: Sequence[_Pair]) -> dict[str, KerasDifference]:
    """Return the known difference of each trained rule from its paper, by the optimizer's name."""
    trained = {pair.name for pair in pairs}
    return {name: difference for difference in KERAS_DIFFERENCES if (name := difference.name.lower()) in trained}


def _differences_table(beside: Mapping[str, KerasDifference]) -> Table:
    return Table(
        caption="Where Keras's rule is another than the paper's, and what that makes of a training.",
        header=("rule", "paper", "where Keras departs", "effect"),
        rows=tuple((name, each.source, each.where, each.effect) for name, each in beside.items()),
    )


def _pairs(material: Material) -> list[_Pair]:
    entries: dict[str, dict[str, Entry]] = {}
    for entry in material.experiment.entries:
        trainer = material.configs[entry.studies[0].record.name]["trainer"]["name"]
        entries.setdefault(entry.optimizer, {})[str(trainer)] = entry
    pairs = []
    for name, by_trainer in entries.items():
        others = [trainer for trainer in by_trainer if trainer != _OURS]
        if _OURS in by_trainer and others:
            theirs, ours = by_trainer[others[0]], by_trainer[_OURS]
            scores = (_score(material, theirs), _score(material, ours))
            pairs.append(
                _Pair(name=name, library=_losses(material, theirs), ours=_losses(material, ours), tested=scores)
            )
    return pairs


def _losses(material: Material, entry: Entry) -> Floats:
    return stacked([material.history(run, "step_loss") for run in entry.tuned])


def _score(material: Material, entry: Entry) -> float:
    scores = [value for run in entry.tuned if (value := material.experiment.metric.confirmed_score(run)) is not None]
    return float(np.mean(scores)) if scores else float("nan")


def _side_by_side(pairs: Sequence[_Pair]) -> bytes:
    n_rows = -(-len(pairs) // _COLUMNS)
    figure = new_figure(height=0.6 + 1.7 * n_rows)
    grid = figure.subplots(n_rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(pairs):
            axes.set_visible(False)
            continue
        pair = pairs[index]
        color = styles([pair.name])[0].color
        axes.plot(smoothed(pair.library[0], 9), color=color, lw=4, alpha=0.35)
        axes.plot(smoothed(pair.ours[0], 9), color=INK, lw=1.2, ls="--")
        is_last = index + _COLUMNS >= len(pairs)
        tidy(axes, title=pair.name, x="step" if is_last else "", y="loss" if index % _COLUMNS == 0 else "")
        axes.xaxis.set_tick_params(labelbottom=is_last)
        axes.yaxis.set_tick_params(which="both", labelsize=SMALL_LETTERS)
    known = [axes.dataLim.intervaly for axes in grid.flat if np.all(np.isfinite(axes.dataLim.intervaly))]
    if known and (lowest := min(float(low) for low, _ in known)) > 0:
        for axes in grid.flat:
            log_axis(axes, "y", lowest, max(float(high) for _, high in known))
    return to_svg(figure)


def _findings(pairs: Sequence[_Pair], beside: Mapping[str, KerasDifference]) -> tuple[str, ...]:
    if not pairs:
        return (f"{fact(None)}: no rule was trained both ways.",)
    differences: Mapping[str, float] = {pair.name: pair.difference for pair in pairs}
    equal = [name for name, difference in differences.items() if difference <= _EQUAL]
    most = max(differences, key=lambda name: np.nan_to_num(differences[name], nan=-1.0, posinf=np.inf))
    n_steps = max(pair.library.shape[1] for pair in pairs)
    n_departing = sum(each.where != NOWHERE for each in beside.values())
    holds: bool | None = len(equal) == len(pairs) and not n_departing
    if not holds and not n_departing and all(name in equal or np.isnan(differences[name]) for name in differences):
        holds = None  # what differs was not recorded
    sentences = [
        f"{fact(holds)}: NumPy's form of Keras's rule agrees with Keras for {len(equal)} of {len(pairs)} rules; "
        f"Keras departs from the paper in {n_departing} of {len(beside)} rules.",
        f"Agreeing is to differ by at most a relative {_EQUAL:g} of the loss at each of {n_steps} steps; the largest "
        f"difference is {differences[most]:.1e}, of {most}.",
    ]
    if apart := [name for name in differences if name not in equal]:
        sentences.append(f"Further apart: {', '.join(f'{name} ({differences[name]:.1e})' for name in apart)}.")
    return tuple(sentences)
