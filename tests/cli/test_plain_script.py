"""A plain script of a recorded run trains to the recorded numbers, bit for bit, in a process without this project."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long(reason="it runs eight studies and their scripts, each in a process")]

OPTIMIZERS = ("sgd", "momentum", "adam", "nadam", "rmsprop", "adagrad", "adamw", "lion")
QUICK = ("dataset=digits", "live=false", "tracking.system_metrics=false", "tracking.log_model=false")
BUDGET = ("budget.n_trials=4", "budget.n_epochs=3", "budget.n_confirmations=1")
WITHOUT_US = "import runpy, sys; sys.modules['study'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"


def run(study, folder, *words):
    ended = study(*words, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def trained_by(script):
    """Run a script in a process where `study` cannot be imported."""
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_US, str(script)],
        cwd=script.parent,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def trained(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    run(study, folder, "run", "-m", f"optimizer={','.join(OPTIMIZERS)}", "trainer=fit", *QUICK, *BUDGET)
    return folder


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_best_run_is_trained_again_bit_for_bit(study, trained, optimizer):
    script = trained / f"{optimizer}.py"
    run(study, trained, "export", f"digits-mlp/{optimizer}", "--script", "-o", script.name)
    ended = trained_by(script)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the same bit for bit" in ended.stdout
    assert "epoch 3/3:" in ended.stdout


def test_other_numbers_are_told(study, trained):
    script = trained / "other.py"
    run(study, trained, "export", "digits-mlp/sgd", "--script", "-o", script.name)
    script.write_text(script.read_text().replace("RUN_SEED = ", "RUN_SEED = 1 + "))
    ended = trained_by(script)
    assert ended.returncode == 1
    assert "NOT the same: expected equality bit for bit" in ended.stdout


def test_early_stopping_and_a_plateau_are_callbacks_of_the_script(study, tmp_path):
    words = ("trainer=fit", "trainer.backend=jax", "optimizer=sgd", "optimizer.learning_rate=0.5", "study_name=stops")
    words += ("budget.n_epochs=30", "budget.n_confirmations=1", "trainer.early_stopping.patience=2")
    words += (
        "trainer.early_stopping.monitor=val_loss",
        "schedule=plateau",
        "schedule.patience=1",
        "schedule.factor=0.5",
    )
    run(study, tmp_path, "run", *QUICK, *words)
    run(study, tmp_path, "export", "digits-mlp/stops", "--script", "-o", "stops.py")
    ended = trained_by(tmp_path / "stops.py")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the same bit for bit" in ended.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["trainer.callbacks=[{_target_: keras.callbacks.TerminateOnNaN}]"],
            "trainer.callbacks=[{'_target_': 'keras.callbacks.TerminateOnNaN'}]: expected no value",
        ),
        (
            ["optimizer.exclude={layers: [dense], optimizer: {_target_: keras.optimizers.Adam, learning_rate: 0.1}}"],
            "optimizer.exclude=",
        ),
    ],
)
def test_what_a_script_cannot_do_is_refused(study, tmp_path, words, told):
    quick = ("trainer=fit", "optimizer=sgd", "optimizer.learning_rate=0.01", "budget.n_epochs=1")
    run(study, tmp_path, "run", *QUICK, *quick, "budget.n_confirmations=1", "study_name=own", *words)
    ended = study("export", "digits-mlp/own", "--script", "-o", "own.py", cwd=tmp_path)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert not list(tmp_path.glob("own.*"))
