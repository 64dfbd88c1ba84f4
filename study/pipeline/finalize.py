"""The end of a study: one of its workers records the results."""

from __future__ import annotations

import numpy as np

from study.core.trainer_interface import BestTrial
from study.pipeline.confirmation_phase import Confirmed, model_weights
from study.pipeline.context import StudyContext
from study.statistics.intervals import mean_interval
from study.tracking.study_tracker import StudyTracker
from study.training.backend import without_tensorflow


def keep_model(context: StudyContext, best: BestTrial | None, confirmed: Confirmed | None) -> None:
    """Log the best confirmed model, unless another worker of the study does.

    Args:
        context: The study's parts.
        best: The best trial of the search; None: no trial completed.
        confirmed: The best confirmation of this worker; None: it trained none.
    """
    if context.config.tracking.log_model:
        weights = model_weights(context, best, confirmed)
        if weights is not None:
            model = context.trainer.build_model(weights)
            with without_tensorflow():
                context.tracker.log_model(model, example_x=context.dataset.validation.x[:2])
    context.search.claims.finish()


def record(context: StudyContext, best: BestTrial | None) -> None:
    """Record the study's results and Optuna's plots. If there are several workers, only the first one does.

    Args:
        context: The study's parts.
        best: The best trial of the search; None: no trial completed.
    """
    tracker = context.tracker
    ended = context.search.ended
    if context.search.claims.once(f"record of {len(ended)} trials"):
        tracker.summarize(best=None if best is None else best.number, tests=_test_estimates(tracker), ended=ended)
        if plots := context.search.plots():
            tracker.artifact_text(plots, "search.html")
        tracker.flush()
        context.search.claims.finish()


def _test_estimates(tracker: StudyTracker) -> dict[str, tuple[float, float, float]]:
    """Return mean and 95 % t interval of each test metric over the confirmations of the best or the fixed setting."""
    runs = [run for (kind, _), run in tracker.finished("confirmation").items() if kind in ("best", "fixed")]
    names = {name for run in runs for name in run.metrics if name.startswith("test_")}
    estimates = {}
    for name in sorted(names):
        scores = np.array([run.metrics[name] for run in runs if name in run.metrics])
        interval = mean_interval(scores)
        estimates[name] = (interval.estimate, interval.low, interval.high)
    return estimates
