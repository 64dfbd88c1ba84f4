"""Access to the private members of MLflow 3.17, and to its tables of metrics, all in one place.

MLflow may change them in any release. So `is_known` comes first: callers with another way, slower and with the same
results, take that way. A function without another way refuses other versions of MLflow with an explanation.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import mlflow
import sqlalchemy
from alembic.script import ScriptDirectory
from mlflow.store.db import utils as database_utils
from mlflow.store.model_registry.dbmodels import models as models_of_registry
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service import utils as tracking_utils

from study.core.errors import StoreError

VERSION = "3.17"
# MLflow inspects every installed package, which takes half a second or more, to warn of required versions that differ
# from the installed ones. The versions that we require are the installed ones.
_REQUIREMENTS_CHECK = "mlflow.utils.environment.warn_dependency_requirement_mismatches"


def is_known() -> bool:
    """Return whether the installed MLflow is the one that this module was written for."""
    return bool(mlflow.__version__.split(".")[:2] == VERSION.split("."))


def refuse_unknown(purpose: str, *, otherwise: str) -> None:
    """Refuse a version of MLflow that this module was not written for.

    Args:
        purpose: The work that needs the private members, as the subject of a sentence.
        otherwise: A way without this work, in words.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    if not is_known():
        raise StoreError(
            f"mlflow=={mlflow.__version__}: {purpose} uses private parts of MLflow {VERSION}. "
            f"Install it: pip install 'mlflow~={VERSION}.0'; {otherwise}."
        )


def initialize_tables(engine: sqlalchemy.Engine) -> None:
    """Create MLflow's tables in an empty database (`store.db.utils._initialize_tables` in MLflow 3.17).

    Args:
        engine: SQLAlchemy's engine of the database.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("the copy of an empty store", otherwise="or let MLflow make its own tables")
    database_utils._initialize_tables(engine)


def migrations() -> ScriptDirectory:
    """Return the migrations of MLflow's tables (the folder `store/db_migrations` in MLflow 3.17).

    Raises:
        StoreError: The installed MLflow has no such folder.
    """
    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    if not folder.is_dir():
        refuse_unknown("the check of a database's version", otherwise="or use a server's http address")
        raise StoreError(f"{folder}: expected the migrations of MLflow, and there are none. Install MLflow again.")
    return ScriptDirectory(str(folder))


@functools.cache
def latest_migrations() -> frozenset[str]:
    """Return the ids of MLflow's last migrations, which a database of this version has.

    Reading them imports 70 modules each time, so this function reads them once. Use `migrations` to compare others.

    Raises:
        StoreError: The installed MLflow has no migrations.
    """
    return frozenset(migrations().get_heads())


def database_of(client: MlflowClient) -> SqlAlchemyStore:
    """Return the database behind a client (`_tracking_client.store` in MLflow 3.17).

    Args:
        client: A client of the store.

    Raises:
        StoreError: Another version of MLflow is installed.
        TypeError: The client's store is not a database.
    """
    refuse_unknown("writing to a database", otherwise="or use a server's http address")
    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore):
        raise TypeError(f"{type(store).__name__}: expected the store of a database")
    return store


def delete_metrics(client: MlflowClient, run_id: str) -> None:
    """Delete all metrics of a run from a database (`SqlMetric` and `SqlLatestMetric` in MLflow 3.17).

    Args:
        client: A client of the store.
        run_id: Id of the run.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    with database_of(client).ManagedSessionMaker(read_only=False) as session:
        for table in (models.SqlMetric, models.SqlLatestMetric):
            session.execute(sqlalchemy.delete(table).where(table.run_uuid == run_id))


def select_metrics(run_ids: Collection[str], metrics: Collection[str]) -> sqlalchemy.Select[Any]:
    """Return a query for run, name, step, value and is-NaN of logged metrics (`SqlMetric` in MLflow 3.17).

    Args:
        run_ids: Ids of the runs.
        metrics: Names of the metrics.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("reading metrics from a database", otherwise="or use a server's http address")
    table = models.SqlMetric
    columns = (table.run_uuid, table.key, table.step, table.value, table.is_nan)
    return sqlalchemy.select(*columns).where(table.run_uuid.in_(run_ids), table.key.in_(metrics))


def places_of_experiments() -> sqlalchemy.Select[Any]:
    """Return a query for id and place of artifacts of all experiments (`SqlExperiment` in MLflow 3.17).

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("reading the places of artifacts", otherwise="or use a server's http address")
    return sqlalchemy.select(models.SqlExperiment.experiment_id, models.SqlExperiment.artifact_location)


