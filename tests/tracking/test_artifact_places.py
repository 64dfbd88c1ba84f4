import dataclasses
import shutil

import pytest
import sqlalchemy
from mlflow.tracking import MlflowClient

from study.core.database_address import sqlite_address
from study.tracking.connection import connect
from study.tracking.read_studies import read_artifact_text, read_studies

pytestmark = pytest.mark.slow


@pytest.fixture
def recorded(make_config, open_tracker, record, database):
    """A folder with a store, artifacts beside it and a study with an artifact."""
    config = make_config()
    config = make_config(stores=dataclasses.replace(config.stores, artifacts=database.parent / "artifacts"))
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0)
        tracker.artifact_text("drawn", "figure.svg")
    return database.parent


def _uri(folder):
    return f"sqlite:///{folder / 'mlflow.db'}"


def _run_id(folder):
    (study,) = read_studies(_uri(folder), "tiny-mlp")
    return study.run_id


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_moved_store_has_its_artifacts_and_writes_beside_itself(recorded, tmp_path):
    moved = tmp_path / "elsewhere" / "mlruns"
    shutil.move(recorded, moved)
    run_id = _run_id(moved)
    assert read_artifact_text(_uri(moved), run_id, "figure.svg") == "drawn"
    connect(_uri(moved), create=False).log_text(run_id, "new", "another.svg")
    assert not recorded.exists()
    assert len([*moved.rglob("another.svg")]) == 1


def test_a_copied_store_leaves_the_first_one_as_it_was(recorded, tmp_path):
    copied = tmp_path / "copy" / "mlruns"
    shutil.copytree(recorded, copied)
    before = _files(recorded)
    run_id = _run_id(copied)
    connect(_uri(copied), create=False).log_text(run_id, "new", "figure.svg")
    assert _files(recorded) == before
    assert read_artifact_text(_uri(copied), run_id, "figure.svg") == "new"
    assert read_artifact_text(_uri(recorded), run_id, "figure.svg") == "drawn"


def test_runs_and_models_of_a_copied_store_lie_beside_it_too(recorded, tmp_path):
    client = MlflowClient(_uri(recorded))
    run_id = _run_id(recorded)
    (experiment,) = (e for e in client.search_experiments() if e.name == "tiny-mlp")
    client.create_logged_model(experiment.experiment_id, name="model", source_run_id=run_id)
    copied = tmp_path / "copy" / "mlruns"
    shutil.copytree(recorded, copied)
    client = connect(_uri(copied), create=False)
    (experiment,) = (e for e in client.search_experiments() if e.name == "tiny-mlp")
    (model,) = client.search_logged_models([experiment.experiment_id])
    runs = client.search_runs([experiment.experiment_id])
    places = [experiment.artifact_location, model.artifact_location, *(run.info.artifact_uri for run in runs)]
    assert len(places) == 4
    assert all(place.startswith(f"{(copied / 'artifacts').as_uri()}/") for place in places)


@pytest.mark.parametrize("name", ["feature%2Fx", "what?now", "#x", "漢 字"])
def test_a_store_is_moved_into_a_folder_of_any_name(recorded, tmp_path, name):
    moved = tmp_path / name / "mlruns"
    shutil.move(recorded, moved)
    uri = sqlite_address(moved / "mlflow.db")
    (study,) = read_studies(uri, "tiny-mlp")
    assert read_artifact_text(uri, study.run_id, "figure.svg") == "drawn"


def test_reading_a_store_in_its_place_writes_nothing(recorded):
    before = _files(recorded)
    connect(_uri(recorded), create=False)
    assert _files(recorded) == before


def test_another_way_to_the_same_folder_is_the_same_place(recorded, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(recorded, target_is_directory=True)
    before = _files(recorded)
    assert read_artifact_text(_uri(link), _run_id(link), "figure.svg") == "drawn"
    assert _files(recorded) == before


def test_artifacts_that_the_user_keeps_elsewhere_stay_there(tmp_path, make_config, open_tracker, database):
    with open_tracker(make_config()) as tracker:  # its artifacts are not beside its database
        tracker.artifact_text("drawn", "figure.svg")
    before = _files(database.parent)
    for away in (False, True):  # perhaps on a disk that is not mounted now
        if away:
            shutil.move(tmp_path / "artifacts", tmp_path / "unmounted")
        connect(f"sqlite:///{database}", create=False)
        assert _files(database.parent) == before


def test_a_store_that_cannot_be_written_is_read_all_the_same(recorded, tmp_path, monkeypatch):
    copied = tmp_path / "copy" / "mlruns"
    shutil.copytree(recorded, copied)
    begin = sqlalchemy.engine.Engine.begin

    def refuse(self):
        if str(copied) in str(self.url):
            raise sqlalchemy.exc.OperationalError("UPDATE", {}, Exception("attempt to write a readonly database"))
        return begin(self)

    monkeypatch.setattr(sqlalchemy.engine.Engine, "begin", refuse)
    assert _run_id(copied)
