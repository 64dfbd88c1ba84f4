"""Find or create the run of a study, and read its trials and confirmations."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil
import yaml
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from study.config.schema import StudyConfig
from study.core.errors import StoreError
from study.core.records import NO_RECORD, RunRecord, SearchRecord
from study.core.redaction import redact, redacted
from study.core.session_objects import sources
from study.datasets import Dataset
from study.statistics.looks import Look
from study.tracking import mlflow_schema
from study.tracking.artifact_places import is_whole, local_folder
from study.tracking.connection import connect, is_database, store_errors
from study.tracking.experiment_views import write_views
from study.tracking.look_plan import changed_margin, look_tags, plan_of_study
from study.tracking.outbox.mlflow_writer import RECORD, MlflowWriter
from study.tracking.outbox.resumed_run import Place, ResumedStudy, resume_study
from study.tracking.outbox.spool import Address, Spool, open_spool, waiting
from study.tracking.outbox.sync import deliver_spool, repeat_nothing
from study.tracking.own_notes import NOTE, is_own
from study.tracking.packed_tags import all_tags, packed
from study.tracking.read_studies import child_runs, find_runs
from study.tracking.run_changes import refuse_renamed, restore_study, restore_trials
from study.tracking.run_colors import own_color
from study.tracking.search_history import BEST_SO_FAR
from study.tracking.study_summary import note_start


@dataclass(frozen=True, kw_only=True)
class StudyRuns:
    """A study's run, marked as running, with the trials and confirmations that the store already has.

    With a server, records of the study go through a spool, so that the server may be away for a while.

    Attributes:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        run_id: Id of the study's run.
        looks: The plan of the looks at its confirmations; none without confirmations.
        children: The trials and confirmations of the study, the oldest first.
        mlflow_writer: The writer of entries to the store.
        spool: The file in which entries wait for a server; None: the store is a database.
        tags_before: Tags of the study's run as an earlier process left them; empty for a new study.
        color: The color of the study's runs in MLflow's pages, as `#rrggbb`.
        metrics_before: The metrics that the study's run had, by name and step.
        describes: False if a person wrote or changed the description of the study's run, which stays then.
        was_deleted: True if the study's run had been deleted and was restored.
        restored: Numbers of the trials whose deleted runs were restored.
        is_complete: False if records of the study's other workers, perhaps on other machines, may wait for a server.
        artifacts: The folder of the run's artifacts; None: they are on a server.
        lost_artifacts: Paths of the run's artifacts that an earlier process wrote, and that were lost or damaged. They
            are written again.
    """

    client: MlflowClient
    experiment_id: str
    run_id: str
    looks: tuple[Look, ...]
    children: tuple[RunRecord, ...]
    mlflow_writer: MlflowWriter
    spool: Spool | None
    tags_before: Mapping[str, str]
    color: str
    metrics_before: Mapping[Place, float]
    describes: bool
    was_deleted: bool
    restored: tuple[int, ...]
    is_complete: bool
    artifacts: Path | None
    lost_artifacts: tuple[str, ...]

    @cached_property
    def names_before(self) -> frozenset[str]:
        """Names of the metrics that the study's run had."""
        return frozenset(name for name, _ in self.metrics_before)

    @cached_property
    def counts_steps(self) -> bool:
        """True if an earlier version began the study: the steps of its summary are numbers of trials.

        They go on, since MLflow shows the value of the last step. Now they are 0, and MLflow draws bars, not dots.
        """
        return any(name == "n_complete" and step > 0 for name, step in self.metrics_before)

    @property
    def course(self) -> dict[int, float]:
        """The points of `best_so_far` in the store, by step."""
        return {step: value for (name, step), value in self.metrics_before.items() if name == BEST_SO_FAR}


