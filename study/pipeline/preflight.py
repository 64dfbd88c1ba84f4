"""Checks before a study starts: read its config, choose its trainer, refuse invalid combinations."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.config.known_keys import unknown_keys
from study.config.named_settings import resolve_setting, told_by_origin
from study.config.parse import parse
from study.config.schema import StudyConfig
from study.core.errors import ConfigError, Fault
from study.core.subprocess_call import call_in_subprocess
from study.datasets import Dataset
from study.pipeline.choose_trainers import choose_trainers
from study.pipeline.kept_parts import KeptParts
from study.pipeline.workload import build_model, check_task, data_key, load_dataset
from study.search.search_check import search_faults
from study.search.storage.interface import wait_for_storage
from study.search.study_names import check_name
from study.tracking.connection import check_store
from study.tracking.event_files import event_file_faults
from study.tracking.outbox.server_wait import wait_for_server
from study.training.auto import Choice, is_auto, with_choice
from study.training.backend import loaded_backend, start_backend, use_keras_defaults
from study.training.devices import asked_device, device_faults, try_select_device
from study.training.trainer_check import candidate_faults, trainer_faults


@dataclass(frozen=True, kw_only=True)
class CheckedStudy:
    """A study of a command that was checked.

    Attributes:
        config: The study's config.
        choice: The choice of `trainer=auto`. None (the default): the config names its trainer.
        dataset: The study's data set, if all studies of the command have this one. None (the default): it is loaded
            when the study starts.
        kept: Parts that the studies of the command share as they run in this process. None (the default): none.
    """

    config: StudyConfig
    choice: Choice | None = None
    dataset: Dataset | None = None
    kept: KeptParts | None = None


def load_config(
    raw: Mapping[str, Any],
    *,
    folder: Path | None = None,
    labels: Sequence[str] = (),
    helpers: Collection[str] | None = None,
    load_own: bool = True,
    choice: Choice | None = None,
    trains_here: bool = True,
) -> StudyConfig:
    """Read and check a resolved config: apply its setting, and choose its trainer for `trainer=auto`.

    Args:
        raw: The resolved config, as `study run --cfg job --resolve` prints it.
        folder: The folder where relative paths start. None (the default): the working directory.
        labels: Names for the study; the first free one is taken. Default: empty, which stands for the optimizer's
            name.
        helpers: Dotted keys that only references of the config read. None (the default): they are not known.
        load_own: Import the modules of the user's folder that the config names. Default True.
        choice: The trainer for `trainer=auto`. None (the default): it is chosen here, for the backend of this process
            if it has loaded one. The data may be loaded and the model built for this.
        trains_here: This machine trains the study, so a GPU that the study asks for must be here. Default True.

    Raises:
        BackendError: The study asks for a GPU, and its backend does not answer.
        ConfigError: The config has faults; the error holds all of them.
        StoreError: A store exists and cannot be used.
        StudyError: `study_name` belongs to another study.
    """
    folder = (folder or Path.cwd()).resolve()
    resolved = resolve_setting(raw)
    raw = resolved.raw
    candidates: list[Fault] = []
    if is_auto(raw):
        choice = choice or _chosen_here(raw, folder=folder, helpers=helpers)
        candidates, raw = candidate_faults(raw["trainer"]), with_choice(raw, choice)
    trainer = raw.get("trainer")
    backend = trainer.get("backend") if isinstance(trainer, Mapping) else None
    # Checking needs some backend. Training shows whether this process can use the requested one.
    start_backend(backend if isinstance(backend, str) else "(none)")
    try:
        config = parse(raw, folder=folder, labels=labels, helpers=helpers, load_own=load_own)
    except ConfigError as error:
        raise told_by_origin(ConfigError([*error.faults, *candidates]), resolved.origins) from None
    if candidates:
        raise ConfigError(candidates)
    use_keras_defaults()  # reading the config has imported Keras
    if loaded_backend() == config.backend:
        try_select_device(config.backend, asked_device(config))  # training shows whether it can, as above
    _check_parts(config, resolved.origins, trains_here=trains_here)
    check_stores(config)
    return config


def _chosen_here(raw: Mapping[str, Any], *, folder: Path, helpers: Collection[str] | None) -> Choice:
    """Choose the trainer of one study, which this process trains."""
    (choice,) = choose_trainers([raw], folder=folder, helpers=helpers, in_this_process=True).choices
    assert choice is not None
    return choice


def _check_parts(config: StudyConfig, origins: Mapping[str, str], *, trains_here: bool) -> None:
    """Check the trainer's arguments and device, and build optimizer, schedule, sampler and pruner once.

    Raises:
        ConfigError: One of them cannot be built or used.
    """
    from study.training.build_callbacks import callback_faults  # imports Keras
    from study.training.optimizer_check import optimizer_faults

    faults = [
        *trainer_faults(config),
        *callback_faults(config),
        *optimizer_faults(config),
        *search_faults(config),
        *event_file_faults(config),
    ]
    if trains_here:
        faults += device_faults(config)
    if faults:
        raise told_by_origin(ConfigError(faults), origins)


def read_again(config: StudyConfig) -> StudyConfig:
    """Read and check a config of another process, which has checked it with its own backend.

    Args:
        config: The study's config, from the other process.

    Raises:
        StudyError: The backend of this process, which trains, shows a fault.
    """
    known = [fault.key for fault in unknown_keys(config.raw, helpers=())]  # the other process refused the others
    read = load_config(config.raw, folder=config.folder, labels=config.labels, helpers=known)
    kept = {key: getattr(config, key) for key in ("typed_words", "confirm_up_to", "place", "command_studies")}
    return replace(read, **kept)


def check_workload(config: StudyConfig) -> None:
    """Load a study's data, build its model and check that they fit together, in a process for its backend.

    Args:
        config: The study's config, from another process.

    Raises:
        StudyError: Something does not fit.
    """
    config = read_again(config)
    dataset = load_dataset(config)
    build_model(config, dataset)
    check_task(config, dataset)


def check_stores(config: StudyConfig) -> None:
    """Check, without writing, that the stores can be used and that `study_name` belongs to no other study.

    Args:
        config: The study's config.

    Raises:
        StoreError: A store exists and cannot be used.
        StudyError: `study_name` belongs to another study.
    """
    uri = config.stores.tracking_uri
    wait_for_server(uri, lambda: check_store(uri))
    wait_for_storage(config.stores, lambda: check_name(config))


def check(
    jobs: Sequence[tuple[Mapping[str, Any], Sequence[str]]],
    *,
    folder: Path,
    helpers: Collection[str] | None = None,
    trains_here: bool = True,
    in_this_process: bool = False,
) -> list[CheckedStudy]:
    """Check all jobs of a command before the first one starts, their data and models included.

    Args:
        jobs: Pairs of a resolved config and the labels of its study.
        folder: The folder where relative paths start.
        helpers: Dotted keys that only references of the configs read. None (the default): they are not known.
        trains_here: This machine trains the studies, so a GPU that one asks for must be here. Default True.
        in_this_process: Choose trainers for the backend that this process has loaded. Default False.

    Raises:
        BackendError: A study asks for a GPU, and its backend does not answer.
        ConfigError: Some job has a fault; the error has the faults of all jobs.
        DataError: A data set cannot be loaded.
        StoreError: A store exists and cannot be used.
        StudyError: A model cannot be built, or a `study_name` belongs to another study.
    """
    configs: list[StudyConfig] = []
    faults: dict[str, Fault] = {}
    choices: Sequence[Choice | None] = [None] * len(jobs)
    datasets: dict[str, Dataset] = {}
    try:
        chosen = choose_trainers(
            [raw for raw, _ in jobs], folder=folder, helpers=helpers, in_this_process=in_this_process
        )
        choices, datasets = chosen.choices, dict(chosen.datasets)
    except ConfigError as error:
        faults |= {str(fault): fault for fault in error.faults}
    for (raw, labels), choice in zip(jobs, choices, strict=True):
        try:
            config = load_config(
                raw, folder=folder, labels=labels, helpers=helpers, choice=choice, trains_here=trains_here
            )
            configs.append(config)
        except ConfigError as error:
            faults |= {str(fault): fault for fault in error.faults}
    if faults:
        raise ConfigError(list(faults.values()))
    if len(configs) > 1:  # a single study loads and builds before it touches a store
        _check_workloads(configs, datasets)
    shared, kept = next(iter(datasets.values())) if len(datasets) == 1 else None, KeptParts()
    return [
        CheckedStudy(config=config, choice=choice, dataset=shared, kept=kept)
        for config, choice in zip(_with_companions(configs), choices, strict=True)
    ]


def _with_companions(configs: Sequence[StudyConfig]) -> list[StudyConfig]:
    """Let each config know the studies of the command in its experiment, so that a reader knows what is still to come.

    Values of a budget make one study, so its digest counts once.
    """
    digests: dict[tuple[str, str], dict[str, None]] = {}
    for config in configs:
        digests.setdefault((config.stores.tracking_uri, config.experiment_name), {})[config.typed_digest] = None
    return [
        replace(config, command_studies=tuple(digests[config.stores.tracking_uri, config.experiment_name]))
        for config in configs
    ]


def _check_workloads(configs: Sequence[StudyConfig], datasets: dict[str, Dataset]) -> None:
    """Load every data set that is not loaded yet, and build every model once, before the first study starts.

    A model is built on the backend of its trainer. If no study of this process's backend has it, another process
    builds it.
    """
    built, elsewhere = set[tuple[str, str]](), dict[tuple[str, str], StudyConfig]()
    for config in configs:
        parts = [config.model.section, *(config.raw["dataset"].get(part) for part in ("task", "augment"))]
        key = data_key(config), json.dumps(parts, sort_keys=True)
        if key[0] not in datasets:
            datasets[key[0]] = load_dataset(config)
        if config.backend != loaded_backend():
            elsewhere.setdefault(key, config)
        elif key not in built:
            build_model(config, datasets[key[0]])
            check_task(config, datasets[key[0]])
            built.add(key)
    for key, config in elsewhere.items():
        if key not in built:
            call_in_subprocess("study.pipeline.preflight:check_workload", config, quiet=True)
