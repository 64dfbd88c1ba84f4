"""Callbacks of Keras that a study names: fresh ones for each training, which work in a folder of their own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from study.config.schema import StudyConfig
from study.core.names import in_file_name
from study.core.trainer_interface import Trial
from study.training.build_callbacks import build_callback
from study.training.unfreeze import Unfreeze

_BATCH_EVENTS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_BATCH_EVENTS = ("on_test_batch_begin", "on_test_batch_end")


class RunCallbacks(keras.callbacks.Callback):  # type: ignore[misc]
    """The callbacks of one training. The working directory is their folder while they act.

    Args:
        make: Return the callbacks; called in the folder.
        folder: The folder, which is made.

    Attributes:
        want_batches: True if one of them acts on training batches.
        want_test_batches: True if one of them acts on batches of an evaluation.
    """

    def __init__(self, make: Callable[[], Sequence[Any]], *, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(folder):
            self._callbacks = make()
        self.want_batches = self._override(_BATCH_EVENTS)
        self.want_test_batches = self._override(_TEST_BATCH_EVENTS)

    def set_params(self, params: Any) -> None:
        """Pass the parameters of the training on."""
        self._tell("set_params", params)

    def set_model(self, model: Any) -> None:
        """Pass the model on."""
        super().set_model(model)
        self._tell("set_model", model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_train_begin", logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_epoch_end", epoch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_test_end", logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Pass the event on."""
        self._tell("on_test_batch_end", batch, logs)

    def _tell(self, event: str, *arguments: Any) -> None:
        with contextlib.chdir(self._folder):
            for callback in self._callbacks:
                getattr(callback, event)(*arguments)

    def _override(self, events: Sequence[str]) -> bool:
        """Return whether a callback acts on one of some events."""
        return any(
            getattr(own := getattr(callback, event), "__func__", own) is not getattr(keras.callbacks.Callback, event)
            for callback in self._callbacks
            for event in events
        )


def run_callbacks(
    config: StudyConfig, trial: Trial, *, first_epoch: int, rebuild: Callable[[], None]
) -> list[RunCallbacks]:
    """Return the callbacks of a training as a list of one; empty if the study has none.

    The files of an earlier beginning of the same training are removed, unless it goes on.

    Args:
        config: The study's config.
        trial: The trial.
        first_epoch: Index of the training's first epoch, from 0; more if it goes on.
        rebuild: Makes the optimizer and the compiled steps of the training anew.
    """
    if not config.callbacks:
        return []
    folder = run_folder(config, trial)
    if first_epoch == 0:
        shutil.rmtree(folder, ignore_errors=True)

    def make() -> list[Any]:
        goes_on = first_epoch > 0
        made = [build_callback(section, folder=folder, goes_on=goes_on) for section in config.callbacks]
        for callback in made:
            if isinstance(callback, Unfreeze):
                callback.rebuild = rebuild
        return made

    return [RunCallbacks(make, folder=folder)]


def run_folder(config: StudyConfig, trial: Trial) -> Path:
    """Return the folder of a training's callbacks, in `mlruns/callbacks/EXPERIMENT/STUDY-DIGEST`.

    Args:
        config: The study's config.
        trial: The trial.
    """
    study = f"{in_file_name(config.study_name or config.labels[0])}-{config.digest[:6]}"
    base = config.stores.artifacts.parent / "callbacks" / in_file_name(config.experiment_name) / study
    if not trial.test:
        return base / f"trial-{trial.number}"
    untuned = dict(trial.hyperparameters) == config.hyperparameters({})
    kind = "fixed" if not config.ranges else "default" if untuned else "best"
    return base / f"confirmation-{kind}-{trial.number}"
