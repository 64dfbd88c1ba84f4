"""Refuse runs that a plain script cannot train: each with its key, its value and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from study.config.instantiate import locate
from study.config.schema import StudyConfig
from study.core.errors import Fault, StudyError
from study.core.session_objects import is_of_session
from study.core.trees import named_leaves
from study.datasets import Dataset, Split

_PROJECT = "study"
_TRAINERS = ("study.training.fit.FitTrainer", "study.training.vectorized.VectorizedTrainer")
# Arguments of the trainers that a script follows, or that change no number.
_KNOWN = (
    "name",
    "_target_",
    "backend",
    "device",
    "batch_size",
    "eval_batch_size",
    "precision",
    "jit_compile",
    "capacity",
    "checkpoint_every_n_epochs",
    "early_stopping",
)
# Kinds of arrays that an NPZ file holds: truth values, numbers and texts.
_KINDS = "biufcU"
_REPRODUCE = "`study reproduce` trains it again."


def check_config(raw: Mapping[str, Any]) -> None:
    """Refuse a config with settings that a script does not follow.

    Args:
        raw: The resolved config.

    Raises:
        StudyError: A setting is not one that a script follows.
    """
    trainer = raw.get("trainer", {})
    if trainer.get("_target_") not in _TRAINERS:
        allowed = "trainer=fit or trainer=vectorized, whose steps are Keras's own"
        _refuse("trainer", trainer.get("name", trainer.get("_target_")), allowed=allowed)
    for name, value in trainer.items():
        if name not in _KNOWN and not _is_idle(value):
            _refuse(f"trainer.{name}", value, allowed="no value, since a script does not follow it")
    if trainer.get("precision") == "float64":
        allowed = "float32 or bfloat16; in float64 a script gave other numbers than the study"
        _refuse("trainer.precision", "float64", allowed=allowed)
    exclude = raw.get("optimizer", {}).get("exclude")
    if exclude is not None:
        _refuse("optimizer.exclude", exclude, allowed="null, since a script has one optimizer")
    for name, inner in inner_targets(raw.get("model", {})).items():
        if inner.startswith(f"{_PROJECT}."):
            _refuse(f"model.{name}", inner, allowed="a value, since a script does not import this project")
    for name, target in _of_session(raw):
        if name != "dataset._target_":  # data is written beside the script
            _refuse(name, target, allowed="a function or class in a module, which a script can import or take over")
    augment = raw.get("dataset", {}).get("augment")
    if not _is_idle(augment):
        _refuse("dataset.augment", augment, allowed="no layers, since a script does not follow them")


def _of_session(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the functions and classes of a Python session that a config names, with the keys that name them."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _of_session(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _of_session(inner, f"{name}[{index}]")
    elif isinstance(value, str) and is_of_session(value):
        yield name, value


def inner_targets(section: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted paths that arguments of a section name, which its target imports itself.

    Args:
        section: The section.
    """
    return {
        str(name): str(value["_target_"])
        for name, value in section.items()
        if isinstance(value, Mapping) and "_target_" in value
    }


def check_data(config: StudyConfig, dataset: Dataset) -> None:
    """Refuse data that an NPZ file cannot hold, a schedule that is not one of Keras's kind, and some rules of epochs.

    Args:
        config: The study's config.
        dataset: The study's data set.

    Raises:
        StudyError: The data or the schedule are of another kind.
    """
    for name, split in dataset.splits.items():
        if not isinstance(split, Split):
            _refuse("dataset", config.dataset.name, allowed=f"arrays, and {name} is a stream of batches")
        if not split.is_in_memory:
            _refuse("dataset", config.dataset.name, allowed=f"arrays in memory, and {name} is read in pieces")
        for place, array in named_leaves(split.parts, name):
            if array.dtype.kind not in _KINDS:
                allowed = f"arrays of numbers or texts, and {place} has the type {array.dtype}"
                _refuse("dataset", config.dataset.name, allowed=allowed)
    _check_rules(config)
    target = config.schedule.section.get("_target_")
    base = locate("keras.optimizers.schedules.LearningRateSchedule")
    made = None if target is None else locate(target)
    if made is not None and not (isinstance(made, type) and issubclass(made, base)):  # type: ignore[arg-type]
        _refuse("schedule", config.schedule.name, allowed="a class of keras.optimizers.schedules.LearningRateSchedule")


def _check_rules(config: StudyConfig) -> None:
    """Refuse rules that Keras's callbacks would apply to other numbers or to other weights."""
    if config.early_stopping is not None and config.optimizer.fixed.get("use_ema"):
        _refuse("optimizer.use_ema", True, allowed="false with early stopping, which in Keras keeps no averages")
    for rule in (config.early_stopping, config.rate_reduction):
        metric = "val_" if rule is None else rule.monitor.metric
        if config.task.train_metrics == "evaluated" and not metric.startswith("val_"):
            allowed = "a metric of validation, since those of training were measured after each epoch"
            _refuse("trainer.early_stopping.monitor", metric, allowed=allowed)


def refuse_part(key: str, value: object, reason: str) -> StudyError:
    """Return the error for a part of the run whose code cannot be written into a script.

    Args:
        key: Key of the part, such as `model`.
        value: The part, such as its `_target_`.
        reason: The reason, as a clause.
    """
    allowed = f"code that a script can take over: definitions that need Keras, NumPy and Python alone; {reason}"
    return _refusal(key, value, allowed=allowed)


def _is_idle(value: Any) -> bool:
    """Return whether a value stands for nothing: null, an empty list, or a section of nulls."""
    if isinstance(value, Mapping):
        return all(each is None for each in value.values())
    return value is None or (isinstance(value, Sequence) and not isinstance(value, str) and not value)


def _refuse(key: str, value: object, *, allowed: str) -> None:
    raise _refusal(key, value, allowed=allowed)


def _refusal(key: str, value: object, *, allowed: str) -> StudyError:
    advice = f"Export a run with another value, or leave --script out: {_REPRODUCE}"
    return StudyError(f"--script: {Fault(key=key, value=value, allowed=allowed, advice=advice)}")
