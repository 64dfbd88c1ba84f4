"""Train one trial of a study alone, as the study trains it, and leave all stores as they are: `only_trial=3`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.failure_text import IN_SHORT, users_part
from study.core.trainer_interface import EpochReport, TrialResult
from study.datasets import Dataset
from study.pipeline.identity import identify
from study.pipeline.live_view import View
from study.pipeline.start import announce_cautions
from study.pipeline.stream_use import settle_streams
from study.pipeline.train_batch import score
from study.pipeline.workload import build_model, build_trainer, check_task, files_apart, load_dataset
from study.search.failed_trials import explained, last_line, point_text
from study.search.one_trial import OneTrial, find_one_trial
from study.search.storage.interface import wait_for_storage
from study.training.devices import device_message

_CHECKPOINTS = "checkpoint_every_n_epochs"


class TrialFailedError(StudyError):
    """The trial that was trained alone has failed; the message has the user's part of the traceback."""

    exit_status = 1


@dataclass(frozen=True, kw_only=True)
class TriedTrial:
    """A trial that was trained alone.

    Attributes:
        study: Name of the study in its experiment, which may not exist yet.
        result: The trial's result.
        objective: The objective, as the study would record it; NaN for a failed trial.
    """

    study: str
    result: TrialResult
    objective: float


def try_one_trial(config: StudyConfig, view: View, *, dataset: Dataset | None = None) -> TriedTrial:
    """Train the trial `config.only_trial` with its seeds and in the study's compiled form, and show each epoch.

    No store is written, created or locked. No pruner stops the trial, and no checkpoint is read or saved.

    Args:
        config: The study's config, with `only_trial`.
        view: Shows the epochs and the end.
        dataset: The study's data set. None (the default): it is loaded.

    Raises:
        ConfigError: The study has no such trial, or its point depends on results that do not exist.
        TrialFailedError: The trial has failed.
        StudyError: The data, the model or a store cannot be used, as for the whole study.
    """
    number = config.only_trial
    assert number is not None
    loaded = dataset or load_dataset(config)
    model = build_model(config, loaded)
    identified = wait_for_storage(config.stores, lambda: identify(config, loaded, model))
    check_task(config, loaded)
    config, dataset = settle_streams(_without_checkpoints(identified.config), loaded)
    found = wait_for_storage(config.stores, lambda: find_one_trial(config, number))
    view.message(_opening(config, found))
    for told in filter(None, (device_message(config), *dataset.remarks, *identified.messages)):
        view.message(told)
    announce_cautions(config, view)
    with files_apart(config) as apart:
        trainer = build_trainer(apart, dataset)
        (result,) = trainer.train([found.trial], lambda _, report: _show_epoch(config, view, report))
    result = explained(result, config)
    for told in result.messages:
        view.message(told)
    if result.state == "failed":
        raise TrialFailedError(_failure(result))
    tried = TriedTrial(study=found.study, result=result, objective=score(result, config.objective))
    view.message(_end(config, tried))
    return tried


def _without_checkpoints(config: StudyConfig) -> StudyConfig:
    """Return a config whose trainer saves no checkpoints, which are beside the stores."""
    if config.trainer.section.get(_CHECKPOINTS) is None:
        return config
    section = {**config.trainer.section, _CHECKPOINTS: None}
    return dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, section=section))


def _opening(config: StudyConfig, found: OneTrial) -> str:
    origin = f"with the point that sampler={config.sampler.name} proposes" if config.ranges else "not recorded"
    if found.state:
        origin = f"as recorded ({found.state})"
    pruner = "" if config.pruner.name == "none" else "; no pruner stops it"
    return (
        f"{config.experiment_name}/{found.study}: trial {found.trial.number} alone, {origin}; nothing is stored"
        f"{pruner}\n  {point_text(found.trial)}"
    )


def _show_epoch(config: StudyConfig, view: View, report: EpochReport) -> bool:
    of = f" of {config.budget.n_epochs}" if config.budget.n_epochs else ""
    view.message(f"epoch {report.epoch + 1}{of}: {_numbers(report.metrics)}")
    return True


def _end(config: StudyConfig, tried: TriedTrial) -> str:
    result, metric = tried.result, config.objective.metric
    at = f", diverged at step {result.summary['diverged_at_step']:.0f}" if "diverged_at_step" in result.summary else ""
    losses = {name: value for name, value in result.summary.items() if name in ("initial_loss", "final_loss")}
    value = "none" if math.isnan(tried.objective) else f"{tried.objective:.9g}"
    told = f"trial {result.trial.number} {result.state}{at}: {metric} {value}"
    return f"{told}; {_numbers(losses)}" if losses else told


def _numbers(values: Mapping[str, float]) -> str:
    # Nine digits show a number of 32 bits exactly.
    return ", ".join(f"{name} {value:.9g}" for name, value in values.items())


def _failure(result: TrialResult) -> str:
    traced = users_part((result.error or "").partition(f"\n{IN_SHORT}")[0])
    return f"trial {result.trial.number} failed: {last_line(result.error)}\n\n{traced}"