def open_runs(
    config: StudyConfig,
    *,
    study_name: str,
    dataset: Dataset,
    environment: Mapping[str, str],
    search: SearchRecord = NO_RECORD,
) -> StudyRuns:
    """Find the run of the study with this digest, or create it, and update its description.

    Entries that an earlier process left in a spool are delivered first.

    Args:
        config: The study's config.
        study_name: Name of the study in its experiment.
        dataset: The study's data set.
        environment: Versions by package, and `git_commit`.
        search: The study in the store of searches; its trials that were deleted in MLflow are restored. Default: no
            trials.

    Raises:
        StoreError: The store cannot be opened or written to, or the experiment was renamed in MLflow.
    """
    repeat_nothing(uri := config.stores.tracking_uri)
    client = connect(uri, create=True, artifacts=config.stores.artifacts)
    delivered = [deliver_spool(path, tracking_uri=uri) for path in waiting(spool_folder(config), config.digest)]
    with store_errors(uri, "the study cannot be recorded"):
        experiment_id = _experiment(client, config, search)
        run_id, was_deleted = _parent(client, config, experiment_id, study_name=study_name, search=search)
        run = client.get_run(run_id)
        before, lost = all_tags(run.data.tags), _lost(run)
        looks = plan_of_study(client, experiment_id, run_id, recorded=before, budget=config.budget)
        children, restored = _children(client, experiment_id, run_id, search, uri=uri)
        tags = {**environment, **look_tags(looks), **changed_margin(before, config.objective, children)}
        tags |= {"n_trials": str(max(config.n_trials, len(search.ended))), mlflow_schema.COLOR: own_color(client, run)}
        _describe(client, run, config, study_name=study_name, dataset=dataset, environment=tags)
        mlflow_writer, resumed = _go_on(client, experiment_id, run_id)
    return StudyRuns(
        client=client,
        experiment_id=experiment_id,
        run_id=run_id,
        looks=looks,
        children=tuple(children),
        mlflow_writer=mlflow_writer,
        spool=_spool(config, experiment_id=experiment_id, run_id=run_id, study_name=study_name),
        tags_before=before,
        color=tags[mlflow_schema.COLOR],
        metrics_before=dict(resumed.values),
        describes=is_own(before.get(NOTE, ""), earlier=note_start(config)),
        was_deleted=was_deleted,
        restored=restored,
        is_complete=is_database(uri) or (None not in delivered and config.stores.optuna_url is None),
        artifacts=local_folder(run.info.artifact_uri),
        lost_artifacts=lost,
    )


def _go_on(client: MlflowClient, experiment_id: str, run_id: str) -> tuple[MlflowWriter, ResumedStudy]:
    """Mark a study's run as running; return a writer that knows its metrics, and the metrics."""
    client.update_run(run_id, status="RUNNING")
    resumed = resume_study(client, run_id)
    return MlflowWriter(client, experiment_id, resumed={run_id: resumed}), resumed


def _children(
    client: MlflowClient, experiment_id: str, run_id: str, search: SearchRecord, *, uri: str
) -> tuple[list[RunRecord], tuple[int, ...]]:
    """Return the study's trials and confirmations, and the numbers of the deleted trials that are restored."""
    if not is_database(uri):
        _remove_doubles(client, experiment_id, run_id)
    children = child_runs(client, experiment_id, run_id)
    restored = restore_trials(client, experiment_id, run_id, search=search, children=children)
    if _end_orphans(client, children) or restored:
        children = child_runs(client, experiment_id, run_id)
    return children, restored


def _lost(run: Run) -> tuple[str, ...]:
    """Return those of a run's first artifacts that are missing or empty, of a run that an earlier process opened."""
    folder, tags = local_folder(run.info.artifact_uri), all_tags(run.data.tags)
    if folder is None or mlflow_schema.OPENED not in tags:
        return ()
    digest = tags.get(mlflow_schema.CONTENTS)
    first = [mlflow_schema.CONFIG, *([] if digest is None else [mlflow_schema.contents_path(digest)])]
    return tuple(path for path in first if not is_whole(folder / path))


def _spool(config: StudyConfig, *, experiment_id: str, run_id: str, study_name: str) -> Spool | None:
    """Open the file in which entries wait for a server; None for a database."""
    if is_database(config.stores.tracking_uri):
        return None
    address = Address(
        tracking_uri=redact(config.stores.tracking_uri),
        experiment_id=experiment_id,
        experiment=config.experiment_name,
        study=study_name,
        run_id=run_id,
    )
    return open_spool(spool_folder(config), config.digest, address)


def spool_folder(config: StudyConfig) -> Path:
    """Return the path of the folder of the spools, beside the local stores.

    Args:
        config: The study's config.
    """
    return config.stores.artifacts.parent / "spool"


