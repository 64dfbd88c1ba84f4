"""Names of a comparison's figures in Python.

| name in Python | file of `study compare --figures` |
|---|---|
| `scores` | `results` |
| `tuning_curves` | `tuning` |
| `training_curves`, `training_curves_seconds` | `validation-steps`, `validation-seconds` |
| `training_curves_examples`, if batch sizes differ | `validation-examples` |
| `training_split_curves`, `training_split_curves_seconds` | `training-steps`, `training-seconds` |
| `learning_rate` | `sensitivity` |
| `differences` | `differences` |
| `time_to_target`, `time_to_target_seconds` | `target-steps`, `target-seconds` |
| `importance` | `importance` |
| `sensitivity-NAME`, for each searched value NAME | `sensitivity-NAME` |
| `parallel_coordinates_NAME`, for each optimizer NAME | `parallel-0`, `parallel-1`, ... |

The names without `_seconds` are over optimizer steps. A figure's file name is a valid name too.
"""

from __future__ import annotations

import difflib

from study.core.errors import StudyError
from study.report.comparison import Comparison
from study.report.figures.figure import Figure

_NAMES = {
    "results": "scores",
    "tuning": "tuning_curves",
    "validation-steps": "training_curves",
    "validation-examples": "training_curves_examples",
    "validation-seconds": "training_curves_seconds",
    "training-steps": "training_split_curves",
    "training-seconds": "training_split_curves_seconds",
    "sensitivity": "learning_rate",
    "differences": "differences",
    "target-steps": "time_to_target",
    "target-seconds": "time_to_target_seconds",
    "importance": "importance",
}
# The figures of which a notebook shows those that have data.
MAIN_FIGURES = ("results", "differences", "tuning", "validation-steps")


def figure_names(comparison: Comparison) -> dict[str, str]:
    """Return the names of the figures that have data, in the order of the page, with the names of their files.

    Args:
        comparison: The comparison.
    """
    names = {
        f"parallel-{index}": entry.name or entry.label for index, entry in enumerate(comparison.experiment.entries)
    }
    parallel = {file: f"parallel_coordinates_{name}" for file, name in names.items()}
    known = _NAMES | parallel
    return {known.get(file, file): file for file in comparison.figures}


def find_figure(comparison: Comparison | None, name: str) -> Figure:
    """Return a figure.

    Args:
        comparison: The comparison; None: no trial has begun.
        name: The figure's name in Python, or that of its file.

    Raises:
        StudyError: There is no such figure, or it has no data.
    """
    found = {} if comparison is None else figure_names(comparison)
    drawn = {} if comparison is None else comparison.figures
    if (file := found.get(name, name)) in drawn:
        return drawn[file]
    listed = ", ".join(found) or "(none yet)"
    if name in _NAMES or name in _NAMES.values():
        of_tuning = "" if comparison is None else comparison.no_tuning
        why = f" {of_tuning}" if name in ("tuning", "tuning_curves") and of_tuning else ""
        raise StudyError(
            f"figure({name!r}): expected a figure with data, and these studies have none for it.{why} Figures with "
            f"data: {listed}."
        )
    near = difflib.get_close_matches(name, [*(found or _NAMES.values())], n=3)
    advice = f"Did you mean {' or '.join(near)}?" if near else "Choose one of them."
    raise StudyError(f"figure({name!r}): expected one of {listed}. {advice}")
