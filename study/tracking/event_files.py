"""Event files for TensorBoard, one folder for each trial and confirmation, beside the stores."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import itertools
import os
import platform
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from study.config.schema import Stores, StudyConfig
from study.core.errors import Fault
from study.core.names import in_file_name
from study.core.trainer_interface import EpochReport, Kind, Trial, TrialResult

_KEY = "tracking.tensorboard"


def event_file_faults(config: StudyConfig) -> Iterator[Fault]:
    """Yield a fault if event files are asked for and the package that writes them is not installed.

    Args:
        config: The study's config.
    """
    if config.tracking.tensorboard and importlib.util.find_spec("tensorboard") is None:
        yield Fault(
            key=_KEY,
            value=True,
            allowed="false where the package tensorboard is not installed",
            advice=f"Install it (pip install 'optimizer-study[tensorboard]'), or set {_KEY}=false.",
        )


def event_files(config: StudyConfig, *, study_name: str, tell: Callable[[str], None]) -> EventFiles | None:
    """Return the event files of a study; None if the config does not ask for them.

    Args:
        config: The study's config.
        study_name: Name of the study in its experiment.
        tell: Shows a line to the user, if the files cannot be written.
    """
    if not config.tracking.tensorboard:
        return None
    folder = _folder(config.stores, config.experiment_name, study_name)
    labels = {"optimizer": config.optimizer.name, "study": f"{config.experiment_name}/{study_name}"}
    return EventFiles(folder, labels=labels, tell=tell)


def delete_event_files(stores: Stores, experiment: str, study_name: str) -> None:
    """Delete the event files of a study, if it has any.

    Args:
        stores: The places of results.
        experiment: Name of the experiment.
        study_name: Name of the study in its experiment.
    """
    shutil.rmtree(_folder(stores, experiment, study_name), ignore_errors=True)


def move_event_files(stores: Stores, old: tuple[str, str], new: tuple[str, str]) -> None:
    """Move the event files of a renamed study, if it has any and the new place is free.

    Args:
        stores: The places of results.
        old: The names of its experiment and of the study.
        new: The new names.
    """
    source, target = _folder(stores, *old), _folder(stores, *new)
    if source.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        with contextlib.suppress(OSError):  # other studies are in it
            source.parent.rmdir()


class EventFiles:
    """The event files of a study, as one of its workers writes them.

    A trial that begins again replaces its folder, and the epochs of a checkpoint are reported again. So a file is
    whole, or it ends where its process was killed. Files are opened for each record, since thousands of trials may
    train side by side. If a file cannot be written, the study goes on without event files: MLflow has all of it.

    Args:
        folder: Folder of the study.
        labels: Further hyperparameters, which distinguish the study from others.
        tell: Shows a line to the user.
    """

    def __init__(self, folder: Path, *, labels: dict[str, str], tell: Callable[[str], None]) -> None:
        self._folder, self._labels, self._tell = folder, labels, tell
        self._paths: dict[tuple[Kind, int], Path] = {}
        self._is_off = False
        self._count = itertools.count()

    def start(self, kind: Kind, trial: Trial) -> None:
        """Begin the file of a trial or a confirmation, in place of an earlier one.

        Args:
            kind: `trial`, or the setting that is confirmed.
            trial: The trial or confirmation.
        """
        if self._is_off:
            return
        from study.tracking.event_records import start_records

        # Repetitions of one setting are a group, whose metrics TensorBoard averages. It cuts long names at their end.
        row = f"trial {trial.number:03d}" if kind == "trial" else kind
        group = f"{row} of {self._labels['study']}"
        hparams = {**trial.hyperparameters, **self._labels, "kind": kind}
        folder = self._folder / f"{kind}-{trial.number:03d}"
        name = f"events.out.tfevents.{time.time():.6f}.{platform.node()}.{os.getpid()}.{next(self._count)}"
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            (folder / name).write_bytes(start_records(hparams, group=group))
        except OSError as error:
            self._stop(error)
        self._paths[kind, trial.number] = folder / name

    def epoch(self, kind: Kind, trial: Trial, report: EpochReport) -> None:
        """Write the metrics of an epoch under its number, from 1; values of steps under the step's number.

        Args:
            kind: `trial`, or the setting that is confirmed.
            trial: The trial or confirmation.
            report: The report of the epoch.
        """
        if self._is_off:
            return
        from study.tracking.event_records import scalar_record

        steps = report.steps.get("step", ())
        of_steps = [
            scalar_record({name: values[i] for name, values in report.steps.items() if name != "step"}, step=int(step))
            for i, step in enumerate(steps)
        ]
        self._append((kind, trial.number), b"".join([*of_steps, scalar_record(report.metrics, step=report.epoch + 1)]))

    def end(self, kind: Kind, result: TrialResult, *, objective: float) -> None:
        """Write the objective, the metrics of the test split, and that the training has ended.

        Args:
            kind: `trial`, or the setting that is confirmed.
            result: The result of the trial or confirmation.
            objective: The objective, in the metric's units; NaN for a failed one.
        """
        if self._is_off:
            return
        from study.tracking.event_records import end_record, scalar_record

        failed, n_epochs = result.state == "failed", max(map(len, result.history.values()), default=0)
        tested = {name: value for name, value in result.summary.items() if name.startswith("test_")}
        values = tested if failed else {"objective": objective, **tested}
        last = [scalar_record(values, step=n_epochs)] if values else []
        self._append((kind, result.trial.number), b"".join([*last, end_record(failed=failed)]))
        self._paths.pop((kind, result.trial.number), None)

    def supersede(self, kind: Kind, numbers: Collection[int]) -> None:
        """Delete the files of confirmations of another point, which TensorBoard would average with those of the best.

        Args:
            kind: The setting that they confirm.
            numbers: Their repetitions.
        """
        for number in numbers:
            shutil.rmtree(self._folder / f"{kind}-{number:03d}", ignore_errors=True)

    def _append(self, key: tuple[Kind, int], records: bytes) -> None:
        try:
            with self._paths[key].open("r+b") as file:
                file.seek(0, os.SEEK_END)
                file.write(records)
        except FileNotFoundError:
            pass  # another worker took the trial over and has replaced the folder, or someone has deleted it
        except OSError as error:
            self._stop(error)

    def _stop(self, error: OSError) -> None:
        self._is_off = True
        self._tell(
            f"{_KEY}=true: {self._folder} cannot be written ({error.strerror or error}). The study goes on without "
            "event files; everything is in MLflow."
        )


def _folder(stores: Stores, experiment: str, study_name: str) -> Path:
    """Return the folder of a study's event files, beside its logs, whether or not it exists."""
    return stores.artifacts.parent / "tensorboard" / _folder_name(experiment) / _folder_name(study_name)


def _folder_name(name: str) -> str:
    """Return a folder's name for a study or an experiment; one with other signs gets digits, so that none share it."""
    plain = in_file_name(name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
