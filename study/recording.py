"""The end of a study: what it came to is recorded by one of its workers."""

from __future__ import annotations

import numpy as np

from study.confirming import Confirmed, model_weights
from study.datasets import Dataset
from study.phases import Cast
from study.search import Best
from study.statistics.intervals import mean_interval
from study.tracking.writer import StudyTracker
from study.training.backend import without_tensorflow


def keep_model(cast: Cast, best: Best | None, confirmed: Confirmed | None, *, dataset: Dataset) -> None:
    """Log the best confirmed model, unless another of the study's workers does."""
    if cast.config.tracking.log_model:
        weights = model_weights(cast, best, confirmed)
        if weights is not None:
            model = cast.trainer.build_model(weights)
            with without_tensorflow():
                cast.tracker.log_model(model, example_x=dataset.validation.x[:2])
    cast.search.claims.finish()


def record(cast: Cast, best: Best | None) -> None:
    """Write what the study came to: numbers, Optuna's plots. Of several workers, the first to come here does."""
    tracker = cast.tracker
    ended = cast.search.ended
    if cast.search.claims.once(f"record of {len(ended)} trials"):
        tracker.summarize(best=None if best is None else best.number, tests=_test_estimates(tracker), ended=ended)
        if plots := cast.search.plots():
            tracker.artifact_text(plots, "search.html")
        tracker.flush()
        cast.search.claims.finish()


def _test_estimates(tracker: StudyTracker) -> dict[str, tuple[float, float, float]]:
    """Return mean and 95 % t interval of each test metric over the confirmations of the best or fixed setting."""
    runs = [run for (kind, _), run in tracker.finished("confirmation").items() if kind in ("best", "fixed")]
    names = {name for run in runs for name in run.metrics if name.startswith("test_")}
    estimates = {}
    for name in sorted(names):
        scores = np.array([run.metrics[name] for run in runs if name in run.metrics])
        interval = mean_interval(scores)
        estimates[name] = (interval.estimate, interval.low, interval.high)
    return estimates
