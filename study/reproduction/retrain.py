"""Train recorded trials again, here or in a fresh process, after a comparison of data, versions and device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.config.parse import parse
from study.config.schema import StudyConfig
from study.core.contents import NONE, Contents
from study.core.errors import ConfigError, StudyError
from study.core.packages import COMPUTING, PROJECT
from study.core.subprocess_call import ProcessDiedError, call_in_subprocess
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset
from study.pipeline.identity import contents_of
from study.pipeline.stream_use import has_foreign_order
from study.pipeline.workload import build_model, build_trainer, files_apart, load_dataset
from study.training.backend import loaded_backend, select_backend
from study.training.devices import asked_device, computes_in_numpy, select_device, try_select_device
from study.training.environment import environment

# Subjects that may change the last digits, and the commit, which identifies all other changes.
_BESIDE = ("device", "python", PROJECT, "git_commit")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference from the time when a training was recorded.

    Attributes:
        subject: `data digest`, a package, `device`, or a key of the config.
        recorded: The recorded value, as text.
        now: The present value, as text.
        stops: True if the difference makes the training another one, so that only `force` repeats it. Default False.
    """

    subject: str
    recorded: str
    now: str
    stops: bool = False

    def __str__(self) -> str:
        return f"{self.subject} was {self.recorded}, is {self.now}"


@dataclass(frozen=True, kw_only=True)
class RetrainRequest:
    """Trials to train again, and their recorded conditions.

    Attributes:
        raw: The resolved config.
        folder: The folder where relative paths start.
        trials: The trials.
        stop_after: Number of epochs after which a pruned trial had been stopped. None (the default): train to the end.
        tags: Recorded versions and device, from the study's tags.
        data_digests: Digests of the recorded data; the present one must equal one of them.
        contents: The recorded data, code and architecture. None (the default): an earlier version recorded the run.
        force: Train even if a difference would prevent it. Default False.
        allow: Packages that the user allows the recorded config to name, besides those of `study.config.allowlist`.
            Default: none.
    """

    raw: Mapping[str, Any]
    folder: Path
    trials: Sequence[Trial]
    tags: Mapping[str, str]
    data_digests: Sequence[str]
    contents: Contents | None = None
    stop_after: int | None = None
    force: bool = False
    allow: Sequence[str] = ()

    @property
    def backend(self) -> str:
        """The Keras backend that the training needs."""
        trainer = self.raw.get("trainer")
        return str(trainer.get("backend")) if isinstance(trainer, Mapping) else "(missing)"


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """The outcome of training again.

    Attributes:
        differences: The differences from the recorded conditions.
        device: The device of the new training.
        results: A result for each trial; none if a difference prevented the training.
    """

    differences: tuple[Difference, ...]
    device: str
    results: tuple[TrialResult, ...]


@dataclass(frozen=True, kw_only=True)
class LoadedAgain:
    """The workload of recorded trials, as it is now.

    Attributes:
        config: The study's config.
        dataset: The data set.
        differences: The differences from the recorded conditions.
        device: The device that would train.
    """

    config: StudyConfig
    dataset: Dataset
    differences: tuple[Difference, ...]
    device: str


def retrain(request: RetrainRequest, *, apart: bool = False) -> Retrained:
    """Train recorded trials again; nothing is stored.

    A process can have only one Keras backend, on one device. If this process has another one, a fresh process trains.

    Args:
        request: The trials and their recorded conditions.
        apart: Train in a fresh process in any case, so that this one keeps its random state. Default False.

    Raises:
        BackendError: The backend is unknown or not installed.
        DataError: The data set cannot be loaded.
        StudyError: The config cannot be read, perhaps since another version of the project recorded it.
    """
    if not apart and can_load_here(request):
        return retrain_here(request)
    retrained: Retrained = in_fresh_process("study.reproduction.retrain:retrain_here", request, request)
    return retrained


def can_load_here(request: RetrainRequest) -> bool:
    """Choose the backend and the device of recorded trials for this process, unless it has others.

    Args:
        request: The trials and their recorded conditions.

    Returns:
        True if this process has the backend and the device now.

    Raises:
        BackendError: The backend is unknown or not installed.
        StudyError: The config cannot be read.
    """
    if loaded_backend() not in (None, request.backend):
        return False
    select_backend(request.backend)
    return try_select_device(request.backend, asked_device(_read(request)))


