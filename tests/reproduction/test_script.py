import argparse
import ast
import datetime
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from study.cli.actions.export_script import export_script
from study.core.errors import StudyError
from study.core.seeds import epoch_order
from study.reproduction.script_limits import check_config

ROOT = Path(__file__).parents[2]
EIGHT = ("sgd", "momentum", "adam", "nadam", "rmsprop", "adagrad", "adamw", "lion")
QUICK = (
    *("dataset=digits", "model=mlp", "trainer.device=cpu", "++model.hidden=[16]", "experiment_name=e", "live=false"),
    *("budget.n_trials=2", "budget.n_epochs=2", "budget.n_confirmations=1"),
    *("tracking.system_metrics=false", "tracking.log_model=false", "optimizer.search.learning_rate.high=0.05"),
)
FIT = {"name": "fit", "_target_": "study.training.fit.FitTrainer", "backend": "jax", "precision": "float32"}


def _study(folder, *words):
    """Run the command `study` in a folder, in a process of its own."""
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    program = "import sys; from study.cli import command_line; sys.exit(command_line())"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT / ".ci" / "editable")},
        capture_output=True,
        text=True,
        check=False,
    )


def _run_script(path):
    """Run a script beside a module `study` that cannot be imported."""
    (path.parent / "study.py").write_text("raise AssertionError('the script imports study')\n")
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "PYTHONPATH")}
    return subprocess.run([sys.executable, path.name], cwd=path.parent, env=kept, capture_output=True, text=True)


