r"""Read studies back from MLflow's store, in bulk; nothing is written and no store is created.

A command that calls several of these functions passes `connections` to each, so that a store is inspected once.

Names and tags come from a store that may have been handed on. Their control characters are returned written out, such
as `\x1b`, so that each is a part of one line wherever it is shown; a name in this form finds its experiment too.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import sqlalchemy
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from study.core.contents import Contents
from study.core.errors import StoreError
from study.core.readable_output import in_one_line
from study.core.records import Role, RunRecord, StudyRecord
from study.core.redaction import redact
from study.tracking.child_records import with_worst_objective, without_twins
from study.tracking.connection import Connections, is_database, store_errors
from study.tracking.mlflow_internals import is_known, select_metrics
from study.tracking.mlflow_schema import PARENT, contents_path, ended, from_stored, run_records
from study.tracking.packed_tags import INTERNALS, all_tags, is_damaged
from study.tracking.recorded_params import with_targets, without_doubles
from study.tracking.study_summary import current_names

# Steps and values of one metric of one run, each of shape (n_logged,).
History = tuple[NDArray[np.int64], NDArray[np.float64]]

# Tags that every run of a study has.
_STUDY_TAGS = ("study_name", "optimizer", "dataset", "model", "study_id")
_NUMBER_TAGS = ("n_trials", "n_confirmations", "opened_ms", "targets_per_example")
_LAST_MS = 253_402_300_800_000  # the year 10000, in milliseconds
_MOST_DIGITS = 18
_OF_MLFLOW = "mlflow."  # its own tags, such as a note of several lines
_RUNS_PER_PAGE = 10_000
_RUNS_PER_QUERY = 400  # databases limit the variables of a statement
_REQUESTS_AT_ONCE = 8


def read_experiments(tracking_uri: str, *, connections: Connections | None = None) -> dict[str, str]:
    """Return MLflow's ids of the experiments that contain studies, by name, the newest first.

    Args:
        tracking_uri: Address of the store.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the experiments cannot be read"):
        experiments = client.search_experiments(order_by=["creation_time DESC"])
        holding = {
            run.info.experiment_id
            for run in _search(client, [e.experiment_id for e in experiments], "tags.role = 'study'")
        }
    return {in_one_line(e.name): e.experiment_id for e in experiments if e.experiment_id in holding}


def deleted_experiments(tracking_uri: str, *, connections: Connections | None = None) -> dict[str, str]:
    """Return the ids of the experiments that were deleted in MLflow and can be restored, by name.

    Args:
        tracking_uri: Address of the store.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the experiments cannot be read"):
        deleted = client.search_experiments(view_type=ViewType.DELETED_ONLY)
    return {in_one_line(e.name): e.experiment_id for e in deleted}


def read_studies(
    tracking_uri: str, experiment: str, *, trials: bool = True, connections: Connections | None = None
) -> list[StudyRecord]:
    """Return the studies of an experiment, the oldest first.

    Args:
        tracking_uri: Address of the store.
        experiment: Name of the experiment.
        trials: Read the studies' trials too, not only the confirmations; this takes about a millisecond for each
            trial. Default True.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read, or has no such experiment.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the studies cannot be read"):
        found = find_experiment(client, experiment)
        if found is None:
            names = ", ".join(sorted(in_one_line(e.name) for e in client.search_experiments())) or "none"
            raise StoreError(
                f"experiment={experiment}: expected the name of an experiment in {redact(tracking_uri)}. "
                f"Choose one of these: {names}; or correct tracking_uri."
            )
        parents = _dated(find_runs(client, [found.experiment_id], "tags.role = 'study'"))
        children: dict[str, list[RunRecord]] = defaultdict(list)
        for role in ("trial", "confirmation") if trials else ("confirmation",):
            runs = _dated(find_runs(client, [found.experiment_id], f"tags.role = '{role}'"))
            parent = {run.info.run_id: run.data.tags.get(PARENT, "") for run in runs}
            for child in run_records(runs):
                children[parent[child.run_id]].append(child)
    parents.sort(key=lambda run: run.info.start_time)
    return [_study_record(run, experiment, children[run.info.run_id]) for run in parents]


