"""Optuna's own plots of a search."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState

from study.search.optuna_internals import StudySnapshot, import_importance, plot_function
from study.search.samplers import quiet

_ALWAYS, _IMPORTANCES = ("optimization_history", "slice", "timeline"), "param_importances"


@functools.cache
def import_in_background() -> None:
    """Import the plotting modules once, in a separate thread."""

    def import_usual_plots() -> None:
        for kind in (*_ALWAYS, "parallel_coordinate", _IMPORTANCES):
            _plot(kind)

    threading.Thread(target=import_usual_plots, name="imports", daemon=True).start()


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
    kinds = [*_ALWAYS]
    if prunes:
        kinds.append("intermediate_values")
    if n_searched > 1:
        kinds.append("parallel_coordinate")
        if len({trial.value for trial in completed}) > 1:
            kinds.append(_IMPORTANCES)
    with quiet():
        figures = [_plot(kind)(shown) for kind in kinds]
    parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0) for i, figure in enumerate(figures)]
    head = '<!doctype html><meta charset="utf-8"><title>Optuna: search</title>'
    return head + "\n".join(parts)


def _plot(kind: str) -> Callable[[optuna.Study], Any]:
    """Return one of Optuna's plots, with the module that it imports once it is called."""
    if kind == _IMPORTANCES:
        import_importance()
    return plot_function(kind)
