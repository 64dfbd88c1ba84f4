"""Facts of a study's targets and of its model, from which its loss and its metrics can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from study.config.parse import parse
from study.config.schema import StudyConfig
from study.core.errors import DataError, StudyError
from study.core.subprocess_call import call_in_subprocess
from study.core.trees import leaves
from study.datasets import Dataset
from study.pipeline.workload import fitting_together, load_dataset
from study.training.auto import Choice, Option, find_candidates, is_auto, with_choice
from study.training.backend import loaded_backend, start_backend

if TYPE_CHECKING:
    from study.training.task_facts import TaskFacts

# Class indices; rows with a single 1; numbers; several arrays.
Targets = Literal["classes", "one_hot", "numbers", "several"]
# Examples in which rows with a single 1 are looked for.
_N_LOOKED_AT = 10_000


@dataclass(frozen=True, kw_only=True)
class WorkloadFacts:
    """Facts of a study's targets and of its model.

    Attributes:
        targets: The kind of the targets.
        n_classes: Number of classes; 0 if the targets are no class indices.
        model: Facts of the model.
    """

    targets: Targets
    n_classes: int
    model: TaskFacts


def workload_facts(raw: Mapping[str, Any], *, folder: Path) -> WorkloadFacts:
    """Load a study's data and build its model, on the first backend on which it works.

    Args:
        raw: The resolved config, whose task may be a guess.
        folder: The folder where relative paths start.

    Raises:
        ConfigError: The config has faults.
        DataError: The data set cannot be loaded.
        StudyError: The model cannot be built on any backend of the config.
    """
    options = _options(raw)
    failed: list[StudyError] = []
    for option in options:
        tried = raw if option is None else with_choice(raw, Choice(option=option, reason=""))
        backend = str(tried["trainer"].get("backend"))
        try:
            if loaded_backend() in (None, backend):
                return read_facts(tried, folder)
            found: WorkloadFacts = call_in_subprocess("study.pipeline.workload_facts:read_facts", tried, folder)
            return found
        except DataError:
            raise
        except StudyError as error:
            failed.append(error)
    raise failed[0]


def read_facts(raw: Mapping[str, Any], folder: Path) -> WorkloadFacts:
    """Load a study's data and build its model in this process.

    Args:
        raw: The resolved config, with a trainer.
        folder: The folder where relative paths start.

    Raises:
        StudyError: The config has faults, the data cannot be loaded, or the model cannot be built.
    """
    start_backend(str(raw["trainer"]["backend"]))
    from study.training.task_facts import task_facts  # imports Keras

    config = parse(raw, folder=folder)
    dataset = load_dataset(config)
    with fitting_together(config):
        facts = task_facts(config, dataset)
    targets = kind_of_targets(leaves(dataset.train.first(_N_LOOKED_AT).y))
    return WorkloadFacts(
        targets=targets,
        n_classes=_n_classes(config, dataset) if targets == "classes" else 0,
        model=facts,
    )


def kind_of_targets(arrays: list[Any]) -> Targets:
    """Return the kind of targets: whole numbers, truth values and texts are classes, other numbers are numbers.

    Args:
        arrays: The arrays of targets, each of shape (n, ...).
    """
    if len(arrays) != 1:
        return "several"
    y = np.asarray(arrays[0])
    if y.ndim == 2 and y.shape[1] > 1:
        is_one_hot = y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
        return "one_hot" if is_one_hot else "numbers"
    is_column = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    return "classes" if is_column and y.dtype.kind in "biuOSU" else "numbers"


def _n_classes(config: StudyConfig, dataset: Dataset) -> int:
    return int(dataset.n_outputs) if config.task.takes_classes("y") and isinstance(dataset.n_outputs, int) else 0


def _options(raw: Mapping[str, Any]) -> list[Option | None]:
    """Return the options of a config that leaves its trainer open, those of the loaded backend first, then JAX's."""
    if not is_auto(raw):
        return [None]
    by_backend = {option.backend: option for option in reversed(find_candidates(raw).options)}
    loaded = loaded_backend()
    return [*sorted(by_backend.values(), key=lambda option: (option.backend != loaded, option.backend))]
