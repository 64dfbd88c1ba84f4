"""The end of a study: one of its workers records the results."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from study.config.own_code import model_code
from study.core.errors import StoreError
from study.core.records import RunRecord
from study.core.redaction import redact
from study.core.trainer_interface import Kind
from study.pipeline.best_model import best_model
from study.pipeline.confirmation_phase import Confirmed
from study.pipeline.confirmed_means import confirmed_means
from study.pipeline.context import StudyContext
from study.pipeline.reconcile import trials_text
from study.pipeline.workload import build_model_at
from study.search.waiting import POLL_S
from study.tracking.mlflow_schema import config_params, config_tags, split_tags
from study.tracking.study_summary import Tests
from study.training.backend import without_tensorflow

# Longest wait for the records of other workers, which are on their way to a server, in seconds.
_PATIENCE_S = 10.0


class LackingTrialsError(StoreError):
    """A study that ended while MLflow lacks trials of its search; the config is not at fault.

    Args:
        study: Names of the experiment and the study.
        tracking_uri: Address of MLflow's store.
        lacking: Numbers of the trials.
    """

    exit_status = 1

    def __init__(self, study: str, tracking_uri: str, lacking: Sequence[int]) -> None:
        super().__init__(
            f"{study}: the study has ended, and is not whole: {redact(tracking_uri)} has no run of "
            f"{trials_text(lacking)}, which the search has. If their records wait in mlruns/spool of another worker, "
            "run `study sync` in its folder. Then run the same command again."
        )


def keep_model(context: StudyContext, confirmed: Confirmed | None) -> None:
    """Log the best confirmed model, unless another worker of the study does, and delete those that it replaces.

    Args:
        context: The study's parts.
        confirmed: The best confirmation of this worker; None: it trained none.
    """
    if context.config.tracking.log_model:
        # Read before the best one is chosen: a model that another worker logs after this is of a better confirmation.
        earlier = context.tracker.models.ids()
        best = best_model(context, confirmed)
        if best is not None:
            of_point = (context.config, context.dataset, context.trainer, best.hyperparameters)
            _log(context, build_model_at(*of_point, weights=best.weights), of=best.claim, replaces=earlier)
    context.search.claims.finish()


def _log(context: StudyContext, model: Any, *, of: str, replaces: Collection[str]) -> None:
    from study.training.architecture import unserializable  # imports Keras
    from study.training.custom_objects import custom_objects

    if reason := unserializable(model):
        context.view.message(
            f"tracking.log_model=true: the best model of model={context.config.model.name} is not kept, since Keras "
            f"cannot save it ({reason}). Give its class get_config(), as in the guide of keras.Model. Everything else "
            "is recorded."
        )
        return
    with without_tensorflow():
        example_x, code = context.dataset.validation.first(2).x, model_code(custom_objects(model))
        context.tracker.models.log(model, example_x=example_x, of=of, code=code, replaces=replaces)


def record(context: StudyContext) -> None:
    """Record the study's results. Of several workers, the last one to end does.

    A worker that finds the same results as one before it, under the same number of trials, records nothing.

    Args:
        context: The study's parts.
    """
    tracker, search = context.tracker, context.search
    best, ended = search.best(), search.ended
    number = None if best is None else best.number
    confirmed = tracker.finished("confirmation")
    results = f"{len(ended)} of {context.config.n_trials} trials, best {number}, {len(confirmed)} confirmations"
    if search.claims.once(f"record of {results}"):
        tracker.summarize(best=number, **_means(context, confirmed), ended=ended)
        tracker.flush()
        search.claims.finish()
    _check_whole(context)


def _check_whole(context: StudyContext) -> None:
    """Check that MLflow has a run of every trial of the search, unless a server is away.

    Raises:
        LackingTrialsError: It lacks trials.
    """
    tracker, config = context.tracker, context.config
    ends = time.monotonic() + (_PATIENCE_S if tracker.opened.spool is not None else 0)
    while tracker.settle():
        lacking = context.search.ended.keys() - {number for _, number in tracker.finished("trial")}
        if not lacking:
            return
        if time.monotonic() >= ends:  # until then, another worker may deliver them to a server
            study = f"{config.experiment_name}/{context.search.name}"
            raise LackingTrialsError(study, config.stores.tracking_uri, sorted(lacking))
        time.sleep(POLL_S)


def leave(context: StudyContext) -> None:
    """Record what is done so far; other workers go on with the study, and the last one to end records its results.

    Args:
        context: The study's parts.
    """
    best = context.search.best()
    context.tracker.summarize(best=None if best is None else best.number, ended=context.search.ended)
    context.tracker.leave()


def _means(context: StudyContext, confirmed: Mapping[tuple[Kind, int], RunRecord]) -> dict[str, Tests]:
    """Return the means of the tuned and of the untuned confirmations, as arguments of the summary."""
    params = {param.key: param.value for param in config_params(context.config)}
    tags = {**config_tags(context.config), **split_tags(context.dataset)}
    return {
        "tests": confirmed_means(confirmed.values(), params=params, tags=tags),
        "untuned": confirmed_means(confirmed.values(), params=params, tags=tags, configs=("default",)),
    }
