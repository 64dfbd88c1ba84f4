"""S11: eight Keras optimizers on Fashion-MNIST, at one shared rate and each tuned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from study.gallery import About, Material, PageContents, Picture
from study.gallery.analysis.rankings import (
    Ranking,
    by_setting,
    changes,
    ranking,
    ranking_in_short,
    rankings_table,
    verdict,
)
from study.gallery.analysis.run_scores import interval_text
from study.gallery.figures.loss_curves import Curve, loss_panels, stacked, step_losses
from study.gallery.figures.ranks import rankings_picture
from study.report.figures.style import styles
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry

ABOUT = About(
    title="Eight optimizers on Fashion-MNIST",
    question="Which of eight optimizers is best for a small dense net on Fashion-MNIST, and does the answer survive "
    "giving each optimizer its own rate?",
    source="A comparison of eight Keras optimizers side by side, as many tutorials show it, on the network of A. "
    "Géron, Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow (O'Reilly), chapter 10: 300 and 100 "
    "units, the first 5000 images held out; 20 epochs, batches of 32, a learning rate of 0.001 for all, momentum 0.9.",
    claim="Training curves at one learning rate for all show which optimizer is better.",
    traps=(
        "One rate for all ranks rates, not optimizers: 0.001 is the default of Adam and its kin, a tenth of the "
        "default of SGD, and far from what Adagrad needs.",
        "One seed: curves that lie close together change places under another one.",
        "SGD with momentum 0.9 moves ten times as far for a steady gradient as SGD at the same rate, so the two are "
        "not at the same rate in effect.",
        "A search has its own luck: with few trials an optimizer with more to search has the harder task.",
    ),
)
_SHARED, _TUNED = "shared", "tuned"


def show(material: Material) -> PageContents:
    """Return the curves, both rankings side by side, and the verdict on their order.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    settings = by_setting(material)
    shared, tuned = settings[_SHARED], settings[_TUNED]
    before, after = ranking(_SHARED, shared, metric), ranking(_TUNED, tuned, metric)
    n_seeds = min(len(entry.tuned) for entry in (*shared.values(), *tuned.values()))
    pictures = (
        step_losses(material, shared, name="loss-shared", told="at the shared rate of 0.001", window=5),
        step_losses(material, tuned, name="loss-tuned", told="at the best point of each search", window=5),
        _validation(material, shared, tuned, metric),
        Picture(
            name="rankings",
            caption=f"Mean test {metric.spoken} over {n_seeds} seeds with 95 % t intervals; numbers are places. Rows "
            "are in the order of the tuned ranking.",
            data=rankings_picture((before, after), metric),
            suffix="svg",
        ),
    )
    table = rankings_table((before, after), {_SHARED: shared, _TUNED: tuned}, metric)
    findings = (verdict(before, after, metric), *changes(before, after, metric), *_last(before, after, metric))
    return PageContents(
        pictures=pictures, tables=(table,), findings=findings, headline=ranking_in_short(before, after, metric)
    )


def _validation(
    material: Material, shared: Mapping[str, Entry], tuned: Mapping[str, Entry], metric: ObjectiveMetric
) -> Picture:
    """Draw the validation metric after each epoch: at the shared rate on the left, tuned on the right."""
    names = list(dict.fromkeys((*shared, *tuned)))
    looks = dict(zip(names, styles(names), strict=True))
    panels = {}
    for told, entries in (("at the shared rate", shared), ("tuned", tuned)):
        panels[told] = [
            Curve(
                label=optimizer,
                values=stacked([material.history(run, metric.name) for run in entry.tuned]),
                style=looks[optimizer],
            )
            for optimizer, entry in entries.items()
        ]
    caption = (
        f"{metric.name} after each epoch, the median over seeds: on the left at the shared rate, on the right tuned. "
        "A band is drawn between the quartiles."
    )
    data = loss_panels(panels, y=metric.name)
    return Picture(name="validation", caption=caption, data=data, suffix="svg")


def _last(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> tuple[str, ...]:
    """Return the tuned results of the last two optimizers at the shared rate, and the span of all results."""
    pairs = {
        name: (first.estimate, second.estimate)
        for name in before.names
        if (first := before.intervals[name]) is not None and (second := after.intervals.get(name)) is not None
    }
    if len(pairs) < 4:
        return ()
    *others, one, two = pairs
    gap = metric.sign * (pairs[others[-1]][0] - pairs[one][0])
    spans = [float(np.ptp([pair[index] for pair in pairs.values()])) for index in (0, 1)]
    told = " and ".join(f"{name} ({interval_text(before.intervals[name], metric)})" for name in (one, two))
    gains = " and ".join(metric.change(metric.sign * (pairs[name][1] - pairs[name][0])) for name in (one, two))
    return (
        f"By their means, at the shared rate {told} come last, {metric.change(gap, signed=False)} behind the next; "
        f"tuned, they are "
        f"in places {after.place(one)} and {after.place(two)} ({gains}). From the best to the last of the "
        f"{len(pairs)}, the distance goes from {metric.change(spans[0], signed=False)} to "
        f"{metric.change(spans[1], signed=False)}.",
    )
