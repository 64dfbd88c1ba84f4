"""Keep how far a training has come on disk, so that one that was cut off goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.errors import StoreError, StudyError
from study.core.trainer_interface import Trial

_TOLD = "told"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far a training has come.

    Attributes:
        arrays: The values of its variables, and whatever else is an array.
        told: What can be written as JSON.
    """

    arrays: Sequence[NDArray[Any]]
    told: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of a study, in a folder beside its stores, one file for trials that are trained together.

    A file is replaced in one move and named after all that decides what is trained, so what is found is whole and
    is of these trials.

    Args:
        config: The study.
        every_n_epochs: Keep one after every n-th epoch; None: never.

    Raises:
        StudyError: That is no number of at least 1.
    """

    def __init__(self, config: StudyConfig, every_n_epochs: int | None) -> None:
        n: object = every_n_epochs
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
            raise StudyError(
                f"trainer.checkpoint_every_n_epochs={n!s}: expected a whole number of at least 1, or null for none. "
                "Set it to null, or to how many epochs may be lost when a process is killed."
            )
        self._every_n_epochs = every_n_epochs
        self._folder = config.stores.artifacts.parent / "checkpoints" / config.digest

    def are_due(self, epoch: int) -> bool:
        """Tell whether one is to be kept after an epoch, counted from 0."""
        return self._every_n_epochs is not None and (epoch + 1) % self._every_n_epochs == 0

    def load(self, trials: Sequence[Trial], *, n_lanes: int = 1) -> Checkpoint | None:
        """Return the checkpoint of trials that were trained together in a program of so many lanes."""
        if self._every_n_epochs is None:
            return None
        try:
            with self._path(trials, n_lanes).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                told = json.loads(str(kept[_TOLD]))
                arrays = [_restored(kept[str(i)], kind) for i, kind in enumerate(told.pop("dtypes"))]
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            BadZipFile,
        ):  # none, or one of another version or a broken disk
            return None
        return Checkpoint(arrays=arrays, told=told)

    def save(self, trials: Sequence[Trial], checkpoint: Checkpoint, *, n_lanes: int = 1) -> None:
        """Keep a checkpoint in the place of the one before.

        Raises:
            StoreError: It cannot be written.
        """
        path = self._path(trials, n_lanes)
        draft = path.with_suffix(f".{os.getpid()}.new")
        arrays = {str(i): np.asarray(array) for i, array in enumerate(checkpoint.arrays)}
        told = json.dumps({**checkpoint.told, "dtypes": [str(array.dtype) for array in arrays.values()]})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.savez(file, allow_pickle=False, **{_TOLD: np.asarray(told)}, **arrays)
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

    def drop(self, trials: Sequence[Trial], *, n_lanes: int = 1) -> None:
        """Remove the checkpoint of trials that ended."""
        if self._every_n_epochs is not None:
            self._path(trials, n_lanes).unlink(missing_ok=True)

    def _path(self, trials: Sequence[Trial], n_lanes: int) -> Path:
        decisive = [
            [t.number, t.test, t.run_seed, t.order_seed, sorted((k, repr(v)) for k, v in t.hyperparameters.items())]
            for t in trials
        ]
        digest = hashlib.sha256(json.dumps([n_lanes, decisive]).encode()).hexdigest()[:16]
        return self._folder / f"{'confirmation' if trials[0].test else 'trial'}-{trials[0].number}-{digest}.npz"


def _restored(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return an array in its own type: NumPy writes bfloat16 as bytes without a name."""
    return array.view(np.dtype(kind)) if array.dtype.kind == "V" else array
