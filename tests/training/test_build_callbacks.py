"""Callbacks are built once while the config is checked; rules of epochs are read with all other keys."""

import pytest

from study.core.errors import ConfigError
from study.pipeline.preflight import load_config
from study.training.build_callbacks import build_callback, callback_faults

FIT = ["trainer=fit", "trainer.backend=tensorflow"]


def callback(name, **arguments):
    told = "".join(f", {key}: {value}" for key, value in arguments.items())
    return f"trainer.callbacks=[{{_target_: keras.callbacks.{name}{told}}}]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([callback("CSVLogger", filenam="x")], "trainer.callbacks.0.filenam=x: expected an argument of keras.callb"),
        ([callback("CSVLogger")], "trainer.callbacks.0=keras.callbacks.CSVLogger: expected arguments with which it"),
        ([callback("CSVLogger", filename="/a.csv")], "trainer.callbacks.0.filename=/a.csv: expected a path in the tr"),
        ([callback("CSVLogger", filename="../a.csv")], "trainer.callbacks.0.filename=../a.csv: expected a path in"),
        ([callback("ModelCheckpoint", filepath="w.x")], "Received: filepath=w.x. Correct trainer.callbacks.0."),
        ([callback("EarlyStopping")], "keras.callbacks.EarlyStopping: expected a callback that does what the study"),
        ([callback("ReduceLROnPlateau")], "Use schedule=plateau"),
        ([callback("BackupAndRestore", backup_dir="b")], "Use trainer.checkpoint_every_n_epochs"),
        (
            ["trainer.callbacks=[{_target_: own_models.OwnStopping}]", "allow_targets=[own_models]"],
            "it is one of the kind EarlyStopping",
        ),
        (["trainer.callbacks=[{_target_: keras.optimizers.SGD}]"], "expected a keras.callbacks.Callback, or a functi"),
        (["trainer.callbacks=CSVLogger"], "trainer.callbacks=CSVLogger: expected a list of callbacks. Write"),
        (["trainer.callbacks=[CSVLogger]"], "trainer.callbacks.0=CSVLogger: expected a section with a _target_. Wr"),
        (["trainer.callbacks=[{_target_: os.system}]"], "trainer.callbacks.0._target_=os.system: expected an object"),
        (
            ["trainer=vectorized", "trainer.backend=jax", callback("TerminateOnNaN")],
            "expected none for trainer=vector",
        ),
        (
            [
                "schedule=cosine",
                callback("LearningRateScheduler", schedule="{_target_: keras.losses.mse, _partial_: true}"),
            ],
            "expected schedule=constant beside it, not cosine",
        ),
        (
            ["trainer.early_stopping.monitor=val_acuracy", "trainer.early_stopping.patience=2"],
            "Did you mean val_accura",
        ),
        (
            ["trainer.early_stopping.monitor=val_loss"],
            "trainer.early_stopping.patience=null: expected a number of epo",
        ),
        (
            ["trainer.early_stopping.patience=0"],
            "patience=0: expected a whole number of at least 1. Set trainer.early",
        ),
        (["trainer.early_stopping.patience=2", "budget.n_epochs=1"], "expected a budget of more than one epoch"),
        (
            ["trainer.early_stopping.patience=99", "trainer.early_stopping.restore_best=false"],
            "patience=99: expected a number below budget.n_epochs=",
        ),
        (["trainer.early_stopping.patienc=2"], "Did you mean trainer.early_stopping.patience?"),
        (["trainer.early_stopping=true"], "trainer.early_stopping=true: expected a section of keys"),
        (["trainer.early_stopping.patience=2", "trainer.early_stopping.min_delta=-1"], "min_delta=-1.0: expected a n"),
        (
            ["trainer.early_stopping.patience=2", "trainer.early_stopping.direction=minimize"],
            "trainer.early_stopping.direction=minimize: expected maximize or auto, since a large val_accuracy is good",
        ),
        (["schedule=plateau", "schedule.factor=1"], "schedule.factor=1.0: expected a number above 0 and below 1. Set"),
        (["schedule=plateau", "schedule.min_factor=1"], "schedule.min_factor=1: expected a number of at least 0 and"),
        (
            ["schedule=plateau", "schedule.monitor=x"],
            "schedule.monitor=x: expected a metric of this workload: loss, a",
        ),
        (
            ["optimizer.exclude=[dense]"],
            "optimizer.exclude=['dense']: expected a section with layers and optimizer al",
        ),
        (["optimizer.exclude={layers: [], optimizer: {_target_: keras.optimizers.SGD}}"], "expected names of layers"),
        (
            ["optimizer.exclude={layers: [a], optimizer: SGD}"],
            "optimizer.exclude.optimizer=SGD: expected a section wi",
        ),
        (
            ["schedule=plateau", "optimizer.exclude={layers: [a], optimizer: {_target_: keras.optimizers.SGD}}"],
            "schedule=plateau: expected another schedule beside optimizer.exclude",
        ),
        (
            [
                "trainer=vectorized",
                "trainer.backend=jax",
                "optimizer.exclude={layers: [a], optimizer: {_target_: keras.optimizers.SGD}}",
            ],
            "expected null for trainer=vectorized, which trains all layers with one optimizer. Use trainer=fit.",
        ),
    ],
)
def test_faults_are_told_before_anything_starts(compose, tmp_path, words, told):
    with pytest.raises(ConfigError) as raised:
        compose(*FIT, *words)
    assert told in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_rules_are_read(compose):
    words = ["trainer.early_stopping={monitor: val_loss, patience: 3}", "schedule=plateau", "schedule.cooldown=2"]
    config = compose(*FIT, *words)
    assert config.early_stopping.restore_best
    assert (config.early_stopping.monitor.metric, config.early_stopping.monitor.direction) == ("val_loss", "minimize")
    assert (config.rate_reduction.monitor.metric, config.rate_reduction.monitor.direction) == (
        "val_accuracy",
        "maximize",
    )
    assert (config.rate_reduction.factor, config.rate_reduction.cooldown) == (0.1, 2)


def test_a_section_without_patience_changes_no_identity(compose, tmp_path):
    raw = compose(*FIT).raw
    before = {key: value for key, value in raw["trainer"].items() if key not in ("early_stopping", "callbacks")}
    earlier = load_config({**raw, "trainer": before}, folder=tmp_path)
    assert earlier.typed_digest == load_config(raw, folder=tmp_path).typed_digest
    assert compose(*FIT, "trainer.early_stopping.patience=3").typed_digest != earlier.typed_digest


def test_paths_of_keras_begin_in_the_folder_and_sections_become_objects(tmp_path):
    section = {"_target_": "keras.callbacks.CSVLogger", "filename": "a.csv"}
    assert build_callback(section, folder=tmp_path).filename == str(tmp_path / "a.csv")
    schedule = {"_target_": "keras.losses.mean_absolute_error", "_partial_": True, "y_pred": 0.0}
    built = build_callback(
        {"_target_": "keras.callbacks.LearningRateScheduler", "schedule": schedule}, folder=tmp_path
    )
    assert built.schedule.keywords == {"y_pred": 0.0}


def test_the_check_leaves_no_file(compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = compose(*FIT, callback("CSVLogger", filename="a.csv"))
    assert callback_faults(config) == []
    assert not list(tmp_path.iterdir())
