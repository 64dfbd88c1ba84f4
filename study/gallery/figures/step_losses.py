"""Training losses of single steps, as many pages show them: each optimizer's median over its seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from study.gallery import Material, Picture
from study.gallery.figures.curves import Curve, loss_curves, stacked
from study.report.studies import Entry


def step_losses(
    material: Material, entries: Mapping[str, Entry], *, name: str, told: str, window: int, title: str = ""
) -> Picture:
    """Draw the recorded losses of batches over the steps, one line an optimizer.

    Args:
        material: What the page is made from.
        entries: By optimizer.
        name: The picture's name.
        told: Under which setting, as the caption says it.
        window: Recorded batches that the moving average is over, an odd number.
        title: The picture's title.
    """
    every = int(next(iter(material.configs.values()))["tracking"]["every_n_steps"])
    curves = []
    for optimizer, entry in entries.items():
        losses = stacked([material.history(run, "step_loss") for run in entry.tuned])
        if losses.size:
            curves.append(Curve(label=optimizer, values=losses, x=every * np.arange(1.0, losses.shape[1] + 1)))
    batch = "each batch" if every == 1 else f"every {every}th batch"
    return Picture(
        name=name,
        caption=f"Training loss of {batch}, {told}: the median over seeds, a moving average of {window} such batches, "
        "with the quartiles as a band.",
        data=loss_curves(curves, x="step", y="training loss of a batch", title=title, window=window),
        suffix="svg",
    )
