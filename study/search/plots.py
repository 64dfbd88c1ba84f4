"""Optuna's own plots of a search."""

from __future__ import annotations

import functools
import threading
from typing import Any

import optuna
from optuna.trial import TrialState

from study.search.optuna_internals import StudySnapshot, import_plots
from study.search.samplers import quiet


@functools.cache
def import_in_background() -> None:
    """Import the plotting modules once, in a separate thread."""
    threading.Thread(target=import_plots, name="imports", daemon=True).start()


def draw_plots(optuna_study: optuna.Study, *, n_searched: int, prunes: bool) -> str | None:
    """Return the plots as one HTML page that works offline; None if there is nothing to plot.

    Args:
        optuna_study: The search.
        n_searched: Number of searched arguments.
        prunes: True if a pruner stops trials early.
    """
    shown = StudySnapshot(optuna_study)
    completed = shown.get_trials(states=(TrialState.COMPLETE,))
    if len(completed) < 2 or not n_searched:
        return None
    draw = optuna.visualization
    kinds: list[Any] = [draw.plot_optimization_history, draw.plot_slice, draw.plot_timeline]
    if prunes:
        kinds.append(draw.plot_intermediate_values)
    if n_searched > 1:
        kinds.append(draw.plot_parallel_coordinate)
        if len({trial.value for trial in completed}) > 1:
            kinds.append(draw.plot_param_importances)
    with quiet():
        figures = [kind(shown) for kind in kinds]
    parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0) for i, figure in enumerate(figures)]
    head = '<!doctype html><meta charset="utf-8"><title>Optuna: search</title>'
    return head + "\n".join(parts)