def _experiment(client: MlflowClient, config: StudyConfig, search: SearchRecord) -> str:
    """Return the id of the study's experiment, which is created when it is missing."""
    name, uri = config.experiment_name, config.stores.tracking_uri
    found: Experiment | None = client.get_experiment_by_name(name)
    if found is None:
        refuse_renamed(client, config, search)
        local = mlflow_schema.artifact_location(config.stores.artifacts, name) if is_database(uri) else None
        # Without the kind of an experiment, MLflow's pages ask if it is about language models.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        try:
            return str(client.create_experiment(name, artifact_location=local, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another study was quicker
    if found is None or found.lifecycle_stage != "active":
        number = "ID" if found is None else found.experiment_id
        advice = (
            f"Restore it (mlflow experiments restore --experiment-id {number}, with MLFLOW_TRACKING_URI set to this "
            "address), or set another experiment_name."
        )
        raise StoreError(f"experiment_name={name}: this experiment was deleted in {redact(uri)}. {advice}")
    return str(found.experiment_id)


def _parent(
    client: MlflowClient, config: StudyConfig, experiment_id: str, *, study_name: str, search: SearchRecord
) -> tuple[str, bool]:
    """Return the id of the study's run, which is created when it is missing; and True if it had been deleted."""
    # A recorded name may hold any character, may be cut, and may be an earlier one. So the condition has no name.
    same_study = f"tags.role = 'study' AND tags.study_id = '{config.digest}'"
    others = {name[: mlflow_schema.TAG_LENGTH] for name in search.namesakes}

    def oldest() -> str | None:
        runs = find_runs(client, [experiment_id], same_study)
        runs = [run for run in runs if run.data.tags.get("study_name") not in others]
        return min(runs, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id if runs else None

    if (found := oldest()) is not None:
        return found, False
    if (found := restore_study(client, experiment_id, same_study, search)) is not None:
        return found, True
    tags = {
        "role": "study",
        **mlflow_schema.workload_tags(config, study_name=study_name),
        **mlflow_schema.source_tags(),
    }
    started = mlflow_schema.now_ms()
    created = client.create_run(experiment_id, started, packed(tags), run_name=study_name).info.run_id
    # Two workers that start one study at the same time both keep the older run.
    if (kept := oldest()) is not None and kept != created:
        client.delete_run(created)
        return kept, False
    return str(created), False


def _describe(
    client: MlflowClient,
    run: Run,
    config: StudyConfig,
    *,
    study_name: str,
    dataset: Dataset,
    environment: Mapping[str, str],
) -> None:
    """Write the config, the versions and the data set to the study's run, and the views to its experiment."""
    run_id, recorded = run.info.run_id, run.data
    workload = mlflow_schema.workload_tags(config, study_name=study_name)
    tags = mlflow_schema.config_tags(config, recorded=all_tags(recorded.tags)) | workload
    tags |= mlflow_schema.split_tags(dataset) | dict(environment)
    tags |= {mlflow_schema.OPENED: str(mlflow_schema.now_ms())}
    if config.contents is not None:
        before = all_tags(recorded.tags).get(mlflow_schema.CONTENTS)
        if before not in (None, config.contents.digest):
            told = f"{before} to {config.contents.digest}"
            earlier = recorded.tags.get(mlflow_schema.ACCEPTED)
            tags[mlflow_schema.ACCEPTED] = f"{earlier}, {told}" if earlier else told
        path = mlflow_schema.contents_path(config.contents.digest)
        client.log_text(run_id, config.contents.to_json(), path)
        for target, source in sources(config.contents.source).items():
            client.log_text(run_id, source, mlflow_schema.source_path(target))
    if commit := environment.get("git_commit"):
        tags["mlflow.source.git.commit"] = commit
    # What was recorded stays as it was, also if a command spells the same settings in another way.
    params = [param for param in mlflow_schema.config_params(config) if param.key not in recorded.params]
    mlflow_schema.log_in_batches(client, run_id, params=params, tags=packed(tags, recorded=recorded.tags))
    client.log_text(run_id, yaml.safe_dump(redacted(config.raw), sort_keys=False), mlflow_schema.CONFIG)
    client.log_inputs(run_id, [mlflow_schema.dataset_input(dataset)])
    write_views(client, run.info.experiment_id, config, has_test=len(dataset.test) > 0)


def _remove_doubles(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete runs that a server created twice: for a call that timed out, and for its repetition."""
    seen: set[str] = set()
    runs = find_runs(client, [experiment_id], f"tags.`{mlflow_schema.PARENT}` = '{run_id}'")
    for run in sorted(runs, key=lambda run: -len(run.data.metrics)):
        record = run.data.tags.get(RECORD)
        if record in seen:
            client.delete_run(run.info.run_id)
        elif record is not None:
            seen.add(record)


def _end_orphans(client: MlflowClient, children: Collection[RunRecord]) -> bool:
    """End the running runs of dead processes of this machine; return True if there were any."""
    orphans = [child for child in children if child.status == "RUNNING" and _is_orphan(client, child)]
    for child in orphans:
        ended = {None: "KILLED", "failed": "FAILED"}.get(child.state, "FINISHED")
        client.set_terminated(child.run_id, ended)
    return bool(orphans)


def _is_orphan(client: MlflowClient, child: RunRecord) -> bool:
    host, _, pid = client.get_run(child.run_id).data.tags.get("process", "").rpartition(":")
    if host != platform.node() or not pid.isdecimal():
        return False
    # A run with our own process id is an earlier process's, since one process opens a study once.
    return int(pid) == os.getpid() or not psutil.pid_exists(int(pid))