def read_study_of_run(
    tracking_uri: str, run_id: str, *, connections: Connections | None = None
) -> tuple[str, str] | None:
    """Return the experiment's name and the id of the study's run for a run; for a study's run, this is the run itself.

    Args:
        tracking_uri: Address of the store.
        run_id: Id of the run.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        The two texts; None if the store has no such run, or it does not belong to a study.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, f"run {run_id} cannot be read"):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None  # the second code is for a text that is no run's id
        parent = run_id if run.data.tags.get("role") == "study" else run.data.tags.get(PARENT)
        return (in_one_line(client.get_experiment(run.info.experiment_id).name), parent) if parent else None


def read_data_digests(tracking_uri: str, run_id: str, *, connections: Connections | None = None) -> tuple[str, ...]:
    """Return the digests of the data of a study's run, usually one.

    Args:
        tracking_uri: Address of the store.
        run_id: Id of the study's run.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, f"the data of run {run_id} cannot be read"):
        inputs = client.get_run(run_id).inputs.dataset_inputs
    return tuple(dict.fromkeys(str(given.dataset.digest) for given in inputs))


def read_contents(
    tracking_uri: str, study: StudyRecord, run: RunRecord, *, connections: Connections | None = None
) -> Contents | None:
    """Return the data, code and architecture with which a run trained; None if they were not recorded.

    Args:
        tracking_uri: Address of the store.
        study: The study of the run.
        run: The trial or confirmation.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store cannot be read.
    """
    if not run.contents:
        return None
    path = contents_path(run.contents)
    return Contents.from_json(read_artifact_text(tracking_uri, study.run_id, path, connections=connections))


def read_histories(
    tracking_uri: str, run_ids: Collection[str], metrics: Collection[str], *, connections: Connections | None = None
) -> dict[str, dict[str, History]]:
    """Return steps and values of metrics of many runs.

    Args:
        tracking_uri: Address of the store.
        run_ids: Ids of the runs.
        metrics: Names of the metrics; a metric that a run does not have is missing in its answer.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        By id of the run and by metric: steps and values in the order of the steps, each of shape (n_logged,).

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = (connections or Connections()).client(tracking_uri)
    read = _from_database if is_database(tracking_uri) and is_known() else _from_server
    rows: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    with store_errors(tracking_uri, "the histories cannot be read"):
        for run_id, metric, step, value in read(client, tracking_uri, list(run_ids), list(metrics)):
            rows[run_id, metric].append((step, value))
    histories: dict[str, dict[str, History]] = {run_id: {} for run_id in run_ids}
    for (run_id, metric), pairs in rows.items():
        steps, values = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
        histories[run_id][metric] = (np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64))
    return histories


def read_artifact_text(tracking_uri: str, run_id: str, path: str, *, connections: Connections | None = None) -> str:
    """Return a text artifact of a run, such as a study's `config.yaml`.

    Args:
        tracking_uri: Address of the store.
        run_id: Id of the run.
        path: Path of the artifact in the run.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read, or the run has no such artifact.
    """
    client = (connections or Connections()).client(tracking_uri)
    with (
        store_errors(tracking_uri, f"artifact {path} of run {run_id} cannot be read"),
        tempfile.TemporaryDirectory() as folder,
    ):
        return Path(client.download_artifacts(run_id, path, folder)).read_text(encoding="utf-8")


def find_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """Return the experiment of a name, in which control characters may be written out; None without one.

    Args:
        client: A client of the store.
        name: The name.
    """
    found: Experiment | None = client.get_experiment_by_name(name)
    if found is None and "\\" in name:
        found = next((e for e in client.search_experiments() if in_one_line(e.name) == name), None)
    return found


def find_runs(
    client: MlflowClient, experiment_ids: Sequence[str], condition: str, *, view: int = ViewType.ACTIVE_ONLY
) -> list[Run]:
    """Return all runs of some experiments that meet a condition.

    Args:
        client: A client of the store.
        experiment_ids: MLflow's ids of the experiments.
        condition: The condition, in MLflow's search language.
        view: MLflow's constant for active runs, deleted ones or both. Default: active runs.
    """
    return list(_search(client, list(experiment_ids), condition, view)) if experiment_ids else []


def child_runs(client: MlflowClient, experiment_id: str, run_id: str, *, role: Role | None = None) -> list[RunRecord]:
    """Return the trials and confirmations of a study's run, the oldest first.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        run_id: Id of the study's run.
        role: Return only runs of this role. None (the default): all.
    """
    only = "" if role is None else f" and tags.role = '{role}'"
    runs = find_runs(client, [experiment_id], f"tags.`{PARENT}` = '{run_id}'{only}")
    return sorted(run_records(runs), key=lambda record: record.started)


def _search(
    client: MlflowClient, experiment_ids: list[str], condition: str, view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(experiment_ids, condition, view, max_results=_RUNS_PER_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _study_record(run: Run, experiment: str, children: list[RunRecord]) -> StudyRecord:
    tags = _tags(run, experiment)
    children = with_worst_objective(without_twins(children), tags)
    confirmations = [child for child in children if child.role == "confirmation"]
    return StudyRecord(
        run_id=run.info.run_id,
        experiment=experiment,
        name=tags["study_name"],
        optimizer=tags["optimizer"],
        dataset=tags["dataset"],
        model=tags["model"],
        study_id=tags["study_id"],
        status=run.info.status,
        n_trials=int(tags.get("n_trials", 0)),
        tags=tags,
        params=with_targets(without_doubles(run.data.params)),
        metrics=current_names({key: from_stored(value) for key, value in run.data.metrics.items()}),
        trials=tuple(sorted((c for c in children if c.role == "trial"), key=lambda c: (c.number, c.started))),
        confirmations=tuple(sorted(confirmations, key=lambda c: (c.kind, c.number, c.started))),
        started=run.info.start_time / 1000,
        ended=ended(run),
    )


def _tags(run: Run, experiment: str) -> dict[str, str]:
    """Return the tags of a study's run after checking them."""
    present = {key: value for key, value in run.data.tags.items() if value is not None}  # a database may hold NULL
    given = all_tags(present)
    tags = {key: value if key.startswith(_OF_MLFLOW) else in_one_line(value) for key, value in given.items()}
    if missing := [tag for tag in _STUDY_TAGS if tag not in tags]:
        named = in_one_line(str(run.info.run_name))
        raise StoreError(
            f"experiment={experiment}: the run {named} ({run.info.run_id}) of a study has no tags "
            f"{', '.join(missing)}, which were removed in MLflow. Set them there again. Or delete the run there, and "
            "start the study's command again: it writes the run again."
        )
    if is_damaged(present, run.data.metrics):
        raise StoreError(
            f"experiment={experiment}: the tag {INTERNALS} of the study {tags['study_name']} (run {run.info.run_id}) "
            "was removed or broken in MLflow: expected a JSON object. Start the study's command again: it mends it."
        )
    for tag in _NUMBER_TAGS:
        if not tags.get(tag, "0").isdecimal() or len(tags.get(tag, "")) > _MOST_DIGITS:
            raise StoreError(
                f"experiment={experiment}: run {run.info.run_id} of the study {tags['study_name']} has the tag "
                f"{tag}={tags[tag]}, expected a whole number. It was changed in MLflow. Correct it there."
            )
    return tags