def _exported(folder, name, *words):
    target = folder / "scripts" / f"{name}.py"
    target.parent.mkdir(exist_ok=True)
    done = _study(folder, "export", f"e/{name}", "--script", "-o", str(target), *words)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a study of Adam under TensorFlow."""
    folder = tmp_path_factory.mktemp("study")
    done = _study(folder, "run", "optimizer=adam", "trainer=fit", "trainer.backend=tensorflow", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def script(recorded):
    return _exported(recorded, "adam")


@pytest.mark.slow
def test_a_script_gives_the_recorded_numbers_bit_for_bit_and_says_so(script):
    done = _run_script(script)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["epoch 1/2", "epoch 2/2", "test"]
    assert lines[-1] == "the same bit for bit"
    assert {f"  {name}: 0" for name in ("loss", "val_loss", "val_accuracy", "test_loss")} <= set(lines)


@pytest.mark.slow
def test_a_script_carries_our_loss_and_our_schedule(tmp_path):
    parts = ("dataset.task.loss.label_smoothing=0.1", "schedule=warmup_cosine", "schedule.warmup_fraction=0.2")
    parts += ("study_name=smoothed",)
    done = _study(tmp_path, "run", "optimizer=adam", "trainer=fit", "trainer.backend=tensorflow", *QUICK, *parts)
    assert done.returncode == 0, done.stdout + done.stderr
    target = _exported(tmp_path, "smoothed")
    assert "class SmoothedSparseCategoricalCrossentropy" in target.read_text()
    assert "class WarmupCosine" in target.read_text()
    again = _run_script(target)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.splitlines()[-1] == "the same bit for bit"


@pytest.mark.slow
def test_a_script_whose_recorded_numbers_differ_ends_with_status_1_and_shows_the_difference(script, tmp_path):
    changed = tmp_path / script.name
    changed.write_text(script.read_text())
    arrays = dict(np.load(script.with_suffix(".npz")))
    arrays["recorded.val_loss"] = arrays["recorded.val_loss"] * [1.0, 1 + 1e-6]
    np.savez(changed.with_suffix(".npz"), **arrays)
    done = _run_script(changed)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "val_loss: 1e-06 at epoch 2" in done.stdout
    assert done.stdout.splitlines()[-1] == "NOT the same: expected equality bit for bit"


@pytest.mark.slow
def test_the_order_of_the_script_is_that_of_the_trainers(script):
    (function,) = [node for node in ast.parse(script.read_text()).body if getattr(node, "name", "") == "batches"]
    (seed,) = [int(line.split()[2]) for line in script.read_text().splitlines() if line.startswith("ORDER_SEED = ")]
    x = np.arange(101)
    names = {"np": np, "TRAIN": (x, x), "N_EPOCHS": 3, "BATCH_SIZE": 8, "ORDER_SEED": seed}
    exec(ast.unparse(function), names)
    seen = np.concatenate([batch for batch, _ in names["batches"]()])
    assert np.array_equal(seen, np.concatenate([epoch_order(seed, epoch, 101) for epoch in range(3)]))


@pytest.mark.slow
def test_existing_files_are_kept_without_overwrite(recorded, script):
    for kept in (script, script.with_suffix(".npz")):
        before = kept.read_bytes()
        other = script.with_suffix(".npz") if kept == script else script
        content = other.read_bytes()
        other.unlink()
        done = _study(recorded, "export", "e/adam", "--script", "-o", str(script))
        assert done.returncode == 2
        assert f"--output={kept}: expected a new file" in done.stderr
        assert kept.read_bytes() == before
        assert not other.exists()
        other.write_bytes(content)


@pytest.mark.parametrize(("output", "told"), [("-", "expected a file"), ("x.yaml", "expected a name with the ending")])
def test_an_output_that_cannot_hold_a_script_is_refused(output, told):
    options = argparse.Namespace(output=output, overwrite=False)
    with pytest.raises(StudyError, match=told):
        export_script(None, options, default="e.py", exported_on=datetime.date(2026, 1, 2))


def test_a_usual_config_is_accepted():
    idle = {"monitor": None, "direction": "auto", "patience": None, "min_delta": 0.0, "restore_best": True}
    check_config({"trainer": FIT, "dataset": {"_target_": "python_session.data"}})
    check_config({"trainer": {**FIT, "early_stopping": idle, "callbacks": [], "soon": None}, "model": {"l2": 0.0}})


@pytest.mark.parametrize(
    ("trainer", "others", "told"),
    [
        ({"_target_": "study.training.numpy.NumpyTrainer", "name": "numpy"}, {}, "trainer=numpy"),
        ({"callbacks": [{"_target_": "keras.callbacks.CSVLogger"}]}, {}, r"trainer\.callbacks="),
        ({"unknown": 0}, {}, r"trainer\.unknown=0"),
        ({"precision": "float64"}, {}, r"trainer\.precision=float64"),
        ({}, {"optimizer": {"exclude": {"layers": ["dense"]}}}, r"optimizer\.exclude="),
        ({}, {"dataset": {"augment": [{"_target_": "keras.layers.RandomFlip"}]}}, r"dataset\.augment="),
        ({}, {"model": {"_target_": "python_session.build"}}, r"model\._target_=python_session\.build"),
        (
            {},
            {"dataset": {"_target_": "python_session.data", "task": {"loss": {"_target_": "python_session.loss"}}}},
            r"dataset\.task\.loss\._target_=python_session\.loss",
        ),
        ({}, {"model": {"function": {"_target_": "study.models.landscape_functions.bowl"}}}, r"model\.function="),
    ],
)
def test_settings_that_a_script_does_not_follow_are_refused(trainer, others, told):
    with pytest.raises(StudyError, match=rf"--script: {told}.*expected .*study reproduce"):
        check_config({"trainer": {**FIT, **trainer}, **others})


@pytest.mark.slow
@pytest.mark.long(reason="it exports and runs a script for each optimizer, in two processes")
@pytest.mark.parametrize(
    ("backend", "names"),
    [("tensorflow", EIGHT[2:3]), ("jax", EIGHT[:1]), pytest.param("jax", EIGHT, marks=pytest.mark.full)],
)
def test_the_best_run_of_each_optimizer_is_the_same_bit_for_bit(tmp_path, backend, names):
    words = (f"optimizer={','.join(names)}", "trainer=fit", f"trainer.backend={backend}")
    done = _study(tmp_path, "run", "-m", *words, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        ended = _run_script(_exported(tmp_path, name))
        assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["the same bit for bit"]), (name, ended)


@pytest.mark.slow
def test_early_stopping_and_a_plateau_are_callbacks_of_the_script(tmp_path):
    words = ("trainer=fit", "trainer.backend=jax", "optimizer=sgd", "optimizer.learning_rate=0.5", *QUICK[:-1])
    words += ("study_name=stops", "budget.n_epochs=40", "trainer.early_stopping.patience=2", "schedule=plateau")
    words += ("trainer.early_stopping.monitor=val_loss", "schedule.patience=1", "schedule.factor=0.5")
    done = _study(tmp_path, "run", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    ended = _run_script(_exported(tmp_path, "stops"))
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["the same bit for bit"]), ended
    assert "epoch 40/" not in ended.stdout


@pytest.mark.slow
def test_a_script_of_a_run_in_a_batch_says_that_it_is_not_the_same_bit_for_bit(tmp_path):
    done = _study(tmp_path, "run", "optimizer=adam", "trainer=vectorized", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    path = _exported(tmp_path, "adam")
    assert "# Not bit for bit, but within 0.001 (relative):" in path.read_text()
    ended = _run_script(path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the same" in ended.stdout.splitlines()[-1]
