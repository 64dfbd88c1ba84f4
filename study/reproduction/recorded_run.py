"""Find the recorded run that a user names: by id, as the best of a study, or by an exported configuration."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from study.config.at_point import with_values
from study.config.instantiate import is_too_deep
from study.config.moved_targets import translate_moved
from study.core.contents import Contents
from study.core.errors import StoreError, StudyError
from study.core.names import mended
from study.core.readable_output import in_one_line
from study.core.records import NOT_HYPERPARAMETERS, RunRecord, StudyRecord
from study.core.search_space import Value, of_config, of_optimizer, value_of
from study.report.labelled_studies import studies_of_label
from study.report.objective_metric import metric_of
from study.reproduction.exported_file import read_exported
from study.tracking.connection import Connections
from study.tracking.read_studies import (
    read_artifact_text,
    read_contents,
    read_data_digests,
    read_experiments,
    read_studies,
    read_study_of_run,
)

_FORMS = "a run id, EXPERIMENT/STUDY, EXPERIMENT/OPTIMIZER, or a file of `study export`"
_LONGEST_SEED = 20  # digits


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A recorded training and its conditions.

    Attributes:
        tracking_uri: Address of the store.
        study: The study of the run.
        run: The trial or confirmation.
        raw: The study's resolved config.
        data_digests: Digests of the data; several if a study was continued on other data.
        exported: Sections of the exported file that named the run, in their present form. Default: empty, no file
            named it.
        moved: Names in the config that were translated, old to new. Default: empty.
        contents: The data, code and architecture with which the run trained. None (the default): not recorded.
    """

    tracking_uri: str
    study: StudyRecord
    run: RunRecord
    raw: Mapping[str, Any]
    data_digests: tuple[str, ...]
    exported: Mapping[str, Any] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    contents: Contents | None = None

    @property
    def title(self) -> str:
        """The run, in words."""
        return f"{self.study.experiment}/{self.study.name}, {self.run.words} (run {self.run.run_id})"

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """The arguments of the run's optimizer, and the values of other searched keys by dotted key."""
        return hyperparameters(self.run)

    @property
    def arguments(self) -> dict[str, Value]:
        """The arguments of the run's optimizer."""
        return of_optimizer(self.hyperparameters)

    @property
    def at_point(self) -> dict[str, Any]:
        """The study's config with the run's values of other searched keys, and without their ranges.

        Raises:
            StoreError: A param of the run names a key that the config does not have.
        """
        values = of_config(self.hyperparameters)
        try:
            raw = with_values(self.raw, values)
        except (LookupError, TypeError, ValueError) as error:
            raise StoreError(
                f"run {self.run.run_id}: expected params that are keys of the study's config, and not all of "
                f"{', '.join(values)} are. They were changed in MLflow. Restore the store from a copy, or choose "
                "another run."
            ) from error
        return {**raw, "search": {}}

    @property
    def moved_text(self) -> str:
        """A line for each name that was translated; empty without any."""
        return "".join(f"{old} is now {new}\n" for old, new in self.moved.items())

    def translated(self, *, folder: Path) -> RecordedRun:
        """Return the run with the new place of each `_target_` that has moved.

        If Python finds a module of the old name, or a folder of the user has one, this module is the user's own, and
        the name stays.

        Args:
            folder: The folder of the store, which may have modules of the user, as the working directory may.
        """
        raw, moved = translate_moved(self.raw, folders=[folder])
        exported, moved_in_file = translate_moved(self.exported, folders=[folder])
        return replace(self, raw=raw, exported=exported, moved=moved | moved_in_file)


def find_recorded_run(tracking_uri: str, name: str, *, folder: Path) -> RecordedRun:
    """Find the recorded run that a user names.

    Args:
        tracking_uri: Address of the store.
        name: A run id; `experiment/study` or `experiment/optimizer` for the first confirmation of its best
            configuration; or the path of an exported configuration.
        folder: The folder where relative paths start.

    Raises:
        StoreError: The store or the study's config.yaml cannot be read.
        StudyError: No run has this name, several have it, or the study has no confirmed run yet.
    """
    connections = Connections()
    path = folder / Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _exported_run(tracking_uri, path, connections)
    if "/" in name:
        study = find_study(tracking_uri, name, connections=connections)
        return read_recorded_run(tracking_uri, study, _best_confirmation(study), connections=connections)
    return _find_run(tracking_uri, name, connections)


