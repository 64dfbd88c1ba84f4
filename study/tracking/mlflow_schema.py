"""The form of studies in MLflow: names of tags, configs as params, and runs as records."""

from __future__ import annotations

import getpass
import math
import os
import platform
import posixpath
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

import numpy as np
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.numpy_dataset import NumpyDataset
from mlflow.entities import Dataset as StoredDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from study.config.digests import NOT_IDENTITY, digest_of_value
from study.config.epoch_rules import without_idle_rules
from study.config.schema import StudyConfig
from study.core.contents import Contents
from study.core.names import in_file_name
from study.core.records import Role, RunRecord
from study.core.redaction import redact, redacted
from study.core.search_space import text_of
from study.core.trainer_interface import ConfirmationConfig, Kind, State, Trial, run_words
from study.core.trees import Tree, leaves, named_leaves
from study.datasets import Dataset, Split
from study.tracking.packed_tags import all_tags
from study.tracking.recorded_params import for_people, without_doubles

PARENT = "mlflow.parentRunId"
# Tags of a study and of each of its runs: the digest of its data, code and architecture, and that of its data.
CONTENTS, DATA_DIGEST = "contents", "data_digest"
# Tags of a study: the changes of its contents that the user accepted, and the time of its last start in milliseconds.
ACCEPTED, OPENED = "accepted_changes", "opened_ms"
# Tags of a study: how it confirms, the number of confirmations, and the plan of the looks at them.
CONFIRM, N_CONFIRMATIONS, LOOKS = "confirm", "n_confirmations", "looks"
# Tag of a study: the target that ends its search.
UNTIL = "until"
# Tags of a study: the smallest difference that matters, and that of before if confirmations had been trained then.
MARGIN, EARLIER_MARGIN = "objective_margin", "earlier_margin"
# Tags of a study: the command that makes it alone, without passwords; all studies of the last command it was part of.
COMMAND, COMMAND_STUDIES = "command", "command_studies"
# MLflow's tag of a run with its color, as `#rrggbb`.
COLOR = "mlflow.runColor"
# The artifact of a study's run with the resolved config.
CONFIG = "config.yaml"
# Length of the longest param and tag that MLflow accepts, in characters; the artifact config.yaml has the full texts.
_PARAM_LENGTH = 6000
TAG_LENGTH = 8000
_KEY_LENGTH = 250
_PER_CALL = 100


def run_name(kind: Kind, number: int, *, study_name: str) -> str:
    """Return the name of a child run; it names the study, since MLflow's table may mix rows of all studies.

    Args:
        kind: `trial`, or the setting that is confirmed.
        number: Index of the trial, from 0; of a confirmation, its repetition.
        study_name: Name of the study in its experiment.
    """
    return f"{study_name} {run_words(kind, number)}"


def workload_tags(config: StudyConfig, *, study_name: str) -> dict[str, str]:
    """Return the tags that a study's run and all its children share.

    Args:
        config: The study's config.
        study_name: Name of the study in its experiment.
    """
    return {
        "optimizer": config.optimizer.name,
        "dataset": config.dataset.name,
        "model": config.model.name,
        "study_name": study_name,
        "study_id": config.digest,
        "settings_id": config.typed_digest,
        **contents_tags(config.contents),
    }


def contents_tags(contents: Contents | None) -> dict[str, str]:
    """Return the digests of a study's data, code and architecture as tags. The artifacts have the full contents.

    Args:
        contents: The contents; None: no tags.
    """
    if contents is None:
        return {}
    return {
        CONTENTS: contents.digest,
        DATA_DIGEST: contents.data,
        "architecture": contents.architecture,
        "workload_code": contents.workload_code,
    }


def contents_path(digest: str) -> str:
    """Return the path of the artifact of a study's run that has the contents of a digest."""
    return f"contents/{digest}.json"


def source_path(target: str) -> str:
    """Return the path of the artifact of a study's run that has the source of a function of a Python session.

    Args:
        target: The `_target_` of the function.
    """
    return f"{target.replace('.', '/')}.py"


def child_tags(kind: Kind, number: int, *, parent: str) -> dict[str, str]:
    """Return the tags of a child run that it does not share with its study.

    Args:
        kind: `trial`, or the setting that is confirmed.
        number: Index of the trial, from 0; of a confirmation, its repetition.
        parent: Id of the study's run.
    """
    role: Role = "trial" if kind == "trial" else "confirmation"
    process = f"{platform.node()}:{os.getpid()}"
    tags = {"role": role, "number": str(number), "process": process, PARENT: parent}
    return tags if kind == "trial" else {**tags, "config": kind}


