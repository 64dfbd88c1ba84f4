"""One study from start to end, as a table of contents: check, search, confirm, record."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import confirming, live, phases, recording, stability
from study.advice import advise, is_auto
from study.checks import Reader
from study.components import instantiate
from study.config import StudyConfig
from study.datasets import Dataset, misplaced_labels
from study.errors import BackendError, ConfigError, DataError, Fault, StudyError
from study.noise import captured
from study.parse import parse
from study.parse_stores import read_stores
from study.results import Trainer
from study.search import Best, Search, open_search
from study.search_names import check_name, known_digests
from study.settings import resolve_setting, told_by_origin
from study.tracking.store import check_store
from study.tracking.writer import StudyTracker, open_study
from study.training.backend import loaded_backend, select_backend
from study.training.device import device

_PACKAGES = ("keras", "tensorflow", "jax", "jaxlib", "torch", "optuna", "mlflow", "numpy", "optimizer-study")


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """What a study came to.

    Attributes:
        experiment: The experiment's name.
        name: The study's name in it.
        best: The best trial; None when none completed.
        tracking_uri: The MLflow store that holds everything else.
        run_id: The study's MLflow run.
    """

    experiment: str
    name: str
    best: Best | None
    tracking_uri: str
    run_id: str


def run_study(config: StudyConfig | Mapping[str, Any]) -> StudyOutcome:
    """Run a study to its end, or go on where it was left, and return what it came to.

    Args:
        config: From `load_config`, or a resolved config to be read by it.

    Raises:
        ConfigError: Something is wrong with the config.
        BackendError: The backend is not installed, or this process holds another.
        DataError: The data set cannot be loaded.
        StoreError: A store cannot be used.
        StudyError: The model cannot be built, or `study_name` belongs to another study.
    """
    if not isinstance(config, StudyConfig):
        config = load_config(config)
    started = time.monotonic()
    select_backend(config.backend, deterministic=config.deterministic)
    log = config.stores.artifacts.parent / "logs" / f"{config.experiment_name}-{config.digest}.log"
    with (
        _leaving_nothing(config, log),
        captured(log) as terminal,
        live.open_view(config.live, stream=terminal) as view,
    ):
        dataset = load_dataset(config)
        trainer = build_trainer(config, dataset)
        with open_search(config) as search, _opened(config, search, dataset=dataset) as tracker:
            view.study_started(
                search.name,
                experiment=config.experiment_name,
                metric=config.objective.metric,
                direction=config.objective.direction,
                n_trials=config.n_trials,
                n_done=search.n_spent,
                n_confirmations=confirming.n_confirmations_due(config, tracker),
            )
            if advice := config.raw.get("advice"):
                view.message(f"trainer=auto: {advice}")
            if warning := stability.warning(config):
                view.message(warning)
            cast = phases.Cast(config=config, search=search, tracker=tracker, trainer=trainer, view=view)
            best = phases.search(cast, meanwhile=lambda: confirming.confirm_untuned(cast))
            confirmed = confirming.confirm(cast, best)
            recording.keep_model(cast, best, confirmed, dataset=dataset)
            recording.record(cast, best)
            tracker.artifact_file(log, "")
            shown = None if best is None else live.Best(number=best.number, objective=best.objective)
            view.study_ended(best=shown, seconds=time.monotonic() - started)
            return StudyOutcome(
                experiment=config.experiment_name,
                name=search.name,
                best=best,
                tracking_uri=config.stores.tracking_uri,
                run_id=tracker.run_id,
            )


@contextlib.contextmanager
def _leaving_nothing(config: StudyConfig, log: Path) -> Iterator[None]:
    """Take the log and its folders away again where the study ends before it has a store."""
    made = [path for path in (log, log.parent, log.parent.parent) if not path.exists()]
    try:
        yield
    except BaseException:
        journal = config.stores.optuna_journal
        if log in made and (journal is None or not journal.exists()):
            log.unlink(missing_ok=True)
            for folder in made[1:]:
                with contextlib.suppress(OSError):  # somebody else has put something there
                    folder.rmdir()
        raise


def load_config(raw: Mapping[str, Any], *, folder: Path | None = None, labels: Sequence[str] = ()) -> StudyConfig:
    """Read and check a resolved config, taking its setting and, where it leaves that open, choosing its trainer.

    Args:
        raw: The resolved config, as `study run --cfg job --resolve` prints it.
        folder: Where relative paths start; None: the working directory.
        labels: Names for the study, the first that is free is taken; none: the optimizer's name.

    Raises:
        ConfigError: Something is wrong with the config; it holds every fault.
        StoreError: A store is there and cannot be used.
        StudyError: `study_name` belongs to another study.
    """
    folder = (folder or Path.cwd()).resolve()
    resolved = resolve_setting(raw)
    raw = resolved.raw
    if is_auto(raw):
        raw = _advised(raw, folder=folder)
    trainer = raw.get("trainer")
    backend = trainer.get("backend") if isinstance(trainer, Mapping) else None
    # Checking needs some backend; whether this process can train on the one asked for is seen when it is to.
    with contextlib.suppress(BackendError):
        select_backend(backend if isinstance(backend, str) else "(none)")
    try:
        config = parse(raw, folder=folder, labels=labels)
    except ConfigError as error:
        raise told_by_origin(error, resolved.origins) from None
    check_store(config.stores.tracking_uri)
    check_name(config)
    return config


def check(jobs: Sequence[tuple[Mapping[str, Any], Sequence[str]]], *, folder: Path) -> list[StudyConfig]:
    """Check all jobs of a command before the first one starts, their data and models included.

    Args:
        jobs: Pairs of a resolved config and the labels of its study.
        folder: Where relative paths start.

    Raises:
        ConfigError: Some job has a fault; it holds those of all jobs.
        DataError: A data set cannot be loaded.
        StoreError: The Optuna journal cannot be read.
        StudyError: A model cannot be built, or a `study_name` belongs to another study.
    """
    configs: list[StudyConfig] = []
    faults: dict[str, Fault] = {}
    for raw, labels in jobs:
        try:
            configs.append(load_config(raw, folder=folder, labels=labels))
        except ConfigError as error:
            faults |= {str(fault): fault for fault in error.faults}
    if faults:
        raise ConfigError(list(faults.values()))
    if len(configs) > 1:  # a single study loads and builds before it touches a store
        _check_workloads(configs)
    return configs


def load_dataset(config: StudyConfig) -> Dataset:
    """Load the study's data set.

    Raises:
        DataError: It cannot be loaded, or has labels of more classes than it says.
        ConfigError: An argument is wrong.
    """
    dataset: Dataset = instantiate(config.dataset.section)
    if config.task.has_classes and (told := misplaced_labels(dataset, n_outputs=dataset.n_outputs)):
        raise DataError(
            f"dataset={config.dataset.name}: {told}, expected 0 to {dataset.n_outputs - 1}, for its n_outputs is "
            f"{dataset.n_outputs}. Correct the labels, or let load() return the number of classes as n_outputs."
        )
    return dataset


def build_trainer(config: StudyConfig, dataset: Dataset) -> Trainer:
    """Build the study's trainer, and once the model, so that a bad argument is told before anything is stored.

    Raises:
        StudyError: The model or the trainer cannot be built.
    """
    try:
        trainer: Trainer = instantiate(config.trainer.section, config=config, dataset=dataset)
        from study.training.initial import outline  # imports Keras, with the backend that the trainer has chosen

        _check_outputs(config, dataset, outline(trainer.build_model))
    except (ValueError, TypeError) as error:
        raise StudyError(
            f"model={config.model.name} dataset={config.dataset.name} trainer={config.trainer.name}: "
            f"they do not fit. {error}"
        ) from error
    return trainer


def environment() -> dict[str, str]:
    """Return the versions of what computes, by package, with `python`, `device` and, in a checkout, `git_commit`.

    The device is what the loaded backend computes on, and left out as long as none is loaded.
    """
    found = {"python": platform.python_version()}
    if loaded_backend() is not None:
        found["device"] = device()
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if described.returncode == 0:
        found["git_commit"] = described.stdout.strip()
    return found


def _advised(raw: Mapping[str, Any], *, folder: Path) -> Mapping[str, Any]:
    """Choose the trainer, before anything is checked: checking imports Keras with its backend."""
    read = Reader(raw)
    named = [read.value(f"{part}.name", default=None) for part in ("dataset", "model")]
    experiment = read.value("experiment_name", default=None) or "-".join(map(str, named))
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
            try:
                shape, n_outputs = dataset.input_shape, dataset.n_outputs
                _check_outputs(
                    config, dataset, instantiate(config.model.section, input_shape=shape, n_outputs=n_outputs)
                )
            except (ValueError, TypeError) as error:
                raise StudyError(
                    f"model={config.model.name} dataset={config.dataset.name}: they do not fit. {error}"
                ) from error
            built.add((data_key, model_key))


def _check_outputs(config: StudyConfig, dataset: Dataset, model: Any) -> None:
    """Refuse a model whose output has no place for some class; training would give wrong numbers, not an error."""
    shape = getattr(model, "output_shape", None)  # a subclass of keras.Model does not say
    width = shape[-1] if isinstance(shape, tuple) and shape else None
    if width is not None and config.task.has_classes and (told := misplaced_labels(dataset, n_outputs=width)):
        raise ValueError(
            f"The model's output has a width of {width}, and {told}. Build its last layer with the n_outputs that it "
            "is given, or choose another model."
        )


def _opened(config: StudyConfig, search: Search, *, dataset: Dataset) -> StudyTracker:
    """Open the record, one worker after the other, so that the first makes what all go on with."""
    with search.alone():
        return open_study(config, study_name=search.name, dataset=dataset, environment=environment())
