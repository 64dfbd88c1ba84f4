"""Record comparisons in MLflow, and read the facts of an experiment that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.tracking import MlflowClient

from study.core.errors import StoreError
from study.core.redaction import redact
from study.tracking import mlflow_schema
from study.tracking.connection import Connections, store_errors
from study.tracking.packed_tags import all_tags
from study.tracking.read_studies import find_experiment, find_runs

_PICTURES = (".svg", ".png", ".gif")


@dataclass(frozen=True, kw_only=True)
class ExperimentContext:
    """The facts of an experiment that a comparison needs besides its studies.

    Attributes:
        experiment_id: MLflow's id of the experiment, for links.
        digests: Digests of the data, by id of the study's run.
    """

    experiment_id: str
    digests: Mapping[str, str]


def read_context(tracking_uri: str, experiment: str, *, connections: Connections | None = None) -> ExperimentContext:
    """Return an experiment's id and the digests of the data of its studies.

    Args:
        tracking_uri: Address of the store.
        experiment: Name of the experiment.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be read, or has no such experiment.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the experiment cannot be read"):
        experiment_id = _find_experiment(client, tracking_uri, experiment)
        runs = find_runs(client, [experiment_id], "tags.role = 'study'")
    digests = {
        run.info.run_id: all_tags(run.data.tags).get(mlflow_schema.DATA_DIGEST, each.dataset.digest)
        for run in runs
        for each in run.inputs.dataset_inputs
    }
    return ExperimentContext(experiment_id=experiment_id, digests=digests)


def log_comparison(
    tracking_uri: str,
    experiment: str,
    *,
    files: Sequence[Path],
    tags: Mapping[str, str],
    study_run_ids: Sequence[str] = (),
    connections: Connections | None = None,
) -> str:
    """Record the files of a comparison in a new run of role `comparison`; earlier comparisons stay.

    Args:
        tracking_uri: Address of the store.
        experiment: Name of the experiment that gets the run.
        files: Paths of the page, its JSON and its figures; pictures go into the folder `figures`.
        tags: Tags beside `role`.
        study_run_ids: Ids of the runs of the compared studies; each gets the tag `comparison_run_id`. Default: none.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        The new run's id.

    Raises:
        StoreError: The store is missing or cannot be written.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the comparison cannot be recorded"):
        experiment_id = _find_experiment(client, tracking_uri, experiment)
        own = {**mlflow_schema.source_tags(), "role": "comparison", "mlflow.source.name": "study compare", **tags}
        created = client.create_run(experiment_id, mlflow_schema.now_ms(), own, run_name="comparison")
        run_id = str(created.info.run_id)
        for path in files:
            client.log_artifact(run_id, str(path), "figures" if path.suffix in _PICTURES else None)
        for study_run_id in study_run_ids:
            client.set_tag(study_run_id, "comparison_run_id", run_id)
        client.set_terminated(run_id)
    return run_id


def _find_experiment(client: MlflowClient, tracking_uri: str, name: str) -> str:
    """Return the id of an experiment.

    Raises:
        StoreError: The store has no such experiment.
    """
    found = find_experiment(client, name)
    if found is None:
        raise StoreError(f"experiment={name}: no such experiment in {redact(tracking_uri)}. See study list.")
    return str(found.experiment_id)
