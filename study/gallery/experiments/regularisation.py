"""S12: batch normalization, L2 and dropout alone and together, and the rates and initial scales that train."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from study.core.records import RunRecord
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import simultaneous
from study.gallery.analysis.grid import (
    Cell,
    Gap,
    Place,
    cells,
    gap_text,
    gaps,
    matrix,
    mean_text,
    optimizer_of,
    ordered,
    score_map,
)
from study.gallery.analysis.run_scores import Seed, seed_of
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater, in_short, more_often
from study.gallery.figures.heat_map import heat_map
from study.report.objective_metric import ObjectiveMetric

ABOUT = About(
    title="Batch normalization, L2 and dropout",
    question="What does each do alone and together, and how far does batch normalization widen the range of rates and "
    "initial scales at which a net trains?",
    source="K. Saitoh, Deep Learning from Scratch, O'Reilly Japan 2016, sections 6.2 to 6.4; S. Ioffe and C. Szegedy, "
    "Batch Normalization, ICML 2015; N. Srivastava et al., Dropout, JMLR 15, 2014. The net is that of mnist_mlp; of "
    "its five optimizers, two are run here, SGD and Adam.",
    claim="Batch normalization makes learning fast and hardly dependent on the initial weights; L2 and dropout narrow "
    "the gap between training and test.",
    traps=(
        "Training accuracy with dropout on is that of another, thinned net: here it is evaluated after the epoch, "
        "with dropout off, on training examples.",
        "Each variant has its rate tuned: at one rate for all, what is seen is which variant that rate suits.",
        "A regularizer has little to do where the examples are many, or the training is short. The source leaves 300 "
        "images to train on, so that the net fits them by heart; here it is 1000 of the bundled digits.",
        "The test digits were written by other people than the training digits, so test accuracy lies below that on "
        "validation digits, which were not.",
    ),
)

_VARIANTS = ("none", "batch_norm", "l2", "dropout", "all")
# A network counts as trained from this share of the way on, from the accuracy of guessing to the best one seen.
_SHARE = 0.5
# Variants that the claim is about, each alone.
_CLAIMED = ("l2", "dropout")


def show(material: Material) -> PageContents:
    """Return each variant's accuracy, the gap to the training examples, and the number of decades of rates that train.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    grid = cells(material, row=lambda config: str(config["variant"]))
    columns = ordered((column for _, column in grid), ("sgd", "momentum", "adam"))
    rows = [name for name in _VARIANTS if any(row == name for row, _ in grid)]
    wide = cells(material, row=_normalized_and_optimizer, column=_scale)
    threshold = _threshold(material, metric)
    wider, widths = _widened(wide, metric, threshold)
    narrower, apart = _narrowed(material, grid, rows, columns, metric)
    verdict = " ".join([*wider, *narrower])
    return PageContents(
        pictures=(_accuracy(grid, rows, columns, metric), _widths(wide, metric, threshold)),
        tables=(_gap_table(material, grid, rows, columns, metric), _width_table(wide, metric, threshold)),
        findings=(
            *([verdict] if verdict else []),
            *widths,
            *_effects(grid, rows, columns, metric),
            *apart,
        ),
        headline=" ".join(in_short(sentence, until=" (") for sentence in (*wider, *narrower)),
    )


def _is_plain(config: Mapping[str, Any]) -> bool:
    return float(config["model"]["l2"]) == 0 and float(config["model"]["dropout"]) == 0


def _normalized_and_optimizer(config: Mapping[str, Any]) -> str:
    """Return the row in the picture of rates, which has no other regularization."""
    if not _is_plain(config):
        return ""
    return f"{optimizer_of(config)}, {'batch norm' if config['model']['batch_norm'] else 'plain'}"


def _scale(config: Mapping[str, Any]) -> str:
    return f"{float(config['model']['init_scale']):g}"


def _accuracy(grid: Mapping[Place, Cell], rows: list[str], columns: list[str], metric: ObjectiveMetric) -> Picture:
    data = score_map(grid, rows, columns, metric, number="{:.4f}")
    caption = f"Test {metric.spoken} of each variant at its best rate: mean and standard deviation over seeds."
    return Picture(name="variants", caption=caption, data=data, suffix="svg")


def _widths(wide: Mapping[Place, Cell], metric: ObjectiveMetric, threshold: float) -> Picture:
    rows, columns = _axes(wide)
    data = heat_map(
        matrix(wide, rows, columns, lambda cell: _decades(cell, metric, threshold)),
        rows=rows,
        columns=columns,
        label="decades of rates that train",
        lower_is_better=False,
        number="{:.1f}",
    )
    caption = (
        "Decades of learning rates that train, their number less one times the grid's spacing, by the factor on He's "
        "initial scale; one run a rate. One trains where the "
        f"validation {metric.spoken} at the end is {metric.text(threshold)} or more: half of the way from guessing "
        "to the best."
    )
    return Picture(name="rates", caption=caption, data=data, suffix="svg")


