"""Write a recorded run as a plain Keras script that trains it again, with its data beside it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.at_point import at
from study.core.errors import StudyError
from study.core.packages import COMPUTING
from study.core.search_space import of_optimizer, text_of
from study.core.trees import named_leaves
from study.datasets import PARTS, Dataset, Split
from study.pipeline.class_weights import with_class_weights
from study.reproduction.config_changes import changes_between, recorded_value
from study.reproduction.recorded_run import RecordedRun
from study.reproduction.reproduce import (
    LOOSE_TOLERANCE,
    recorded_history,
    retrain_request,
    tested_metrics,
    trial_of,
)
from study.reproduction.retrain import LoadedAgain, RetrainRequest, can_load_here, in_fresh_process, load_again
from study.reproduction.script_limits import check_config, check_data
from study.reproduction.script_text import ScriptFacts, script_text
from study.reproduction.written_python import NotWritableError
from study.training.trainer_check import is_vectorized

# Optimizers that gave the same bits on JAX with their numbers as constants, where the study's program has variables.
# XLA rounds others in another order.
_EXACT_ON_JAX = (
    *(
        "Adadelta",
        "Adafactor",
        "Adagrad",
        "Adam",
        "Adamax",
        "AdamW",
        "Ftrl",
        "Lamb",
        "Lion",
        "Nadam",
        "RMSprop",
        "SGD",
    ),
    *("AdaBelief", "AdamThenSGD"),
)


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script and its data.

    Attributes:
        text: The text of the Python program.
        arrays: The arrays of the file `.npz` beside it: those of the splits by their places, such as `train.x`, and
            the recorded metrics, such as `recorded.val_loss`, one value per epoch.
        remarks: Sentences on versions that differ from the recorded ones.
    """

    text: str
    arrays: Mapping[str, NDArray[Any]]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ScriptRequest:
    """All that a process needs to write a script.

    Attributes:
        retrain: The run's trial and its recorded conditions.
        recorded: The recorded metrics, by name: one value per epoch, or one value of a test metric.
        n_epochs: Number of recorded epochs.
        title: The run, in words.
        recorded_on: Date of the run.
        exported_on: The date of today.
        file_name: Name of the script's file.
    """

    retrain: RetrainRequest
    recorded: Mapping[str, Sequence[float]]
    n_epochs: int
    title: str
    recorded_on: datetime.date
    exported_on: datetime.date
    file_name: str


def make_script(
    target: RecordedRun,
    *,
    folder: Path,
    file_name: str,
    exported_on: datetime.date,
    allow: Sequence[str] = (),
    apart: bool = False,
) -> Script:
    """Return a script that trains a recorded run again, with Keras alone.

    Args:
        target: The run.
        folder: The folder where relative paths start.
        file_name: Name of the script's file; the data will be in a file of the same name with the ending `.npz`.
        exported_on: The date, for the header.
        allow: Packages that the recorded config may call, besides those of `study.config.allowlist`. Default: none.
        apart: Make it in a fresh process in any case, so that this one keeps its devices. Default False.

    Raises:
        DataError: The data set cannot be loaded.
        StoreError: The store cannot be read.
        StudyError: The data or the code are not the recorded ones, or a script cannot train this run.
    """
    _check_unchanged(target)
    history = recorded_history(target)
    n_epochs = max(map(len, history.values()), default=0)
    if n_epochs == 0:
        raise StudyError(
            f"TARGET={target.run.run_id}: expected a run with at least one finished epoch, and this one is "
            f"{target.run.state} without any. Choose another run."
        )
    request = retrain_request(target, [trial_of(target.run)], folder=folder, allow=allow)
    raw = {**request.raw, "trainer": {**request.raw.get("trainer", {}), "device": "cpu"}}
    is_complete = target.run.state == "complete"
    asked = ScriptRequest(
        retrain=replace(request, raw=raw),
        recorded={**history, **(tested_metrics(target.run) if is_complete else {})},
        n_epochs=n_epochs,
        title=target.title,
        recorded_on=datetime.datetime.fromtimestamp(target.run.started, tz=datetime.UTC).date(),
        exported_on=exported_on,
        file_name=file_name,
    )
    check_config(target.at_point)
    if not apart and can_load_here(asked.retrain):
        return make_script_here(asked)
    made: Script = in_fresh_process("study.reproduction.script:make_script_here", asked.retrain, asked)
    return made


