"""Build the callbacks that a study names, and check them before anything is trained."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import keras

from study.config.instantiate import Section, instantiate, locate
from study.config.schema import StudyConfig
from study.core.errors import Fault, told_with_place
from study.training.keras_internals import all_layers
from study.training.unfreeze import matching_layers

# Arguments of Keras's callbacks that are paths.
_PATHS = ("filename", "filepath", "log_dir")
_PARTIAL = "_partial_"
# Callbacks that would do a second time what a study does, with the key that does it.
_OURS: Mapping[str, str] = {
    "EarlyStopping": "Use trainer.early_stopping, by which the objective is that of the kept weights.",
    "ReduceLROnPlateau": "Use schedule=plateau, which every trainer knows.",
    "BackupAndRestore": "Use trainer.checkpoint_every_n_epochs, by which a study goes on after an interruption.",
    "SwapEMAWeights": "Leave it out: with optimizer.use_ema=true, evaluations use the averages.",
    "RemoteMonitor": "Leave it out: MLflow has the metrics of every epoch.",
}
_UNFREEZE = "study.training.unfreeze.Unfreeze"
_SCHEDULER, _TENSORBOARD = "LearningRateScheduler", "TensorBoard"


def build_callback(section: Section, *, folder: Path, goes_on: bool = False) -> Any:
    """Build a callback.

    Args:
        section: `_target_` and its arguments. An argument can be a section itself: the object that it builds, or with
            `_partial_: true` its function.
        folder: The folder where relative paths start.
        goes_on: The training goes on after an interruption, so Keras's own log does too. Default False.
    """
    built = {name: _built(value) for name, value in section.items()}
    if str(section["_target_"]).startswith("keras.callbacks."):
        built |= {name: str(folder / built[name]) for name in _PATHS if isinstance(built.get(name), str)}
        if "log_dir" not in built and section["_target_"] == f"keras.callbacks.{_TENSORBOARD}":
            built["log_dir"] = str(folder)
    if goes_on and section["_target_"] == "keras.callbacks.CSVLogger":
        built["append"] = True
    return instantiate(built)


def callback_faults(config: StudyConfig) -> list[Fault]:
    """Return the faults of a study's callbacks: each is built once, in a temporary folder.

    Args:
        config: The study's config.
    """
    found: list[Fault] = []
    for position, section in enumerate(config.callbacks):
        found += list(_faults(config, f"trainer.callbacks.{position}", section))
    return found


def layer_faults(config: StudyConfig, model: Any) -> Iterator[Fault]:
    """Yield a fault for each callback that unfreezes layers of which the model has none, or beside a schedule.

    Args:
        config: The study's config.
        model: The model.
    """
    for position, section in enumerate(config.callbacks):
        if section.get("_target_") != _UNFREEZE:
            continue
        key = f"trainer.callbacks.{position}"
        for name in section["layers"]:
            if not matching_layers(model, [name]):
                there = ", ".join(layer.name for layer in all_layers(model) or model.layers)
                allowed = f"the name of a layer, perhaps with *: {there}"
                yield Fault(key=f"{key}.layers", value=name, allowed=allowed, advice="Correct it.")
        if config.schedule.section.get("_target_") is not None:
            allowed = f"schedule=constant beside it, not {config.schedule.name}"
            advice = "The fresh optimizer would begin the schedule again: leave out one of them."
            yield Fault(key=key, value=section["_target_"], allowed=allowed, advice=advice)


def _faults(config: StudyConfig, key: str, section: Section) -> Iterator[Fault]:
    target = str(section["_target_"])
    name = target.rpartition(".")[2] if target.startswith("keras.callbacks.") else ""
    if name in _OURS:
        yield Fault(key=key, value=target, allowed="a callback that does what the study does not", advice=_OURS[name])
        return
    for argument in _PATHS if name else ():
        path = section.get(argument)
        if isinstance(path, str) and (PurePath(path).is_absolute() or ".." in PurePath(path).parts):
            advice = "Write a relative path: each training has a folder of its own in mlruns/callbacks."
            yield Fault(key=f"{key}.{argument}", value=path, allowed="a path in the training's folder", advice=advice)
            return
    if name == _SCHEDULER and config.schedule.section.get("_target_") is not None:
        advice = "Leave out one of them: Keras cannot set the rate of an optimizer that has a schedule."
        allowed = f"schedule=constant beside it, not {config.schedule.name}"
        yield Fault(key=key, value=target, allowed=allowed, advice=advice)
        return
    if name == _TENSORBOARD and (missing := [each for each in ("tensorflow", "tensorboard") if not _is_here(each)]):
        advice = f"Install it (pip install {missing[0]}), or leave the callback out."
        yield Fault(key=key, value=target, allowed=f"the package {missing[0]}, with which it writes", advice=advice)
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            built = build_callback(section, folder=Path(folder))
        except Exception as error:  # a callback of the user's can fail in any way
            told = told_with_place(error).replace(f"{folder}{os.sep}", "")
            allowed = f"arguments with which it can be built; it {told}"
            yield Fault(key=key, value=target, allowed=allowed, advice=f"Correct {key}.")
            return
    ours = [own for own in _OURS if isinstance(built, getattr(keras.callbacks, own))]  # also a subclass
    if ours:
        allowed = f"a callback that does what the study does not; it is one of the kind {ours[0]}"
        yield Fault(key=key, value=target, allowed=allowed, advice=_OURS[ours[0]])
    elif not isinstance(built, keras.callbacks.Callback):
        allowed = f"a keras.callbacks.Callback, or a function that returns one; it returns {type(built).__name__}"
        yield Fault(key=key, value=target, allowed=allowed, advice="Correct the function, or name another one.")


def _is_here(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _built(value: Any) -> Any:
    """Return a value of a config in which sections are replaced by what they build."""
    if isinstance(value, list | tuple):
        return [_built(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    built = {name: _built(each) for name, each in value.items() if name != _PARTIAL}
    if "_target_" not in built:
        return built
    if value.get(_PARTIAL):
        return functools.partial(locate(built.pop("_target_")), **built)
    return instantiate(built)
