from dataclasses import replace

import mlflow
import pytest
import sqlalchemy
from mlflow.tracking import MlflowClient
from mlflow.utils import environment

from study.core.errors import StoreError
from study.tracking import mlflow_internals
from study.tracking.connection import connect
from study.tracking.read_studies import read_histories, read_studies


@pytest.fixture
def other_mlflow(monkeypatch):
    monkeypatch.setattr(mlflow, "__version__", "3.18.0")


@pytest.mark.parametrize(
    ("version", "is_known"),
    [("3.17.0", True), ("3.17.2", True), ("3.1.7", False), ("3.170.0", False), ("4.17.0", False)],
)
def test_the_known_version_is_major_and_minor(monkeypatch, version, is_known):
    monkeypatch.setattr(mlflow, "__version__", version)
    assert mlflow_internals.is_known() == is_known


@pytest.mark.usefixtures("other_mlflow")
@pytest.mark.parametrize(
    "use",
    [
        lambda client: mlflow_internals.database_of(client),
        lambda client: mlflow_internals.delete_metrics(client, "run"),
        lambda _: mlflow_internals.select_metrics(["run"], ["loss"]),
        lambda client: mlflow_internals.next_step(client),
        lambda client: mlflow_internals.initialize_tables(sqlalchemy.create_engine(client.tracking_uri)),
    ],
)
def test_another_mlflow_is_refused_in_words(database, use):
    client = MlflowClient(f"sqlite:///{database}")
    told = r"mlflow==3\.18\.0: .+ uses private parts of MLflow 3\.17\. Install it: pip install 'mlflow~=3\.17\.0'; or "
    with pytest.raises(StoreError, match=told):
        use(client)


@pytest.mark.usefixtures("other_mlflow")
def test_system_metrics_are_refused_before_a_study_is_recorded(make_config, open_tracker, database):
    config = make_config()
    config = replace(config, tracking=replace(config.tracking, system_metrics=True))
    before = database.read_bytes()
    with pytest.raises(StoreError, match=r"the record of system metrics .* or set tracking\.system_metrics=false"):
        open_tracker(config)
    assert database.read_bytes() == before


def test_another_mlflow_makes_its_tables_itself(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(mlflow, "__version__", "3.18.0")
        patch.setattr("study.tracking.connection.cache_folder", lambda: tmp_path / "cache")
        connect(f"sqlite:///{tmp_path}/new.db", create=True)
    assert not (tmp_path / "cache").exists()
    client = connect(f"sqlite:///{tmp_path}/new.db", create=False)
    assert [experiment.name for experiment in client.search_experiments()] == ["Default"]


@pytest.mark.usefixtures("other_mlflow")
def test_a_failed_trial_is_tried_again_and_read_back_with_another_mlflow(make_config, open_tracker, record):
    config = make_config()
    for state, values in (("failed", (0.5,)), ("complete", (0.5, 0.75))):
        with open_tracker(config) as tracker:
            record(tracker, "trial", 0, state=state, values=values)
    (study,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    (run,) = study.trials
    assert (run.state, run.metrics["objective"]) == ("complete", 0.75)
    histories = read_histories(config.stores.tracking_uri, [run.run_id], ["val_accuracy", "absent"])
    steps, values = histories[run.run_id]["val_accuracy"]
    assert (steps.tolist(), values.tolist()) == ([1, 2], [0.5, 0.75])
    assert list(histories[run.run_id]) == ["val_accuracy"]


@pytest.mark.parametrize(("version", "is_skipped"), [("3.17.2", True), ("3.18.0", False)])
def test_the_check_of_requirements_is_skipped_where_it_is_known(monkeypatch, version, is_skipped):
    check = environment.warn_dependency_requirement_mismatches
    monkeypatch.setattr(mlflow, "__version__", version)
    with mlflow_internals.without_requirements_check():
        assert (environment.warn_dependency_requirement_mismatches is not check) == is_skipped
    assert environment.warn_dependency_requirement_mismatches is check


def test_only_a_database_is_taken_for_one():
    with pytest.raises(TypeError, match="RestStore: expected the store of a database"):
        mlflow_internals.database_of(MlflowClient("http://127.0.0.1:1"))
