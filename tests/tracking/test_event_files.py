import importlib.util
import sys

import numpy as np
import pytest

from study.core.errors import ConfigError
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.pipeline.preflight import load_config
from study.tracking.event_files import delete_event_files, event_files, move_event_files

POINT = {"learning_rate": 0.1 + 0.2, "amsgrad": True, "model.hidden": (8, 4), "n": 3, "decay": None}


@pytest.fixture
def opened(compose):
    """The event files of a study, its config, and the lines for the user."""
    config, told = compose("tracking.tensorboard=true"), []
    return event_files(config, study_name="adam", tell=told.append), config, told


def folder_of(config, *names):
    return config.stores.artifacts.parent.joinpath("tensorboard", config.experiment_name, "adam", *names)


def trial(number=3, **hyperparameters):
    return Trial(number=number, hyperparameters=hyperparameters or POINT, run_seed=1, order_seed=0)


def train(files, kind, one, *, n_epochs=2, state="complete", tested=0.7, steps=()):
    files.start(kind, one)
    for epoch in range(n_epochs):
        of_steps = {"step": np.asarray(steps), "step_loss": np.asarray(steps) / 8} if len(steps) else {}
        metrics = {"loss": 0.5 - epoch, "val_accuracy": 0.25 * epoch}
        files.epoch(kind, one, EpochReport(epoch=epoch, step=10 * epoch, metrics=metrics, steps=of_steps))
    summary = {} if kind == "trial" else {"test_accuracy": tested}
    history = {"loss": [0.5] * n_epochs}
    files.end(kind, TrialResult(trial=one, state=state, history=history, summary=summary), objective=0.25)


def test_a_file_has_every_epoch_the_objective_and_the_hyperparameters(opened, tensorboard):
    files, config, _ = opened
    train(files, "trial", trial(), steps=[4, 8])
    read, values = tensorboard.scalars(folder_of(config, "trial-003"))
    assert read == {
        "loss": [(1, 0.5), (2, -0.5)],
        "val_accuracy": [(1, 0.0), (2, 0.25)],
        "step_loss": [(4, 0.5), (8, 1.0)] * 2,
        "objective": [(2, 0.25)],
    }
    assert values == {
        **{"learning_rate": 0.1 + 0.2, "amsgrad": True, "model.hidden": "[8, 4]", "n": 3.0, "decay": "null"},
        **{"optimizer": "adam", "study": f"{config.experiment_name}/adam", "kind": "trial"},
    }


def test_the_table_of_hyperparameters_has_a_row_for_each_trial_and_one_for_all_confirmations(opened, tensorboard):
    files, config, _ = opened
    train(files, "trial", trial(0))
    train(files, "trial", trial(1), state="failed")
    train(files, "best", trial(0), tested=0.5)
    train(files, "best", trial(1), tested=1.0)
    files.start("trial", trial(2))  # it was killed
    rows = tensorboard.session_groups(folder_of(config).parents[1])
    study = f"{config.experiment_name}/adam"
    assert rows.keys() == {f"trial 00{n} of {study}" for n in range(3)} | {f"best of {study}"}
    assert [rows[f"trial 00{n} of {study}"][2] for n in range(3)] == [[1], [2], [0]]
    values, metrics, states = rows[f"best of {study}"]
    assert (values["learning_rate"], values["kind"], states) == (0.1 + 0.2, "best", [1, 1])
    assert metrics["test_accuracy"] == pytest.approx(0.75)
    assert "objective" not in rows[f"trial 001 of {study}"][1]


def test_a_training_that_begins_again_replaces_what_a_killed_one_left(opened, tensorboard):
    files, config, told = opened
    files.start("trial", trial())
    report = EpochReport(epoch=0, step=1, metrics={"loss": 9.0})
    files.epoch("trial", trial(), report)
    (path,) = folder_of(config, "trial-003").iterdir()
    path.write_bytes(path.read_bytes()[:-5])  # killed in the middle of a write
    train(event_files(config, study_name="adam", tell=told.append), "trial", trial(), n_epochs=1)
    assert tensorboard.scalars(folder_of(config, "trial-003"))[0]["loss"] == [(1, 0.5)]
    before = [each.read_bytes() for each in folder_of(config, "trial-003").iterdir()]
    files.epoch("trial", trial(), report)  # the first worker was only paused
    files.end("trial", TrialResult(trial=trial(), state="complete", history={}, summary={}), objective=1.0)
    assert [each.read_bytes() for each in folder_of(config, "trial-003").iterdir()] == before
    assert told == []


def test_a_file_that_cannot_be_written_is_told_once_and_ends_nothing(opened):
    files, config, told = opened
    folder_of(config).parents[1].mkdir(parents=True)
    folder_of(config).parent.write_text("in the way")
    train(files, "trial", trial(0))
    train(files, "trial", trial(1))
    (line,) = told
    assert line.startswith("tracking.tensorboard=true: ")
    assert "goes on without event files" in line


def test_names_with_other_signs_have_folders_of_their_own(compose, tmp_path):
    config = compose("tracking.tensorboard=true")
    for name in ("adam-hidden=[16]", "adam-hidden__16_", "adam.hidden", ".."):
        train(event_files(config, study_name=name, tell=print), "trial", trial(0))
    folders = sorted(path.name for path in folder_of(config).parent.iterdir())
    assert len(folders) == 4
    assert {"adam-hidden__16_", "adam.hidden"} < set(folders)
    assert {path.name for path in tmp_path.rglob("events.*")} == {
        path.name for path in folder_of(config).parent.rglob("events.*")
    }


def test_the_files_go_with_a_renamed_study_and_end_with_a_deleted_one(opened):
    files, config, _ = opened
    train(files, "trial", trial(0))
    moved = folder_of(config).parents[1] / "b" / "sgd"
    move_event_files(config.stores, (config.experiment_name, "adam"), ("b", "sgd"))
    assert [path.name for path in moved.iterdir()] == ["trial-000"]
    assert not folder_of(config).parent.exists()
    move_event_files(config.stores, ("b", "none"), ("b", "other"))
    delete_event_files(config.stores, "b", "none")
    delete_event_files(config.stores, "b", "sgd")
    assert not moved.exists()


def test_a_config_of_an_earlier_version_has_no_event_files(compose, tmp_path):
    config = compose()
    tracking = {key: value for key, value in config.raw["tracking"].items() if key != "tensorboard"}
    earlier = load_config({**config.raw, "tracking": tracking}, folder=tmp_path)
    assert not earlier.tracking.tensorboard
    assert earlier.digest == config.digest == compose("tracking.tensorboard=true").digest
    assert event_files(earlier, study_name="adam", tell=print) is None


def test_a_missing_package_is_told_before_anything_starts(compose, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "tensorboard" else find(name, *a)
    )
    compose()
    with pytest.raises(ConfigError, match=r"tracking\.tensorboard=true: expected false .* not installed.*pip install"):
        compose("tracking.tensorboard=true")


def test_tensorflow_is_not_imported_for_it(opened):
    files, *_ = opened
    before = "tensorflow" in sys.modules
    train(files, "trial", trial(0))
    assert ("tensorflow" in sys.modules) == before


def test_confirmations_of_a_point_that_is_no_longer_the_best_are_not_averaged_with_the_others(opened):
    files, config, _ = opened
    for number in range(3):
        train(files, "best", trial(number))
    train(files, "default", trial(2))
    files.supersede("best", [0, 1, 2])
    train(files, "best", trial(0, learning_rate=0.5))
    assert sorted(path.name for path in folder_of(config).iterdir()) == ["best-000", "default-002"]