def make_script_here(asked: ScriptRequest) -> Script:
    """Return a script in this process, which has the run's backend.

    Args:
        asked: The run.

    Raises:
        DataError: The data set cannot be loaded.
        StudyError: The data or the code are not the recorded ones, or a script cannot train this run.
    """
    again = load_again(asked.retrain)
    _check_conditions(again)
    of_trial = at(again.config, asked.retrain.trials[0].hyperparameters)
    again = replace(again, config=replace(of_trial, searched={}, own_values={}))
    check_data(again.config, again.dataset)
    dataset = with_class_weights(again.config.task, again.dataset)
    facts = _facts(asked, again, dataset)
    arrays = {place: np.asarray(array) for place, array in _places(dataset, facts.splits)}
    arrays |= {f"recorded.{name}": np.asarray(values, dtype=np.float64) for name, values in asked.recorded.items()}
    remarks = tuple(f"{difference}." for difference in again.differences if difference.subject in facts.versions)
    try:
        text = script_text(facts)
    except NotWritableError as error:
        advice = "Name another run, or leave --script out: `study reproduce` trains it again."
        raise StudyError(
            f"--script: expected a run that Python text can describe, and it has {error}. {advice}"
        ) from error
    return Script(text=text, arrays=arrays, remarks=remarks)


def _facts(asked: ScriptRequest, again: LoadedAgain, dataset: Dataset) -> ScriptFacts:
    config, trial = again.config, asked.retrain.trials[0]
    tags = asked.retrain.tags
    has_test = any(name.startswith("test_") for name in asked.recorded)
    side_by_side = is_vectorized(config)
    device = tags.get("device", "an unknown device")
    reasons = []
    if side_by_side:
        reasons.append("the study trained it side by side with others, in one program that rounds in another way")
    elif config.backend == "jax" and config.optimizer.target.rpartition(".")[2] not in _EXACT_ON_JAX:
        reasons.append(
            "the study's program had the optimizer's numbers in variables, which XLA rounds in another order"
        )
    if "cpu" not in device.lower():
        reasons.append(f"the study computed on {device}, and this script on the CPU")
    return ScriptFacts(
        config=config,
        dataset=dataset,
        splits=("train", "validation", *(["test"] if has_test else [])),
        trial=replace(trial, hyperparameters=of_optimizer(trial.hyperparameters)),
        n_epochs=asked.n_epochs,
        title=asked.title,
        recorded_on=asked.recorded_on,
        exported_on=asked.exported_on,
        file_name=asked.file_name,
        device=device,
        versions={name: tags[name] for name in COMPUTING.get(config.backend, ()) if name in tags},
        tolerance=LOOSE_TOLERANCE if reasons else 0.0,
        reasons=tuple(reasons),
        holds_numbers=not side_by_side,
    )


def _places(dataset: Dataset, splits: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the arrays of splits with their places, such as `train.x` or `train.y.digit`."""
    parts = [(f"{name}.{part}", tree) for name in splits for part, tree in _parts(dataset.splits[name])]
    return [found for place, tree in parts for found in named_leaves(tree, place)]


def _parts(split: Split) -> list[tuple[str, Any]]:
    return list(zip(PARTS, split.parts, strict=False))


def _check_unchanged(target: RecordedRun) -> None:
    """Refuse an exported file that was edited, since the script compares with what was recorded."""
    changes = changes_between(target.at_point, target.exported, arguments=target.arguments)
    if changes:
        key, value = next(iter(changes.items()))
        recorded = recorded_value(target.at_point, key, arguments=target.arguments)
        raise StudyError(
            f"--script: {key}={text_of(value)}: expected the file as it was exported, with {recorded}. Undo the "
            f"change in the file, or name the run by its id: {target.run.run_id}."
        )


def _check_conditions(again: LoadedAgain) -> None:
    """Refuse other data or other code than recorded; other versions of packages are for the reader to judge."""
    packages = {name for names in COMPUTING.values() for name in names}
    changed = [each for each in again.differences if each.stops and each.subject not in packages]
    if changed:
        told = "; ".join(map(str, changed))
        advice = "Restore them, or name a run that was recorded with the present ones."
        raise StudyError(f"--script: expected the recorded data and code, and they changed: {told}. {advice}")
