"""Save the state of a training on disk, so that an interrupted training continues from there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.errors import StoreError
from study.core.interrupt import checkpoints_follow, is_stopping, stop_here
from study.core.trainer_interface import Trial
from study.training.trainer_check import check_checkpoint_interval

_NOTES = "told"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The saved state of a training.

    Attributes:
        arrays: The values of the training's variables, and all other arrays.
        notes: All other values, of types that JSON has.
    """

    arrays: Sequence[NDArray[Any]]
    notes: Mapping[str, Any]


class CheckpointFiles:
    """The checkpoints of a study: a folder beside its stores, with one file for trials that train together.

    A file is replaced in one move, so it is always complete. Its name has a digest of everything that determines the
    training, so it belongs to these trials.

    Args:
        config: The study's config.
        every_n_epochs: Save a checkpoint after every n-th epoch; None: never.

    Raises:
        StudyError: `every_n_epochs` is not a whole number of at least 1.
    """

    def __init__(self, config: StudyConfig, every_n_epochs: int | None) -> None:
        check_checkpoint_interval(every_n_epochs)
        self._every_n_epochs = every_n_epochs
        self._folder = config.stores.artifacts.parent / "checkpoints" / config.digest
        self._contents = config.contents.digest if config.contents is not None else ""

    def are_due(self, epoch: int) -> bool:
        """Return whether a checkpoint is saved after an epoch: every n-th one, and one at which the process stops.

        Args:
            epoch: Index of the epoch, from 0.
        """
        return self._every_n_epochs is not None and ((epoch + 1) % self._every_n_epochs == 0 or is_stopping())

    def awaited(self) -> AbstractContextManager[None]:
        """Let SIGTERM and SIGHUP wait for the next checkpoint of the block, if checkpoints are saved at all."""
        return checkpoints_follow(self._every_n_epochs is not None)

    def load(self, trials: Sequence[Trial], *, n_lanes: int = 1) -> Snapshot | None:
        """Return the snapshot of trials that train together; None if no readable file exists.

        Args:
            trials: The trials, in the order of their lanes.
            n_lanes: Number of lanes of the program. Default 1.
        """
        if self._every_n_epochs is None:
            return None
        try:
            with self._path(trials, n_lanes).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                notes = json.loads(str(kept[_NOTES]))
                arrays = [_restored(kept[str(i)], kind) for i, kind in enumerate(notes.pop("dtypes"))]
        # There is no file, or another version wrote it, or the disk is broken.
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return None
        return Snapshot(arrays=arrays, notes=notes)

    def save(self, trials: Sequence[Trial], snapshot: Snapshot, *, n_lanes: int = 1) -> None:
        """Save a snapshot in place of the one before, and stop here if a signal has waited for it.

        Args:
            trials: The trials, in the order of their lanes.
            snapshot: The state to save.
            n_lanes: Number of lanes of the program. Default 1.

        Raises:
            StoreError: The file cannot be written.
            Stopped: A signal has waited for the checkpoint.
        """
        path = self._path(trials, n_lanes)
        draft = path.with_suffix(f".{os.getpid()}.new")
        arrays = {str(i): np.asarray(array) for i, array in enumerate(snapshot.arrays)}
        notes = json.dumps({**snapshot.notes, "dtypes": [str(array.dtype) for array in arrays.values()]})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.savez(file, allow_pickle=False, **{_NOTES: np.asarray(notes)}, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreError(
                f"{path}: the checkpoint cannot be written ({error.strerror or error}). Make room there, or set "
                "trainer.checkpoint_every_n_epochs=null; the same command continues the study."
            ) from error
        stop_here()

    def drop(self, trials: Sequence[Trial], *, n_lanes: int = 1) -> None:
        """Remove the file of trials that ended.

        Args:
            trials: The trials, in the order of their lanes.
            n_lanes: Number of lanes of the program. Default 1.
        """
        if self._every_n_epochs is not None:
            self._path(trials, n_lanes).unlink(missing_ok=True)

    def _path(self, trials: Sequence[Trial], n_lanes: int) -> Path:
        decisive = [
            [t.number, t.test, t.run_seed, t.order_seed, sorted((k, repr(v)) for k, v in t.hyperparameters.items())]
            for t in trials
        ]
        digest = hashlib.sha256(json.dumps([self._contents, n_lanes, decisive]).encode()).hexdigest()[:16]
        return self._folder / f"{'confirmation' if trials[0].test else 'trial'}-{trials[0].number}-{digest}.npz"


def _restored(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return an array in its own type: NumPy writes bfloat16 as bytes without the type's name."""
    return array.view(np.dtype(kind)) if array.dtype.kind == "V" else array
