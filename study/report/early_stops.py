"""Trainings that could stop early: by which rule, and how many epochs they took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from study.core.records import RunRecord, StudyRecord

_RULE = "trainer.early_stopping."


def stopping_rule(record: StudyRecord) -> str:
    """Return a study's rule of early stopping in words; `none` without one.

    Args:
        record: The study.
    """
    own = {key.removeprefix(_RULE): value for key, value in record.params.items() if key.startswith(_RULE)}
    if "patience" not in own:
        return "none"
    monitor = own.get("monitor") or record.params.get("objective.metric", "the objective")
    kept = "the best epoch's weights" if own.get("restore_best") == "true" else "the last weights"
    return f"patience {own['patience']} on {monitor}, min_delta {own.get('min_delta', '0')}, {kept}"


def callbacks_of(record: StudyRecord) -> str:
    """Return a study's callbacks as recorded; `none` without any.

    Args:
        record: The study.
    """
    return record.params.get("trainer.callbacks", "none")


def stopping_text(records: Sequence[StudyRecord], taken: Mapping[str, tuple[float, float, float]]) -> str:
    """Return the sentences on trainings that stopped early.

    Args:
        records: The studies.
        taken: The smallest, the median and the largest number of epochs of confirmations, by optimizer.
    """
    rules = dict.fromkeys(map(stopping_rule, records))
    told = " and ".join(rule for rule in rules if rule != "none") or "a callback"
    each = ", ".join(f"{label} {epochs_text(epochs)}" for label, epochs in taken.items())
    return (
        f"Trainings stopped early ({told}), so they differ in length. Epochs of the confirmations, as median "
        f"(fewest to most): {each}."
    )


def kept_epoch(run: RunRecord) -> int | None:
    """Return the number of epochs after which a run reached the weights that it kept; None if it could not stop early.

    Args:
        run: The run.
    """
    kept = run.metrics.get("kept_epoch", math.nan)
    return int(kept) if math.isfinite(kept) and kept >= 1 else None


def epochs_taken(runs: Sequence[RunRecord]) -> tuple[float, float, float] | None:
    """Return the smallest, the median and the largest number of epochs of runs; None if none could stop early.

    Args:
        runs: The runs. Those that did not complete are left out.
    """
    found = [run.metrics["n_epochs"] for run in runs if run.state == "complete" and kept_epoch(run) is not None]
    return (min(found), float(np.median(found)), max(found)) if found else None


def epochs_text(taken: tuple[float, float, float]) -> str:
    """Return numbers of epochs as text, such as `9 (5 to 14)`.

    Args:
        taken: The smallest, the median and the largest number.
    """
    low, median, high = taken
    return f"{median:g}" if low == high else f"{median:g} ({low:g} to {high:g})"
