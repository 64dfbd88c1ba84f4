import sqlite3

import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from study.tracking.outbox.entries import Finish, Log, Start
from study.tracking.outbox.mlflow_writer import MlflowWriter

DOUBLED = "(sqlite3.IntegrityError) UNIQUE constraint failed: metrics.key, metrics.timestamp, metrics.step"


class Racing(MlflowClient):
    """A client of a store in which another worker is always a little earlier."""

    def __init__(self, uri, refusals):
        super().__init__(uri)
        self.refusals = list(refusals)

    def log_batch(self, *given, **named):
        if self.refusals:
            raise MlflowException(self.refusals.pop())
        return super().log_batch(*given, **named)


@pytest.fixture
def uri(tmp_path, empty_store):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(empty_store) as source, sqlite3.connect(path) as target:
        source.backup(target)
    return f"sqlite:///{path}"


def write(uri, refusals):
    client = Racing(uri, refusals)
    run = client.create_run(client.create_experiment("e"))
    writer = MlflowWriter(client, run.info.experiment_id)
    writer.deliver(Log(run=run.info.run_id, metrics=[Metric("loss", 0.5, 1, 0)], tags={"a": "b"}))
    return client.get_run(run.info.run_id).data


def test_a_value_that_another_worker_wrote_at_the_same_moment_is_written_again(uri):
    data = write(uri, [DOUBLED, 'duplicate key value violates unique constraint "metric_pk"'])
    assert data.metrics == {"loss": 0.5}
    assert data.tags["a"] == "b"


@pytest.mark.parametrize("refusals", [[DOUBLED] * 8, ["disk I/O error"]])
def test_other_refusals_and_those_without_an_end_are_errors(uri, refusals):
    with pytest.raises(MlflowException, match=r"UNIQUE|disk"):
        write(uri, refusals)


def test_what_belongs_to_a_run_that_another_worker_deleted_is_left_out(uri):
    client = MlflowClient(uri)
    writer = MlflowWriter(client, experiment_id := client.create_experiment("e"))
    writer.deliver(Start(run="new-1", name="trial 0", tags={"process": "a:1"}, params={"x": "1"}, started=1))
    run_id = writer.find("new-1")
    client.delete_run(run_id)
    writer.deliver(Log(run="new-1", metrics=[Metric("loss", 0.5, 1, 1)], tags={"state": "complete"}))
    writer.deliver(Finish(run="new-1", status="FINISHED", ended=2))
    assert (client.get_run(run_id).info.status, client.get_run(run_id).data.metrics) == ("RUNNING", {})
    study = client.create_run(experiment_id).info.run_id
    client.delete_run(study)
    with pytest.raises(MlflowException, match="active"):
        writer.deliver(Log(run=study, metrics=[Metric("n_complete", 1, 1, 0)]))
