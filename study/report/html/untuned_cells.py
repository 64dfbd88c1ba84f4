"""The cells of the summary table about untuned defaults: their mean, and what tuning gained."""

from __future__ import annotations

from collections.abc import Sequence

from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.summary_rows import Row
from study.statistics.intervals import MIN_SEEDS


def untuned_cell(row: Row, metric: ObjectiveMetric) -> str:
    """Return the untuned mean, with its number of seeds where it is not that of the tuned one, or nothing.

    Args:
        row: The row.
        metric: The compared metric.
    """
    if row.untuned is None:
        return ""
    mean = metric.text(row.untuned.estimate)
    return f"{mean} ({row.untuned.n})" if _has_other_n(row) else mean


def gain_cell(row: Row, metric: ObjectiveMetric) -> str:
    """Return what tuning gained, with its interval, both without unit; or nothing.

    Args:
        row: The row.
        metric: The compared metric.
    """
    if row.gain is None:
        return ""
    span = metric.change_span(row.gain.low, row.gain.high)
    return metric.change(row.gain.mean).removesuffix(f"{SPACE}points") + (f" ({span})" if span else "")


def untuned_notes(rows: Sequence[Row]) -> list[str]:
    """Return the sentences that say what these cells mean; none where they are empty.

    Args:
        rows: All rows of the table.
    """
    told = []
    if any(_has_other_n(row) for row in rows):
        told.append("Untuned: in brackets the number of seeds of the mean, where it is not n.")
    if gained := [row for row in rows if row.gain is not None]:
        studies = "study seeds" if any(len(row.run_ids) >= MIN_SEEDS for row in gained) else "seeds"
        told.append(
            f"Gain: the mean paired difference of tuned and untuned over the {studies} that both have, positive where "
            "tuning helped, with the 95 % interval of this pair alone."
        )
    return told


def _has_other_n(row: Row) -> bool:
    return row.untuned is not None and (row.tuned is None or row.tuned.n != row.untuned.n)