def replace_place(experiment_id: int, *, old: str, new: str) -> list[sqlalchemy.Update]:
    """Return the changes that give an experiment, its runs and its models another place of artifacts.

    Places elsewhere stay (`SqlExperiment`, `SqlRun`, `SqlLoggedModel` and `SqlModelVersion` in MLflow 3.17).

    Args:
        experiment_id: MLflow's id of the experiment.
        old: The recorded place of the experiment's artifacts, an address.
        new: The new place.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("changing the places of artifacts", otherwise="or use a server's http address")
    experiment, run, model = models.SqlExperiment, models.SqlRun, models.SqlLoggedModel
    changed = [sqlalchemy.update(experiment).where(experiment.experiment_id == experiment_id)]
    changed[0] = changed[0].values(artifact_location=new)
    registered = models_of_registry.SqlModelVersion.storage_location
    for table, column in ((run, run.artifact_uri), (model, model.artifact_location), (None, registered)):
        within = sqlalchemy.func.substr(column, 1, len(old) + 1) == f"{old}/"
        moved = sqlalchemy.literal(new).concat(sqlalchemy.func.substr(column, len(old) + 1))
        # The registry does not know the experiment of a version; the place is enough.
        of = [within] if table is None else [table.experiment_id == experiment_id, within]
        changed.append(sqlalchemy.update(column.class_).where(*of).values({column.key: moved}))
    return changed


@contextlib.contextmanager
def lookups_at(tracking_uri: str) -> Iterator[None]:
    """Let MLflow look up models by their ids in a store (`_use_tracking_uri` in MLflow 3.17).

    The registry of a database looks up a logged model at the address of the process, not at that of its client.

    Args:
        tracking_uri: Address of the store.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("registering a model", otherwise="or register it in MLflow's pages")
    with tracking_utils._use_tracking_uri(tracking_uri):
        yield


@contextlib.contextmanager
def serve_with(app: str) -> Iterator[None]:
    """Let MLflow's server run an app around its own (`_build_uvicorn_command` in MLflow 3.17).

    Another version of MLflow runs its own app.

    Args:
        app: The app, as `module:name`.
    """
    if not is_known():
        yield
        return
    from mlflow import server  # imports what only a server needs

    build, own = server._build_uvicorn_command, "mlflow.server.fastapi_app:app"

    def with_app(*args: Any, **kwargs: Any) -> list[str]:
        return [app if word == own else word for word in build(*args, **kwargs)]

    with mock.patch.object(server, "_build_uvicorn_command", with_app):
        yield


def forget_places() -> None:
    """Let MLflow look up each run's place of artifacts again (`_artifact_repos_cache` in MLflow 3.17).

    MLflow remembers it by the run's id alone, and a copied store has the same ids.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("a copied store", otherwise="or use a server's http address")
    tracking_utils._artifact_repos_cache.clear()


def check_system_metrics() -> None:
    """Refuse to record system metrics with a version of MLflow that `next_step` was not written for.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    refuse_unknown("the record of system metrics", otherwise="or set tracking.system_metrics=false")


def next_step(monitor: Any) -> int:
    """Return the step at which a `SystemMetricsMonitor` continues in its run (`_logging_step` in MLflow 3.17).

    Args:
        monitor: The monitor.

    Raises:
        StoreError: Another version of MLflow is installed.
    """
    check_system_metrics()
    return int(monitor._logging_step)


@contextlib.contextmanager
def without_requirements_check() -> Iterator[None]:
    """Skip MLflow's check of a model's requirements (`utils.environment` in MLflow 3.17); other versions run it.

    The check is skipped in every thread for the duration of the block.
    """
    with mock.patch(_REQUIREMENTS_CHECK) if is_known() else contextlib.nullcontext():
        yield
