"""A study's workload: load its data, build its model and its trainer, and check that they fit together."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.at_point import at
from study.config.instantiate import instantiate
from study.config.schema import StudyConfig
from study.config.task import CLASS_WEIGHT
from study.core.errors import (
    ConfigError,
    DataError,
    Fault,
    StudyError,
    own_fault,
    refuse_out_of_memory,
    told_with_place,
)
from study.core.search_space import Value
from study.core.trainer_interface import Trainer
from study.datasets import Dataset, misplaced_labels
from study.datasets.preparation.prepare import Preparation, prepare
from study.pipeline.by_point import TrainerByPoint
from study.pipeline.check_points import point_faults
from study.pipeline.class_weights import class_weight_faults, with_class_weights
from study.pipeline.data_check import check_data

# Keys of a task that the check of the data does not read.
_OF_TRAINING = ("batch_size", "objective", "train_metrics", "class_weight", "loss_weights")

# The trainer that trains trials of different configs in one program, except for different sample weights.
_VECTORIZED = "study.training.vectorized.VectorizedTrainer"

_UNSAFE = (
    "model={model}: {build} loads a .keras file that holds Python code, such as a Lambda layer of a lambda. Keras "
    "runs no code of a file, since anybody can have written it. Save the model with layers of registered classes "
    "instead. Only for a file of your own: let {build} call keras.saving.load_model with safe_mode=False."
)


def data_key(config: StudyConfig) -> str:
    """Return a text that is equal for two studies of a command that can share one data set.

    Args:
        config: The study's config.
    """
    task = {key: value for key, value in config.raw["dataset"]["task"].items() if key not in _OF_TRAINING}
    precision = config.trainer.section.get("precision")
    return json.dumps(
        [config.dataset.section, task, config.split_seed, config.deterministic, precision], sort_keys=True
    )


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
    faults: list[Fault] = []
    if isinstance(loaded, Dataset):
        try:
            loaded = prepare(loaded, _preparation(config), faults)
        except DataError as error:  # of a stream
            raise DataError(f"dataset={config.dataset.name}: {error}") from error
    return check_data(config, loaded, found=faults)


def _preparation(config: StudyConfig) -> Preparation:
    return Preparation(
        name=config.dataset.name,
        source=str(config.dataset.section["_target_"]),
        has_classes=config.task.takes_classes,
        split_seed=config.split_seed,
        deterministic=config.deterministic,
        shuffle=config.task.shuffle,
    )


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
    with fitting_together(config):
        model = outline(partial(fresh_model, config, dataset, precision=precision))
        _check_outputs(config, dataset, model)
    return model


def check_task(config: StudyConfig, dataset: Dataset) -> None:
    """Check, without computing, that model, data, loss and metrics fit together, at every end of a searched range too.

    Args:
        config: The study's config.
        dataset: The study's data set.

    Raises:
        ConfigError: They do not fit together; the error has all faults.
    """
    _check_task(config, dataset)

    def build(of_point: StudyConfig) -> None:
        from study.training.build_optimizer import build_schedule  # imports Keras

        build_model(of_point, dataset)
        _check_task(of_point, dataset)
        if of_point.schedule.section != config.schedule.section:
            with fitting_together(of_point):
                build_schedule(of_point.schedule.section, n_steps=of_point.budget.total_steps(1))

    if faults := point_faults(config, build):
        raise ConfigError(faults)


def _check_task(config: StudyConfig, dataset: Dataset) -> None:
    from study.training.augmentation import augment_faults  # imports Keras
    from study.training.task_check import task_faults

    with fitting_together(config):
        faults = class_weight_faults(config.task, dataset)
        weighted = dataset if faults else with_class_weights(config.task, dataset)
        faults += [*task_faults(config, weighted), *augment_faults(config, dataset)]
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
    keys = _of_trainers(config, dataset)

    def build(config: StudyConfig) -> Trainer:
        if _is_vectorized(config):  # it looks after all keys that are searched
            left = {key: searched for key, searched in config.searched.items() if key not in keys}
            config = replace(config, searched=left)
        in_step = _is_vectorized(config) and config.searches(CLASS_WEIGHT)
        weighted = dataset if in_step else with_class_weights(config.task, dataset)
        trainer: Trainer = instantiate(config.trainer.section, config=config, dataset=weighted)
        return trainer

    with fitting_together(config):
        return TrainerByPoint(config, keys=keys, build=build) if keys else build(config)


def build_model_at(
    config: StudyConfig,
    dataset: Dataset,
    trainer: Trainer,
    hyperparameters: Mapping[str, Value],
    weights: Sequence[NDArray[np.generic]] | None = None,
) -> Any:
    """Return a fresh, uncompiled Keras model at a point, as the study's trainer builds it.

    Args:
        config: The study's config.
        dataset: The study's data set.
        trainer: The study's trainer.
        hyperparameters: The point.
        weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.
    """
    of_point = at(config, hyperparameters)
    if of_point is config:
        return trainer.build_model(weights)
    return build_trainer(replace(of_point, searched={}), dataset).build_model(weights)


def _of_trainers(config: StudyConfig, dataset: Dataset) -> list[str]:
    """Return the searched keys for each of whose values a trainer of its own is built."""
    if not _is_vectorized(config):
        return list(config.searched)
    from study.training.vectorized.class_weighting import are_in_step  # imports JAX

    of_data = [key for key in config.searched if key.startswith(CLASS_WEIGHT)]
    return [] if not of_data or are_in_step(config, dataset) else of_data


def _is_vectorized(config: StudyConfig) -> bool:
    return bool(config.trainer.section["_target_"] == _VECTORIZED)


@contextlib.contextmanager
def files_apart(config: StudyConfig) -> Iterator[StudyConfig]:
    """Yield a study's config whose trainings write their files, such as those of callbacks, into a temporary folder.

    Args:
        config: The study's config.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield replace(config, stores=replace(config.stores, artifacts=Path(folder) / "artifacts"))


@contextlib.contextmanager
def fitting_together(config: StudyConfig) -> Iterator[None]:
    """Name model and data in the errors of the block, which builds the model or uses it on the data.

    Args:
        config: The study's config.

    Raises:
        ConfigError: An argument of the model or the trainer is wrong.
        StudyError: The model cannot be built, or does not fit the data.
    """
    try:
        yield
    except StudyError:
        raise
    except (ValueError, TypeError) as error:
        refuse_out_of_memory(error, f"building model={config.model.name}")
        if "safe_mode=False" in str(error):
            raise StudyError(
                _UNSAFE.format(model=config.model.name, build=config.model.section["_target_"])
            ) from error
        own = own_fault(error)
        if own is not None and own.key.startswith(("model.", "trainer.", "schedule.")):  # wrong for any data set
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


def _check_outputs(config: StudyConfig, dataset: Dataset, model: Any) -> None:
    """Refuse a model whose output is too narrow for the classes: training would give wrong numbers, not an error."""
    if not all(isinstance(getattr(split, "y", None), np.ndarray) for split in (dataset.train, dataset.validation)):
        return  # several outputs or a stream, whose classes are checked on their own
    shape = getattr(model, "output_shape", None)  # a subclass of keras.Model may have none
    width = shape[-1] if isinstance(shape, tuple) and shape else None
    if width is not None and config.task.has_classes and (told := misplaced_labels(dataset, n_outputs=width)):
        raise ValueError(
            f"The model's output has a width of {width}, and {told}. Build its last layer with the n_outputs that "
            "build() receives, or choose another model."
        )