def trial_params(trial: Trial, *, kind: Kind, optimizer: str) -> dict[str, str]:
    """Return a trial's hyperparameters and seeds as params, with its number in the search, or its repetition.

    Args:
        trial: The trial or confirmation.
        kind: `trial`, or the setting that is confirmed.
        optimizer: The optimizer's YAML name.
    """
    number = "trial_number" if kind == "trial" else "repetition"
    seeds = {number: trial.number, "run_seed": trial.run_seed, "order_seed": trial.order_seed}
    values = {"optimizer": optimizer, **trial.hyperparameters, **seeds}
    return {key: text_of(value) for key, value in values.items()}


def config_params(config: StudyConfig) -> list[Param]:
    """Return the resolved config as params: flattened, without nulls, doubles and keys whose values may grow.

    Args:
        config: The study's config.
    """
    raw = dict(config.raw)
    if isinstance(trainer := raw.get("trainer"), Mapping):
        raw["trainer"] = without_idle_rules(trainer)
    named = {key: value for key, value in for_people(without_doubles(_flatten(raw))).items() if not _may_grow(key)}
    keys = _keys(named)
    return [
        Param(keys[key], _stored(text_of(redacted(value, key=key)))[:_PARAM_LENGTH]) for key, value in named.items()
    ]


def config_tags(config: StudyConfig, *, recorded: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return as tags what other commands read of the config and what may change, because MLflow's params cannot.

    The artifact `config.yaml` has the whole config. The tags include the direction and the range of the objective's
    metric, because the recorded `direction` may be `auto`.

    Args:
        config: The study's config.
        recorded: Tags that the study's run has. Earlier versions wrote all keys that may change; these stay current.
            Default: none.
    """
    objective = {
        "objective_direction": config.objective.direction,
        "objective_is_share": str(config.objective.is_share),
        MARGIN: text_of(config.objective.margin),
    }
    kept = {} if config.tracking.log_model else {"tracking.log_model": "false"}
    kept |= {key: text_of(value) for key, value in _flatten(config.raw).items() if _may_grow(key) and key in recorded}
    counts = {"n_trials": config.n_trials, N_CONFIRMATIONS: config.budget.n_confirmations}
    until = {UNTIL: "none" if config.budget.until is None else repr(config.budget.until)}
    ways = {CONFIRM: config.budget.confirm, **until, **_command_tags(config)}
    ways[COMMAND_STUDIES] = ",".join(config.command_studies or [config.typed_digest])
    # The number of trials proposed at once decides which results a sampler could learn from.
    return kept | objective | ways | {name: str(n) for name, n in {**counts, "n_at_once": config.n_at_once}.items()}


def _command_tags(config: StudyConfig) -> dict[str, str]:
    """Return the command that makes the study alone as a tag; none without a command, and for one that is too long."""
    if config.typed_words is None:
        return {}
    command = redact(shlex.join(["study", "run", *config.typed_words]))
    return {COMMAND: command} if len(command) <= TAG_LENGTH else {}


def to_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Return tags as MLflow's entities."""
    keys = _keys(tags)
    return [RunTag(keys[key], _stored(redacted(value, key=key))[:TAG_LENGTH]) for key, value in tags.items()]


def to_params(params: Mapping[str, str]) -> list[Param]:
    """Return params as MLflow's entities."""
    return [Param(key, _stored(value)) for key, value in params.items()]


def to_metrics(values: Mapping[str, float], *, step: int, timestamp_ms: int) -> list[Metric]:
    """Return the numbers of one step as MLflow's entities.

    Args:
        values: The numbers, by name.
        step: The step.
        timestamp_ms: Time of the numbers, in milliseconds since 1970.
    """
    return [Metric(_key(key), float(value), timestamp_ms, step) for key, value in values.items()]


def dataset_input(dataset: Dataset) -> DatasetInput:
    """Describe the training split by shapes, types and our digest, without copying or hashing it.

    Args:
        dataset: The study's data set.
    """
    x, y, *_ = (_described(dataset.train, part) for part in dataset.train.first(1).parts)
    described = NumpyDataset(
        x,
        CodeDatasetSource(tags={"mlflow.source.name": dataset.source}),
        targets=y,
        name=dataset.name,
        digest=dataset.digest,
    ).to_dict()
    return DatasetInput(StoredDataset.from_dictionary(described), tags=[InputTag("mlflow.data.context", "training")])


def _described(split: Split, part: Tree) -> Any:
    """Return what stands for the arrays of a whole split in a description: shapes and types, and no values."""
    whole = {
        place.removeprefix("."): np.broadcast_to(np.zeros((), array.dtype), (len(split), *array.shape[1:]))
        for place, array in named_leaves(part, "")
    }
    return whole.get("", whole)


def split_tags(dataset: Dataset) -> dict[str, str]:
    """Return the numbers of examples of the splits, which determine the resolution of an accuracy, and remarks.

    Args:
        dataset: The study's data set.
    """
    targets = leaves(dataset.train.first(1).y)
    # Of several outputs, each has its own number; one is right for all that have a target for each example.
    per_example = targets[0].size if len(targets) == 1 else 1
    tags = {f"n_{name}": str(len(split)) for name, split in dataset.splits.items()}
    remarks = {"data_remarks": "\n".join(dataset.remarks)} if dataset.remarks else {}
    return {**tags, "targets_per_example": str(max(1, per_example)), **remarks}


def artifact_location(artifacts: Path, experiment_name: str) -> str:
    """Return the location of an experiment's artifacts, a folder of the experiment's name.

    Args:
        artifacts: Path of the folder of all artifacts.
        experiment_name: Name of the experiment.
    """
    return (artifacts / in_file_name(experiment_name)).as_uri()


def run_records(runs: Iterable[Run]) -> list[RunRecord]:
    """Return the trials and confirmations among runs as records.

    A run whose role or number was removed or changed in MLflow's pages is left out: the next `study run` trains it
    again.

    Args:
        runs: Runs of a store.
    """
    return [run_record(run) for run in runs if _is_child(run.data.tags)]


def _is_child(tags: Mapping[str, str]) -> bool:
    role, config, number = (tags.get(key, "") for key in ("role", "config", "number"))
    is_known = role == "trial" or (role == "confirmation" and config in get_args(ConfirmationConfig))
    return is_known and number.isascii() and number.isdigit()


def run_record(run: Run) -> RunRecord:
    """Return a child run of a study as a record."""
    tags = all_tags(run.data.tags)
    state = tags.get("state")
    return RunRecord(
        run_id=run.info.run_id,
        role=cast(Role, tags["role"]),
        config=tags.get("config"),
        number=int(tags["number"]),
        state=cast(State, state) if state in get_args(State) else None,
        status=run.info.status,
        superseded=tags.get("superseded") == "true",
        params=dict(run.data.params),
        metrics={key: from_stored(value) for key, value in run.data.metrics.items()},
        started=run.info.start_time / 1000,
        ended=ended(run),
        contents=tags.get(CONTENTS, ""),
    )


def ended(run: Run) -> float | None:
    """Return the time of a run's end, in seconds since 1970; None while it runs, when an older time may be stored.

    Args:
        run: The run.
    """
    return None if run.info.status == "RUNNING" or run.info.end_time is None else run.info.end_time / 1000


def from_stored(value: float) -> float:
    """Return infinity for the largest number, which a database stores in its place, and other numbers unchanged.

    Args:
        value: The stored number.
    """
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow stores it."""
    return time.time_ns() // 1_000_000


def source_tags(*, color: str | None = None) -> dict[str, str]:
    """Return the tags behind the columns Source and User of MLflow's table, and behind the color of a run.

    Args:
        color: The color, as `#rrggbb`. None (the default): MLflow's own.
    """
    tags = {"mlflow.source.name": "study run", "mlflow.source.type": "LOCAL", **({COLOR: color} if color else {})}
    try:
        return tags | {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # a user id without a name, as in containers
        return tags


def log_in_batches(client: MlflowClient, run_id: str, *, params: list[Param], tags: Mapping[str, str]) -> None:
    """Log params and tags in calls of the size that MLflow accepts.

    Args:
        client: A client of the store.
        run_id: Id of the run.
        params: The params.
        tags: The tags.
    """
    stored = to_tags(tags)
    for first in range(0, max(len(params), len(stored)), _PER_CALL):
        end = first + _PER_CALL
        client.log_batch(run_id, params=params[first:end], tags=stored[first:end])


def _flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat


def _may_grow(key: str) -> bool:
    return any(key == grows or key.startswith(f"{grows}.") for grows in NOT_IDENTITY)


def _key(name: str) -> str:
    """Replace the characters that MLflow refuses in names, and slashes where they make a path such as `a//b`."""
    key = re.sub(r"[^\w\-. :/]", "_", name)[:_KEY_LENGTH]
    return key if posixpath.normpath(key) == key and not key.startswith("/") else key.replace("/", "_")


def _keys(names: Iterable[str]) -> dict[str, str]:
    """Return MLflow's key of each name; names that MLflow cannot tell from one another get a digest."""
    keys = {name: _key(name) for name in names}
    counts = Counter(keys.values())
    return {name: key if counts[key] == 1 else _key_with_digest(name, key) for name, key in keys.items()}


def _key_with_digest(name: str, key: str) -> str:
    digest = digest_of_value(name)[:6]
    return f"{key[: _KEY_LENGTH - len(digest) - 1]}-{digest}"


def _stored(text: str) -> str:
    """Write out the bytes of a text that are no characters, which a command line may have and no database takes."""
    return text.encode("utf-8", "backslashreplace").decode()