def _axes(wide: Mapping[Place, Cell]) -> tuple[list[str], list[str]]:
    rows = sorted({row for row, _ in wide if row}, reverse=True)
    return rows, sorted({column for row, column in wide if row}, key=float)


def _threshold(material: Material, metric: ObjectiveMetric) -> float:
    """Return the lowest validation score that counts as trained."""
    scores = [_score(run, metric) for study in material.experiment.studies for run in study.trials]
    seen = [value for value in scores if math.isfinite(value)]
    guessing = 0.1  # ten classes of equal size
    return guessing + _SHARE * (max(seen) - guessing)


def _score(run: RunRecord, metric: ObjectiveMetric) -> float:
    value = metric.validation(run)
    return math.nan if value is None else value


def _n_trained(cell: Cell, metric: ObjectiveMetric, threshold: float) -> int:
    """Return the number of the grid's rates that train."""
    return sum(_score(run, metric) >= threshold for run in cell.study.trials)


def _decades(cell: Cell, metric: ObjectiveMetric, threshold: float) -> float:
    """Return the number of decades that the training rates span: the gaps between them, times the grid's spacing."""
    runs = [run for run in cell.study.trials if run.params.get("learning_rate")]
    if len(runs) < 2:
        return math.nan
    rates = np.log10([float(run.params["learning_rate"]) for run in runs])
    spacing = float(np.ptp(rates)) / (len(rates) - 1)
    return spacing * max(_n_trained(cell, metric, threshold) - 1, 0)


def _effects(
    grid: Mapping[Place, Cell], rows: Sequence[str], columns: Sequence[str], metric: ObjectiveMetric
) -> tuple[str, ...]:
    """Return sentences on the change by each variant against no regularization, for each optimizer."""
    told = []
    for column in columns:
        plain = grid["none", column]
        cells = [grid[row, column] for row in rows if (row, column) in grid]
        parts = _told(gaps(plain, cells, bounds=metric.bounds), metric)
        has_diverged = any(run.state == "diverged" for cell in cells for run in cell.study.tuned)
        counted = f" (a run that diverged counts as {metric.text(metric.worst)})" if has_diverged else ""
        if parts:
            told.append(
                f"{column}: test {metric.spoken} against none, each at its best rate, Holm's intervals{counted}: "
                f"{'; '.join(parts)}."
            )
    return tuple(told)


