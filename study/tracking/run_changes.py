"""Delete, restore and rename the runs of studies, and find those that were renamed in MLflow's pages."""

from __future__ import annotations

import math
from collections.abc import Collection

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from study.config.schema import StudyConfig
from study.core.errors import StoreError
from study.core.names import typed_command, typed_override
from study.core.records import RunRecord, SearchedTrial, SearchRecord, StudyRecord
from study.core.redaction import redact
from study.tracking.artifact_places import is_whole, local_folder
from study.tracking.connection import Connections, store_errors
from study.tracking.mlflow_schema import CONFIG, OPENED, PARENT, run_name, run_records
from study.tracking.packed_tags import all_tags
from study.tracking.read_studies import find_experiment, find_runs

# Relative difference up to which two objectives are the same: databases round much later digits than float32 has.
_RELATIVE = 1e-12


def refuse_renamed(client: MlflowClient, config: StudyConfig, search: SearchRecord) -> None:
    """Refuse to begin a study again whose runs lie in an experiment of another name.

    Args:
        client: A client of the store, which has no experiment of the study's name.
        config: The study's config.
        search: The study in the store of searches.

    Raises:
        StoreError: The experiment was renamed.
    """
    experiments = {found.experiment_id: found.name for found in client.search_experiments()}
    condition = f"tags.role = 'study' AND tags.study_id = '{config.digest}'"
    runs = find_runs(client, list(experiments), condition) if search.ended else []
    if runs:
        name, now = config.experiment_name, experiments[runs[0].info.experiment_id]
        back, along = typed_command("rename", now, name), typed_command("rename", name, now)
        raise StoreError(
            f"experiment_name={name}: the runs of this study are in the experiment {now} of "
            f"{redact(config.stores.tracking_uri)}: it was renamed there, and the search was not. Give the runs their "
            f"name back ({back}), or rename the search too ({along}) and go on with "
            f"{typed_override('experiment_name', now)}. To begin anew instead: {typed_command('delete', name)}."
        )


def restore_study(client: MlflowClient, experiment_id: str, condition: str, search: SearchRecord) -> str | None:
    """Restore the run of a study that was deleted in MLflow; return its id, or None without such a run.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        condition: The condition that the study's run meets, in MLflow's search language.
        search: The study in the store of searches. Without ended trials, nothing is restored: the study was deleted in
            both stores.
    """
    deleted = find_runs(client, [experiment_id], condition, view=ViewType.DELETED_ONLY) if search.ended else []
    # A run without this tag was never in use: another worker was quicker to create the study's run.
    used = [run for run in deleted if OPENED in all_tags(run.data.tags) and _name(run) not in search.namesakes]
    if not used:
        return None
    found: str = max(used, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id
    client.restore_run(found)
    return found


def restore_trials(
    client: MlflowClient, experiment_id: str, run_id: str, *, search: SearchRecord, children: Collection[RunRecord]
) -> tuple[int, ...]:
    """Restore the runs of trials that were deleted in MLflow, and return their numbers.

    A run that agrees with the search in state and objective is restored; runs that were replaced by others are not.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        run_id: Id of the study's run.
        search: The study in the store of searches.
        children: The trials and confirmations that the study's run has.
    """
    present = {child.number for child in children if child.kind == "trial" and child.finished}
    lacking = {trial.number: trial for trial in search.ended if trial.number not in present}
    if not lacking:
        return ()
    condition = f"tags.`{PARENT}` = '{run_id}' AND tags.role = 'trial'"
    deleted = find_runs(client, [experiment_id], condition, view=ViewType.DELETED_ONLY)
    records = run_records(deleted)
    found = {
        record.number: record.run_id
        for record in sorted(records, key=lambda record: record.started)
        if record.number in lacking and agree(lacking[record.number], record)
    }
    for restored in found.values():
        client.restore_run(restored)
    return tuple(sorted(found))


class RecordedStudies:
    """The studies in MLflow's store, for changes by a command.

    Args:
        tracking_uri: Address of the store; None: there is no store, and nothing to change.
        connections: The command's connections.
    """

    def __init__(self, tracking_uri: str | None, connections: Connections) -> None:
        self._client = None if tracking_uri is None else connections.client(tracking_uri)

    def delete(self, study: StudyRecord) -> None:
        """Delete a study's run and those of its trials and confirmations; MLflow can restore them.

        Args:
            study: The study.
        """
        if self._client is not None:
            for run_id in (*(run.info.run_id for run in _children(self._client, study)), study.run_id):
                self._client.delete_run(run_id)

    def rename(self, study: StudyRecord, name: str) -> None:
        """Give a study's run and those of its trials and confirmations the study's new name.

        Args:
            study: The study.
            name: The new name.
        """
        if self._client is None:
            return
        for record in run_records(_children(self._client, study)):
            self._client.set_tag(record.run_id, "study_name", name)
            self._client.update_run(record.run_id, name=run_name(record.kind, record.number, study_name=name))
        self._client.set_tag(study.run_id, "study_name", name)
        self._client.update_run(study.run_id, name=name)

    def rename_experiment(self, experiment: str, name: str) -> None:
        """Give an experiment another name.

        Args:
            experiment: Name of the experiment.
            name: The new name.

        Raises:
            MlflowException: Another experiment has the name, perhaps a deleted one.
        """
        found = None if self._client is None else find_experiment(self._client, experiment)
        if found is not None and self._client is not None:
            self._client.rename_experiment(found.experiment_id, name)


def without_artifacts(
    tracking_uri: str, run_ids: Collection[str], *, connections: Connections | None = None
) -> set[str]:
    """Return the ids of the studies' runs whose first artifact is missing in the file system.

    Args:
        tracking_uri: Address of the store.
        run_ids: Ids of the studies' runs.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client, lost = (connections or Connections()).client(tracking_uri), set()
    with store_errors(tracking_uri, "the places of artifacts cannot be read"):
        for run_id in run_ids:
            run = client.get_run(run_id)
            folder = local_folder(run.info.artifact_uri)
            if folder is not None and OPENED in all_tags(run.data.tags) and not is_whole(folder / CONFIG):
                lost.add(run_id)
    return lost


def _children(client: MlflowClient, study: StudyRecord) -> list[Run]:
    experiment_id = client.get_run(study.run_id).info.experiment_id
    found = find_runs(client, [experiment_id], f"tags.`{PARENT}` = '{study.run_id}'")
    return [run for run in found if "number" in run.data.tags or "role" in run.data.tags]


def agree(trial: SearchedTrial, record: RunRecord) -> bool:
    """Return whether a trial of the search and a finished run of MLflow tell the same state and objective.

    Args:
        trial: The trial of the search.
        record: The run.
    """
    stored = record.metrics.get("objective", math.nan)
    is_same = math.isclose(stored, trial.objective, rel_tol=_RELATIVE)
    # The search keeps no objective of a failed trial, and MLflow none of a diverged one.
    is_unknown = math.isnan(trial.objective) or (trial.state == "diverged" and math.isnan(stored))
    return record.finished and record.state == trial.state and (is_same or is_unknown)


def _name(run: Run) -> str:
    return str(run.data.tags.get("study_name"))
