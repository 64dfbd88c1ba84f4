"""Save the state of a training on disk, so that an interrupted training continues from there."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, LargeZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.errors import StoreError
from study.core.interrupt import checkpoints_follow, is_stopping, stop_here
from study.core.packages import COMPUTING
from study.core.trainer_interface import Trial
from study.training.trainer_check import check_checkpoint_interval

# Version of the content of the files. Raise it when a trainer saves other arrays, or saves them in another order.
LAYOUT = 1
_NOTES, _VERSIONS = "told", "versions"
# All that a damaged file, or one of another layout, can lead to.
_UNFIT = (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError)
_DAMAGED = (BadZipFile, LargeZipFile, ZlibError, MemoryError, RuntimeError)
_SET_ASIDE = ".set-aside"

Restored = TypeVar("Restored")


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
    training, so it belongs to these trials, and a digest of the versions that wrote it. A file that does not fit is
    renamed and kept; `messages` tells it.

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
        self._versions = _versions(config.backend)
        self._messages: list[str] = []

    def are_due(self, epoch: int) -> bool:
        """Return whether a checkpoint is saved after an epoch: every n-th one, and one at which the process stops.

        Args:
            epoch: Index of the epoch, from 0.
        """
        return self._every_n_epochs is not None and ((epoch + 1) % self._every_n_epochs == 0 or is_stopping())

    def awaited(self) -> AbstractContextManager[None]:
        """Let SIGTERM and SIGHUP wait for the next checkpoint of the block, if checkpoints are saved at all."""
        return checkpoints_follow(self._every_n_epochs is not None)

    def load(
        self, trials: Sequence[Trial], restore: Callable[[Snapshot], Restored], *, n_lanes: int = 1
    ) -> Restored | None:
        """Return the restored snapshot of trials that train together; None if no file exists that fits.

        Args:
            trials: The trials, in the order of their lanes.
            restore: Reads a snapshot; it raises ValueError, KeyError, TypeError or IndexError if that does not fit.
            n_lanes: Number of lanes of the program. Default 1.
        """
        if self._every_n_epochs is None:
            return None
        path = self._path(trials, n_lanes)
        self._set_aside_others(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                notes = json.loads(str(kept[_NOTES]))
                arrays = [_restored(kept[str(i)], kind) for i, kind in enumerate(notes.pop("dtypes"))]
            return restore(Snapshot(arrays=arrays, notes=notes))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (*_UNFIT, *_DAMAGED) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            if "pickle" in reason:  # NumPy takes any other file for a pickle, and advises to load it
                reason = "it is no archive of arrays"
            self._set_aside(path, f"cannot be used ({reason})")
        return None

    def messages(self) -> tuple[str, ...]:
        """Return a line for the user on each file that was set aside since the last call."""
        said, self._messages = tuple(self._messages), []
        return said

    def tell(self, message: str) -> None:
        """Add a line for the user.

        Args:
            message: The line.
        """
        self._messages.append(message)

    def skip(self) -> None:
        """Save nothing for a model that has state besides its variables, and stop here if a signal has waited."""
        told = (
            "trainer.checkpoint_every_n_epochs: no checkpoint is saved, since the model has state besides its "
            "variables, such as random numbers or counters of its own. An interrupted training begins again."
        )
        if told not in self._messages:
            self._messages.append(told)
        stop_here()

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
        dtypes = [str(array.dtype) for array in arrays.values()]
        notes = json.dumps({**snapshot.notes, "dtypes": dtypes, _VERSIONS: self._versions})
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
            with contextlib.suppress(OSError):
                self._path(trials, n_lanes).unlink(missing_ok=True)

    def _path(self, trials: Sequence[Trial], n_lanes: int) -> Path:
        decisive = [
            [t.number, t.test, t.run_seed, t.order_seed, sorted((k, repr(v)) for k, v in t.hyperparameters.items())]
            for t in trials
        ]
        digest = hashlib.sha256(json.dumps([self._contents, n_lanes, decisive]).encode()).hexdigest()[:16]
        kind = "confirmation" if trials[0].test else "trial"
        return self._folder / f"{kind}-{trials[0].number}-{digest}{self._suffix}"

    @property
    def _suffix(self) -> str:
        return f"-{hashlib.sha256(json.dumps(self._versions, sort_keys=True).encode()).hexdigest()[:8]}.npz"

    def _set_aside_others(self, path: Path) -> None:
        """Set the files of the same trials aside that other versions wrote."""
        for other in sorted(self._folder.glob(f"{path.name.removesuffix(self._suffix)}*.npz")):
            if other != path:
                before = _versions_in(other)
                changed = [
                    f"{name} {before[name]} before, {now} now"
                    for name, now in self._versions.items()
                    if name in before and before[name] != now
                ]
                self._set_aside(other, f"is of other versions ({'; '.join(changed) or 'of an earlier layout'})")

    def _set_aside(self, path: Path, reason: str) -> None:
        kept = path.with_name(f"{path.name}{_SET_ASIDE}")
        where = f"kept as {kept.name}"
        try:
            os.replace(path, kept)
        except OSError as error:
            where = f"it stays where it is ({error.strerror or error})"
        number = path.name.split("-")[1]
        self._messages.append(
            f"{path}: this checkpoint {reason}: {where}, and the {path.name.split('-')[0]} {number} trains from its "
            "start."
        )


def check_arrays(found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> None:
    """Check that the arrays of a snapshot have the shapes and types of the variables that they are for.

    Args:
        found: The arrays of the snapshot.
        wanted: Arrays as large as the variables.

    Raises:
        ValueError: They differ in number, shape or type.
    """
    if len(found) != len(wanted):
        raise ValueError(f"it has {len(found)} arrays, and this training {len(wanted)}")
    for index, (given, like) in enumerate(zip(found, wanted, strict=True)):
        if (given.shape, given.dtype) != (like.shape, like.dtype):
            raise ValueError(
                f"its array {index} is {given.dtype} of shape {given.shape}, and this training's is {like.dtype} of "
                f"shape {like.shape}"
            )


def _versions(backend: str) -> dict[str, str]:
    """Return the versions that a checkpoint depends on: of its own layout, and of the packages that compute."""
    found = {"layout": str(LAYOUT)}
    for package in COMPUTING.get(backend, ()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _versions_in(path: Path) -> dict[str, str]:
    """Return the versions that wrote a file; empty if it does not tell them."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {str(name): str(version) for name, version in json.loads(str(kept[_NOTES]))[_VERSIONS].items()}
    except (*_UNFIT, *_DAMAGED):
        return {}


def _restored(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return an array in its own type: NumPy writes bfloat16 as bytes without the type's name."""
    return array.view(np.dtype(kind)) if array.dtype.kind == "V" else array