def _dated(runs: list[Run]) -> list[Run]:
    """Return runs after checking that their times are dates.

    Raises:
        StoreError: A time of a run was changed in the database.
    """
    for run in runs:
        for name, time_ms in (("start", run.info.start_time), ("end", run.info.end_time)):
            if time_ms is not None and not 0 <= time_ms < _LAST_MS:
                raise StoreError(
                    f"run {run.info.run_id}: {name}_time={time_ms}, expected milliseconds since 1970. It was changed "
                    "in MLflow's database. Correct it there, or delete the run: the study's command writes it again."
                )
    return runs


def _from_database(
    client: MlflowClient, uri: str, run_ids: list[str], metrics: list[str]
) -> Iterator[tuple[str, str, int, float]]:
    """Query the table of metrics, since MLflow's own call answers for one metric of at most 100 runs."""
    del client
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        for first in range(0, len(run_ids), _RUNS_PER_QUERY):
            some = run_ids[first : first + _RUNS_PER_QUERY]
            for run_id, key, step, value, is_nan in connection.execute(select_metrics(some, metrics)):
                yield run_id, key, step, float("nan") if is_nan else from_stored(value)


def _from_server(
    client: MlflowClient, uri: str, run_ids: list[str], metrics: list[str]
) -> Iterator[tuple[str, str, int, float]]:
    """Ask MLflow's client, which answers for one metric of one run at a time."""
    del uri

    def ask(run_and_metric: tuple[str, str]) -> list[tuple[str, str, int, float]]:
        run_id, metric = run_and_metric
        try:
            answers = client.get_metric_history(run_id, metric)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise
        return [(run_id, metric, answer.step, from_stored(answer.value)) for answer in answers]

    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        for rows in pool.map(ask, product(run_ids, metrics)):
            yield from rows