def _narrowed(
    material: Material,
    grid: Mapping[Place, Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    metric: ObjectiveMetric,
) -> tuple[list[str], list[str]]:
    """Say whether L2 and dropout narrow the gap between training and test, and by how much each variant changes it."""
    told: list[str] = []
    pairs: dict[str, tuple[Mapping[Seed, float], Mapping[Seed, float]]] = {}
    for column in columns:
        apart = {row: _gap_cell(material, grid[row, column], metric) for row in rows if (row, column) in grid}
        # What the claim is about is its own family, and stands in the claim alone: no difference has two intervals.
        rest = [cell for row, cell in apart.items() if row not in _CLAIMED]
        parts = _told(gaps(apart["none"], rest, bounds=_gap_bounds(metric)), metric)
        pairs |= {
            f"{column} with {row}": (apart[row].scores, apart["none"].scores) for row in _CLAIMED if row in apart
        }
        if parts:
            told.append(
                f"{column}: training lies {metric.change(apart['none'].mean)} above test with none. The variants that "
                f"the claim is not about change that by (Holm over these {len(parts)}): {'; '.join(parts)}."
            )
    return [_narrowed_text(pairs, metric)] if pairs else [], told


def _narrowed_text(
    pairs: Mapping[str, tuple[Mapping[Seed, float], Mapping[Seed, float]]], metric: ObjectiveMetric
) -> str:
    found = simultaneous(list(pairs.values()), bounds=_gap_bounds(metric))
    judged = [greater(each, sign=-1.0) for each in found]
    n_narrower, n_wider = (judged.count(word) for word in (ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED))
    each = [
        f"{name} {'cannot be compared' if gap is None else gap_text(gap, metric)}"
        for name, gap in zip(pairs, found, strict=True)
    ]
    return (
        f"{all_of(judged)}, that L2 and dropout narrow the gap between training and test: of {len(pairs)} cases of "
        f"L2 or dropout alone, the gap between training and test is significantly narrower in {n_narrower} and wider "
        f"in {n_wider} (its change, paired t intervals, Holm over these {len(pairs)}: {', '.join(each)})."
    )


def _gap_bounds(metric: ObjectiveMetric) -> tuple[float, float]:
    """Return the least and the greatest gap between two scores."""
    widest = metric.bounds[1] - metric.bounds[0]
    return -widest, widest


def _told(compared: Mapping[Place, Gap], metric: ObjectiveMetric) -> list[str]:
    return [
        f"{row.replace('_', ' ')} {gap_text(gap, metric)}{'' if gap.is_told else ' (not significant)'}"
        for (row, _), gap in compared.items()
    ]


def _gap_cell(material: Material, cell: Cell, metric: ObjectiveMetric) -> Cell:
    """Return a cell whose scores are the differences of training from test; runs that diverged have none."""
    trained = {
        seed_of(run): float(values[-1])
        for run in cell.study.tuned
        if run.state != "diverged" and len(values := material.history(run, metric.training))
    }
    apart = {seed: trained[seed] - score for seed, score in cell.scores.items() if seed in trained}
    return replace(cell, scores=apart)


def _widened(wide: Mapping[Place, Cell], metric: ObjectiveMetric, threshold: float) -> tuple[list[str], list[str]]:
    """Return the verdict on batch normalization widening the range of rates that train, and the decades."""
    rows, columns = _axes(wide)
    told, wider = [], []
    for optimizer in dict.fromkeys(row.split(",")[0] for row in rows):
        plain, normalized = f"{optimizer}, plain", f"{optimizer}, batch norm"
        both = [column for column in columns if (plain, column) in wide and (normalized, column) in wide]
        widths = {row: [_decades(wide[row, c], metric, threshold) for c in both] for row in (plain, normalized)}
        parts = [
            f"scale {column}: {before:.1f} to {after:.1f}"
            for column, before, after in zip(both, widths[plain], widths[normalized], strict=True)
        ]
        # One rate spans 0 decades, like none, so the rates are counted.
        counts = {row: [_n_trained(wide[row, c], metric, threshold) for c in both] for row in (plain, normalized)}
        wider += [after - before for before, after in zip(counts[plain], counts[normalized], strict=True)]
        if parts:
            told.append(f"{optimizer}: decades of rates that train, plain to batch norm: {'; '.join(parts)}.")
    if not wider:
        return [], told
    n_wider, n_narrower = (sum(sign * change > 0 for change in wider) for sign in (1, -1))
    return [
        f"{more_often(n_wider, n_narrower)}, that batch normalization makes training less dependent on rate and "
        f"initial weights: of {len(wider)} cases of optimizer and initial scale, batch normalization widens the range "
        f"of rates that train in {n_wider} and narrows it in {n_narrower} (sign test over the cases, one run a rate; "
        "fewer than six cases that differ decide nothing)."
    ], told


def _gap_table(
    material: Material,
    grid: Mapping[Place, Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    metric: ObjectiveMetric,
) -> Table:
    """Return the scores on training, validation and test, for each optimizer and variant."""
    found = []
    for column in columns:
        for row in rows:
            if (row, column) not in grid:
                continue
            cell = grid[row, column]
            # The mean on test is of the runs that did not diverge as well.
            kept = [run for run in cell.study.tuned if run.state != "diverged"]
            train, validation = (
                [float(values[-1]) for run in kept if len(values := material.history(run, name))]
                for name in (metric.training, metric.name)
            )
            known = bool(train) and bool(validation)
            gap = float(np.mean(train) - np.mean(validation)) if known else math.nan
            found.append(
                (
                    f"{column}, {row.replace('_', ' ')}",
                    metric.text(float(np.mean(train))) if known else "-",
                    metric.text(float(np.mean(validation))) if known else "-",
                    metric.change(gap) if known else "-",
                    mean_text(cell, metric),
                )
            )
    caption = (
        f"{metric.spoken.capitalize()} on training examples, evaluated without dropout, beside validation and test."
    )
    header = ("optimizer, variant", "training", "validation", "training above validation", "test [95 % interval]")
    return Table(caption=caption, header=header, rows=tuple(found))


def _width_table(wide: Mapping[Place, Cell], metric: ObjectiveMetric, threshold: float) -> Table:
    rows, columns = _axes(wide)
    found = []
    for row in rows:
        texts = [
            f"{_decades(wide[row, column], metric, threshold):.1f}" if (row, column) in wide else "-"
            for column in columns
        ]
        found.append((row, *texts))
    caption = (
        "Decades of learning rates that train, their number less one times the grid's spacing, by the factor on the "
        "initial scale; one run a rate."
    )
    return Table(caption=caption, header=("", *(f"scale {column}" for column in columns)), rows=tuple(found))
