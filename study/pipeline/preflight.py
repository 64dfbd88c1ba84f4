"""Checks before a study starts: read its config, load its data, build its trainer, refuse invalid combinations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from study.config.instantiate import instantiate
from study.config.named_settings import resolve_setting, told_by_origin
from study.config.parse import parse
from study.config.parse_stores import read_stores
from study.config.reader import Reader
from study.config.schema import StudyConfig
from study.core.errors import (
    BackendError,
    ConfigError,
    DataError,
    Fault,
    StudyError,
    own_fault,
    refuse_out_of_memory,
    told_with_place,
)
from study.core.names import default_experiment_name
from study.core.trainer_interface import Trainer
from study.datasets import Dataset, misplaced_labels
from study.pipeline.data_check import check_data
from study.search.search_check import search_faults
from study.search.storage.interface import wait_for_storage
from study.search.study_names import check_name, known_digests
from study.tracking.connection import check_store
from study.tracking.outbox.server_wait import wait_for_server
from study.training.auto import advise, is_auto
from study.training.backend import check_settings_file, loaded_backend, select_backend, use_keras_defaults
from study.training.devices import asked_device, device_faults, select_device
from study.training.trainer_check import candidate_faults, trainer_faults


def load_config(
    raw: Mapping[str, Any],
    *,
    folder: Path | None = None,
    labels: Sequence[str] = (),
    helpers: Collection[str] | None = None,
    load_own: bool = True,
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
        advised = _advised(raw, folder=folder)
        candidates, raw = candidate_faults(raw["trainer"]), advised
    trainer = raw.get("trainer")
    backend = trainer.get("backend") if isinstance(trainer, Mapping) else None
    # Checking needs some backend. Training shows whether this process can use the requested one.
    with contextlib.suppress(BackendError):
        select_backend(backend if isinstance(backend, str) else "(none)")
    check_settings_file()
    try:
        config = parse(raw, folder=folder, labels=labels, helpers=helpers, load_own=load_own)
    except ConfigError as error:
        raise told_by_origin(ConfigError([*error.faults, *candidates]), resolved.origins) from None
    if candidates:
        raise ConfigError(candidates)
    use_keras_defaults()  # reading the config has imported Keras
    if loaded_backend() == config.backend:
        with contextlib.suppress(BackendError):  # training shows it, as above
            select_device(config.backend, asked_device(config))
    _check_parts(config, resolved.origins, trains_here=trains_here)
    check_stores(config)
    return config


def _check_parts(config: StudyConfig, origins: Mapping[str, str], *, trains_here: bool) -> None:
    """Check the trainer's arguments and device, and build optimizer, schedule, sampler and pruner once.

    Raises:
        ConfigError: One of them cannot be built or used.
    """
    from study.training.optimizer_check import optimizer_faults  # imports Keras

    faults = [*trainer_faults(config), *optimizer_faults(config), *search_faults(config)]
    if trains_here:
        faults += device_faults(config)
    if faults:
        raise told_by_origin(ConfigError(faults), origins)


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
) -> list[StudyConfig]:
    """Check all jobs of a command before the first one starts, their data and models included.

    Args:
        jobs: Pairs of a resolved config and the labels of its study.
        folder: The folder where relative paths start.
        helpers: Dotted keys that only references of the configs read. None (the default): they are not known.
        trains_here: This machine trains the studies, so a GPU that one asks for must be here. Default True.

    Raises:
        BackendError: A study asks for a GPU, and its backend does not answer.
        ConfigError: Some job has a fault; the error has the faults of all jobs.
        DataError: A data set cannot be loaded.
        StoreError: A store exists and cannot be used.
        StudyError: A model cannot be built, or a `study_name` belongs to another study.
    """
    configs: list[StudyConfig] = []
    faults: dict[str, Fault] = {}
    for raw, labels in jobs:
        try:
            configs.append(load_config(raw, folder=folder, labels=labels, helpers=helpers, trains_here=trains_here))
        except ConfigError as error:
            faults |= {str(fault): fault for fault in error.faults}
    if faults:
        raise ConfigError(list(faults.values()))
    if len(configs) > 1:  # a single study loads and builds before it touches a store
        _check_workloads(configs)
    return configs


def load_dataset(config: StudyConfig) -> Dataset:
    """Load the study's data set and check it.

    Args:
        config: The study's config.

    Raises:
        DataError: The data set cannot be loaded, or no trainer could train on it.
        ConfigError: An argument is wrong.
    """
    try:
        loaded = instantiate(config.dataset.section)
    except StudyError:
        raise
    except Exception as error:  # a function of the user's can fail in any way
        refuse_out_of_memory(error, f"loading dataset={config.dataset.name}")
        raise DataError(
            f"dataset={config.dataset.name}: {config.dataset.section['_target_']} {told_with_place(error)}. Correct "
            "the function, or the arguments that conf/dataset gives it."
        ) from error
    return check_data(config, loaded)


def build_model(config: StudyConfig, dataset: Dataset) -> Any:
    """Build the model once, perhaps without values, so that a wrong argument is refused before anything is stored.

    Args:
        config: The study's config.
        dataset: The study's data set.

    Raises:
        ConfigError: What the target returns is no model of Keras.
        StudyError: The model cannot be built, or does not fit the data.
    """
    # These import Keras, with the backend that was selected.
    from study.training.initial_weights import outline
    from study.training.model_setup import fresh_model

    precision = str(config.trainer.section.get("precision", "float32"))
    with _fitting_together(config):
        model = outline(partial(fresh_model, config, dataset, precision=precision))
        _check_outputs(config, dataset, model)
    return model


def check_task(config: StudyConfig, dataset: Dataset) -> None:
    """Check, without computing, that model, data, loss and metrics fit together.

    Args:
        config: The study's config.
        dataset: The study's data set.

    Raises:
        ConfigError: They do not fit together; the error has all faults.
    """
    from study.training.task_check import task_faults  # imports Keras

    with _fitting_together(config):
        faults = task_faults(config, dataset)
    if faults:
        raise ConfigError(faults)


def build_trainer(config: StudyConfig, dataset: Dataset) -> Trainer:
    """Build the trainer.

    Args:
        config: The study's config.
        dataset: The study's data set.

    Raises:
        StudyError: The trainer cannot be built.
    """
    with _fitting_together(config):
        trainer: Trainer = instantiate(config.trainer.section, config=config, dataset=dataset)
    return trainer


@contextlib.contextmanager
def _fitting_together(config: StudyConfig) -> Iterator[None]:
    try:
        yield
    except StudyError:
        raise
    except (ValueError, TypeError) as error:
        refuse_out_of_memory(error, f"building model={config.model.name}")
        own = own_fault(error)
        if own is not None and own.key.startswith(("model.", "trainer.")):  # wrong for any data set
            raise ConfigError([own]) from error
        raise StudyError(
            f"model={config.model.name} dataset={config.dataset.name} trainer={config.trainer.name}: "
            f"they do not fit together. {error}"
        ) from error
    except Exception as error:  # a model of the user's can fail in any way
        refuse_out_of_memory(error, f"building model={config.model.name}")
        raise StudyError(
            f"model={config.model.name} dataset={config.dataset.name} trainer={config.trainer.name}: "
            f"building {config.model.section.get('_target_')} {told_with_place(error)}. Correct the model, or choose "
            "another."
        ) from error


def _advised(raw: Mapping[str, Any], *, folder: Path) -> Mapping[str, Any]:
    """Choose the trainer before anything is checked: checking imports Keras with its backend."""
    read = Reader(raw)
    named = [read.value(f"{part}.name", default=None) for part in ("dataset", "model")]
    experiment = read.value("experiment_name", default=None) or default_experiment_name(*map(str, named))
    stores = read_stores(read, folder)
    # A config with faults is refused later, with all of them.
    return advise(
        raw,
        experiment_name=experiment,
        known=lambda: frozenset() if read.faults else known_digests(stores, experiment),
    )


def _check_workloads(configs: Sequence[StudyConfig]) -> None:
    """Load every data set and build every model once."""
    datasets: dict[str, Dataset] = {}
    built = set()
    for config in configs:
        data_key, model_key = (json.dumps(part.section, sort_keys=True) for part in (config.dataset, config.model))
        if data_key not in datasets:
            datasets[data_key] = load_dataset(config)
        if (data_key, model_key) not in built:
            dataset = datasets[data_key]
            build_model(config, dataset)
            check_task(config, dataset)
            built.add((data_key, model_key))


def _check_outputs(config: StudyConfig, dataset: Dataset, model: Any) -> None:
    """Refuse a model whose output is too narrow for the classes: training would give wrong numbers, not an error."""
    shape = getattr(model, "output_shape", None)  # a subclass of keras.Model may have none
    width = shape[-1] if isinstance(shape, tuple) and shape else None
    if width is not None and config.task.has_classes and (told := misplaced_labels(dataset, n_outputs=width)):
        raise ValueError(
            f"The model's output has a width of {width}, and {told}. Build its last layer with the n_outputs that "
            "build() receives, or choose another model."
        )