def find_study(tracking_uri: str, name: str, *, connections: Connections | None = None) -> StudyRecord:
    """Find the study that `experiment/study` or `experiment/optimizer` names; a study's own name has priority.

    The label of a comparison is taken too, as in `experiment/adam (weight_decay 0.01)`.

    Args:
        tracking_uri: Address of the store.
        name: The name.
        connections: The command's connections. None (the default): open new ones.

    Raises:
        StoreError: The store cannot be read.
        StudyError: No study has this name, or several studies have this optimizer.
    """
    connections = connections or Connections()
    known = list(read_experiments(tracking_uri, connections=connections))
    # Experiments, and studies of earlier versions, may have slashes in their names.
    experiments = sorted((found for found in known if name.startswith(f"{found}/")), key=len)
    if not experiments:
        raise StudyError(_unknown(name, "an experiment in the store", name.rpartition("/")[0], known))
    named: list[StudyRecord] = []
    same_optimizer: list[StudyRecord] = []
    labelled: list[StudyRecord] = []
    words: set[str] = set()
    for experiment in experiments:
        wanted = name.removeprefix(f"{experiment}/")
        studies = read_studies(tracking_uri, experiment, connections=connections)
        named += [study for study in studies if study.name in (wanted, mended(wanted))]
        same_optimizer += [study for study in studies if study.optimizer == wanted]
        labelled += studies_of_label(wanted, studies)
        words |= {word for study in studies for word in (study.name, study.optimizer)}
    found = named or same_optimizer or labelled
    if not found:
        raise StudyError(_unknown(name, f"a study or an optimizer of {experiment}", wanted, sorted(words)))
    if len(found) > 1:
        listed = ", ".join(f"{study.experiment}/{study.name}" for study in found)
        raise StudyError(
            f"TARGET={name}: expected one study, and there are {len(found)} of {wanted}: {listed}. Choose one."
        )
    return found[0]


def read_recorded_run(
    tracking_uri: str, study: StudyRecord, run: RunRecord, *, connections: Connections
) -> RecordedRun:
    """Return a run of a study with the recorded conditions of its training.

    Args:
        tracking_uri: Address of the store.
        study: The study.
        run: One of its trials or confirmations.
        connections: The caller's connections.

    Raises:
        StoreError: The store cannot be read.
        StudyError: The study's config was overwritten.
    """
    text = read_artifact_text(tracking_uri, study.run_id, "config.yaml", connections=connections)
    try:
        raw = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        raw = None
    if not isinstance(raw, Mapping) or is_too_deep(raw):
        raise StudyError(
            f"run {study.run_id}: expected a study's config in its artifact config.yaml, and this is another text. "
            "The artifact was overwritten; restore it from a copy."
        )
    contents = read_contents(tracking_uri, study, run, connections=connections)
    of_study = () if contents else read_data_digests(tracking_uri, study.run_id, connections=connections)
    return RecordedRun(
        tracking_uri=tracking_uri,
        study=study,
        run=run,
        raw=raw,
        data_digests=(contents.data,) if contents else of_study,
        contents=contents,
    )


def find_best_run(study: StudyRecord) -> RunRecord:
    """Return the first confirmation of a study's best or fixed setting; the best trial so far without a confirmation.

    Args:
        study: The study, with its trials.

    Raises:
        StudyError: No trial has completed.
    """
    if any(map(is_confirmed_best, study.confirmations)):
        return _best_confirmation(study)
    complete = [run for run in study.trials if run.state == "complete" and run.finished and "objective" in run.metrics]
    if not complete:
        raise StudyError(
            f"TARGET={study.experiment}/{study.name}: expected a study with a completed trial, and none of its "
            f"{len(study.trials)} trials has completed. Wait for one, or choose another study."
        )
    sign = metric_of(study.params, study.tags).sign
    return max(complete, key=lambda run: (sign * run.metrics["objective"], -run.number))


