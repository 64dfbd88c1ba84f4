"""One study from start to end, as a table of contents: check, search, confirm, record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.config.schema import StudyConfig
from study.core.interrupt import grace
from study.core.log_capture import captured, captured_unseen, removed_without_stores
from study.core.outages import said_through
from study.core.trainer_interface import BestTrial
from study.datasets import Dataset
from study.pipeline.confirmation_phase import confirm, confirm_untuned, leaves_to_others
from study.pipeline.finalize import keep_model, leave, record
from study.pipeline.kept_parts import KeptParts
from study.pipeline.live_view import open_view
from study.pipeline.one_trial import try_one_trial
from study.pipeline.preflight import load_config
from study.pipeline.repetition import repeat_first_epoch
from study.pipeline.search_phase import search
from study.pipeline.start import start_study
from study.pipeline.target import TargetWatch
from study.training.backend import select_backend
from study.training.devices import asked_device, select_device


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """The outcome of a study.

    Attributes:
        experiment: Name of the experiment.
        name: Name of the study in the experiment.
        best: The best trial; None if none completed.
        tracking_uri: Address of the MLflow store, which has everything else.
        run_id: Id of the study's MLflow run; empty with `only_trial`, which records nothing.
    """

    experiment: str
    name: str
    best: BestTrial | None
    tracking_uri: str
    run_id: str


def run_study(
    config: StudyConfig | Mapping[str, Any], *, dataset: Dataset | None = None, kept: KeptParts | None = None
) -> StudyOutcome:
    """Run a study to its end, or continue a stopped one, and return its outcome.

    With `only_trial`, one trial is trained alone, no store is changed, and the outcome is that of the trial.

    Args:
        config: A config from `load_config`, or a resolved config, which `load_config` then reads.
        dataset: The study's data set, as `load_dataset` returned it. None (the default): it is loaded.
        kept: Parts of earlier studies of this process, such as compiled programs. None (the default): all parts are
            made anew.

    Raises:
        ConfigError: The config has faults.
        BackendError: The backend is not installed, or this process has another one or another device.
        DataError: The data set cannot be loaded.
        StoreError: A store cannot be used.
        TrialFailedError: The trial `only_trial` has failed.
        StudyError: The model cannot be built, or `study_name` belongs to another study.
    """
    with captured_unseen():  # libraries fill a terminal or a notebook's cell while they are imported
        if not isinstance(config, StudyConfig):
            config = load_config(config)
        started = time.monotonic()
        select_backend(config.backend, deterministic=config.deterministic)
        select_device(config.backend, asked_device(config))
    if config.only_trial is not None:
        return _try_one(config, dataset)
    with (
        grace(config.shutdown_grace_s),
        removed_without_stores(config.log_file, config.stores.optuna_journal),
        captured(config.log_file) as terminal,
        open_view(config.live, stream=terminal, study=_title(config)) as view,
        said_through(view.message),
        start_study(config, view, dataset=dataset, kept=kept) as context,
    ):
        target = TargetWatch(context)
        if config.confirm_up_to is None:  # else another round of a command that has searched
            repeat_first_epoch(context)
            search(context, meanwhile=lambda: confirm_untuned(context), is_reached=target.is_reached)
        if leaves_to_others(context):
            leave(context)
        else:
            confirmed = confirm(context, kept=target.kept)
            keep_model(context, confirmed)
            record(context)
        best = context.search.best()
        context.tracker.artifact_file(config.log_file)
        view.study_ended(best=best, seconds=time.monotonic() - started)
        return StudyOutcome(
            experiment=config.experiment_name,
            name=context.search.name,
            best=best,
            tracking_uri=config.stores.tracking_uri,
            run_id=context.tracker.run_id,
        )


def _title(config: StudyConfig) -> str:
    """Return the name of a study whose name among the stored ones is not known yet."""
    return f"{config.experiment_name}/{config.study_name or config.labels[0]}"


def _try_one(config: StudyConfig, dataset: Dataset | None) -> StudyOutcome:
    """Train the trial `only_trial` alone; what libraries log goes to a temporary file."""
    with (
        grace(config.shutdown_grace_s),
        captured_unseen() as terminal,
        open_view(False, stream=terminal) as view,
        said_through(view.message),
    ):
        tried = try_one_trial(config, view, dataset=dataset)
    trial, is_complete = tried.result.trial, tried.result.state == "complete"
    point = {name: trial.hyperparameters[name] for name in config.ranges}
    best = BestTrial(number=trial.number, point=point, objective=tried.objective) if is_complete else None
    return StudyOutcome(
        experiment=config.experiment_name,
        name=tried.study,
        best=best,
        tracking_uri=config.stores.tracking_uri,
        run_id="",
    )