def retrain_here(request: RetrainRequest) -> Retrained:
    """Train recorded trials again in this process; nothing is stored.

    Args:
        request: The trials and their recorded conditions.

    Raises:
        BackendError: The backend is unknown or not installed, or this process has another one or another device.
        DataError: The data set cannot be loaded.
        StudyError: The config cannot be read, perhaps since another version of the project recorded it.
    """
    again = load_again(request)
    results: list[TrialResult] = []
    if request.force or not any(difference.stops for difference in again.differences):

        def on_epoch(_: Trial, report: EpochReport) -> bool:
            return request.stop_after is None or report.epoch + 1 < request.stop_after

        with files_apart(again.config) as apart:
            trainer = build_trainer(apart, again.dataset)
            for start in range(0, len(request.trials), trainer.capacity):
                results += trainer.train(request.trials[start : start + trainer.capacity], on_epoch)
    return Retrained(differences=again.differences, device=again.device, results=tuple(results))


def load_again(request: RetrainRequest) -> LoadedAgain:
    """Load the workload of recorded trials in this process, and compare it with the recorded conditions.

    Args:
        request: The trials and their recorded conditions.

    Raises:
        BackendError: The backend is unknown or not installed, or this process has another one or another device.
        DataError: The data set cannot be loaded.
        StudyError: The config cannot be read, perhaps since another version of the project recorded it.
    """
    select_backend(request.backend)
    config = _read(request)
    select_device(config.backend, asked_device(config))
    dataset = load_dataset(config)
    model = build_model(config, dataset)  # also refuses a model that does not fit the data
    now = environment(on_cpu=computes_in_numpy(config))
    differences = compare_conditions(
        request.tags, now, data_digests=request.data_digests, data_digest=dataset.digest, backend=config.backend
    )
    if request.contents is not None:
        changed = contents_of(config, dataset, model).changes_from(request.contents)
        differences += [
            Difference(subject=each.subject, recorded=each.before, now=each.after, stops=True)
            for each in changed
            # The data were compared above; what only one side has follows from a changed setting.
            if each.kind != "data" and NONE not in (each.before, each.after)
        ]
    if has_foreign_order(config, dataset):
        told = "the order of a stream's batches"
        differences.insert(0, Difference(subject=told, recorded="its own", now="its own, made anew", stops=False))
    return LoadedAgain(
        config=config, dataset=dataset, differences=tuple(differences), device=now.get("device", "unknown")
    )


def compare_conditions(
    tags: Mapping[str, str],
    now: Mapping[str, str],
    *,
    data_digests: Sequence[str],
    data_digest: str,
    backend: str,
) -> list[Difference]:
    """Return the differences from the recorded conditions: of data, computing packages, device and code.

    Args:
        tags: The recorded versions and device; a subject without a tag is not compared.
        now: The present versions and device, by the same keys.
        data_digests: The recorded digests; empty if there are none.
        data_digest: The present digest.
        backend: The backend that trains.
    """
    found = []
    if data_digests and data_digest not in data_digests:
        found.append(
            Difference(subject="data digest", recorded=" or ".join(data_digests), now=data_digest, stops=True)
        )
    computing = COMPUTING.get(backend, ())
    for subject in (*computing, *_BESIDE):
        was, current = tags.get(subject), now.get(subject, "not installed" if subject in computing else "unknown")
        if was is not None and was != current:
            found.append(Difference(subject=subject, recorded=was, now=current, stops=subject in computing))
    return found


def _read(request: RetrainRequest) -> StudyConfig:
    try:
        return parse(request.raw, folder=request.folder, allow=request.allow)
    except ConfigError as error:
        recorded, now = request.tags.get(PROJECT), environment().get(PROJECT)
        if recorded == now:
            raise
        raise StudyError(
            f"The config was recorded by {PROJECT} {recorded}, and {PROJECT} {now} cannot read it. "
            f"Install {PROJECT} {recorded} to train it again. {error}"
        ) from error


def in_fresh_process(function: str, request: RetrainRequest, *arguments: object) -> Any:
    """Call a function in a fresh process, which can load the backend of recorded trials.

    Args:
        function: The function, as `module:name`.
        request: The trials and their recorded conditions.
        *arguments: The arguments of the function.

    Raises:
        StudyError: The process ended without a result.
    """
    try:
        return call_in_subprocess(function, *arguments)
    except ProcessDiedError as died:
        raise StudyError(f"the process with trainer.backend={request.backend} ended with {died.status}") from died