def hyperparameters(run: RunRecord) -> dict[str, Value]:
    """Return the arguments of a run's optimizer and the values of other searched keys, read from the run's params.

    Args:
        run: The run.
    """
    return {key: value_of(text) for key, text in run.params.items() if key not in NOT_HYPERPARAMETERS}


def recorded_seed(run: RunRecord, name: str) -> int:
    """Return a seed of a recorded run.

    Args:
        run: The run.
        name: `run_seed` or `order_seed`.

    Raises:
        StoreError: The param was removed or changed in the store.
    """
    text = run.params.get(name)
    if text is None or not text.isdecimal() or len(text) > _LONGEST_SEED:
        shown = " is missing" if text is None else f"={in_one_line(text)}"
        raise StoreError(
            f"run {run.run_id}: the param {name}{shown}, expected a whole number. It was changed in MLflow. Restore "
            "the store from a copy, or choose another run."
        )
    return int(text)


def is_confirmed_best(run: RunRecord) -> bool:
    """Return whether a run is a complete confirmation of a study's best or fixed setting, and not superseded.

    Args:
        run: The run.
    """
    return run.kind in ("best", "fixed") and run.state == "complete" and run.finished and not run.superseded


def _find_run(tracking_uri: str, run_id: str, connections: Connections) -> RecordedRun:
    located = read_study_of_run(tracking_uri, run_id, connections=connections)
    if located is None:
        known = list(read_experiments(tracking_uri, connections=connections))
        hint = f" To name the best of a study of {run_id}, write {run_id}/OPTIMIZER." if run_id in known else ""
        advice = f"See `study list`: the experiments are {', '.join(known) or '(none yet)'}."
        raise StudyError(
            f"TARGET={run_id}: expected {_FORMS}, and no study of the store has such a run.{hint} {advice}"
        )
    experiment, study_run_id = located
    studies = read_studies(tracking_uri, experiment, connections=connections)
    study = next((study for study in studies if study.run_id == study_run_id), None)
    runs = [] if study is None else [*study.trials, *study.confirmations]
    run = next((run for run in runs if run.run_id == run_id), None)
    if study is not None and run_id == study_run_id:
        run = _best_confirmation(study)
    if study is None or run is None:
        raise StudyError(
            f"TARGET={run_id}: expected an existing run, and this one, or its study, was deleted in experiment "
            f"{experiment}. Restore it with `mlflow runs restore --run-id {run_id}`, or choose another."
        )
    if not run.finished or run.state == "failed":
        state = run.state or ("still running" if run.status == "RUNNING" else "cut off")
        raise StudyError(f"TARGET={run_id}: expected a run with a result, and this one is {state}. Choose another.")
    return read_recorded_run(tracking_uri, study, run, connections=connections)


def _exported_run(tracking_uri: str, path: Path, connections: Connections) -> RecordedRun:
    exported = read_exported(path)
    run_id = exported.provenance.get("run_id")
    if not isinstance(run_id, str):
        raise StudyError(
            f"{path}: expected the header that `study export` writes, and it has none with a key run_id. "
            f"Export the configuration again, or name {_FORMS}."
        )
    found = _find_run(tracking_uri, run_id, connections)
    return replace(found, exported=exported.sections)


def _best_confirmation(study: StudyRecord) -> RunRecord:
    """Return the first confirmation of the best, or of the fixed, setting."""
    confirmed = [run for run in study.confirmations if is_confirmed_best(run)]
    if not confirmed:
        progress = study.tags.get("progress", f"{len(study.trials)}/{study.n_trials}")
        raise StudyError(
            f"TARGET={study.experiment}/{study.name}: expected a study with a confirmed best, and this one has none "
            f"({progress} trials done). Continue it with budget.n_confirmations=5, or name a trial by its run id."
        )
    return min(confirmed, key=lambda run: run.number)


def _unknown(name: str, expected: str, wanted: str, known: Sequence[str] | Collection[str]) -> str:
    near = difflib.get_close_matches(wanted, list(known), n=3) or sorted(known)
    hint = f"Did you mean {' or '.join(near)}?" if near else "There are no studies yet: run one first."
    return f"TARGET={name}: expected {expected}, and there is no {wanted!r}. {hint} `study list` shows all."
