"""A study whose data or code changed is a new one, and says so; what was recorded stays as it was."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study.cli.launch.compose import compose_jobs, prepare
from study.core.errors import StudyError
from study.pipeline.preflight import load_config
from study.run import run_study
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

DATA = '''"""Points with two classes."""

import numpy as np

from study.datasets import Dataset, Split

N_FEATURES = 30


def load(split_seed=0):
    """Load the points."""
    x = np.random.default_rng(0).normal(size=(300, N_FEATURES)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype("int32")
    parts = {"train": slice(0, 200), "validation": slice(200, 250), "test": slice(250, 300)}
    splits = {name: Split(x=x[part], y=y[part]) for name, part in parts.items()}
    return Dataset(name="points", source="made", n_outputs=2, **splits)
'''
MODEL = """import keras

from blocks import hidden


def build(input_shape, n_outputs):
    return keras.Sequential([keras.Input(input_shape), hidden(), keras.layers.Dense(n_outputs)])
"""
BLOCKS = """import keras


def hidden():
    return keras.layers.Dense(8, activation=activation)


def activation(x):
    return keras.ops.relu(x)
"""
DATASET_YAML = """name: points
_target_: points.load
split_seed: ${split_seed}
task:
  loss: {_target_: keras.losses.SparseCategoricalCrossentropy, from_logits: true}
  metrics: [accuracy]
  batch_size: 32
  objective: {metric: val_accuracy, direction: maximize, target: null}
"""
WORDS = (
    *("dataset=points", "model=mynet", "optimizer=sgd", "live=false"),
    *("budget.n_trials=2", "budget.n_epochs=1", "budget.n_confirmations=1"),
    *("tracking.system_metrics=false", "tracking.log_model=false"),
)
OWN = {
    "points.py": DATA,
    "mynet.py": MODEL,
    "blocks.py": BLOCKS,
    "conf/model/mynet.yaml": "name: mynet\n_target_: mynet.build\n",
    "conf/dataset/points.yaml": DATASET_YAML,
}


def write(folder):
    for name, text in OWN.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with data and a model of the user's own."""
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget()


def forget():
    """Forget the user's modules, as another process would import them anew."""
    for name in ("points", "mynet", "blocks"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


@pytest.fixture
def run(folder, capfd):
    """Run a study in the folder, and return what it wrote to the terminal."""

    def call(*words):
        forget()
        capfd.readouterr()
        (job,) = compose_jobs(prepare([*WORDS, *words]), multirun=False)
        run_study(load_config(job.raw, folder=folder, labels=job.labels))
        return capfd.readouterr().err

    return call


def edit(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))  # else Python may take the compiled file of before


def studies(folder):
    found = read_studies(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", "points-mynet")
    return {study.name: study for study in found}


def test_changed_data_begin_a_study_of_their_own(folder, run, here):
    run()
    before = studies(folder)["sgd"]
    edit(folder, "points.py", "N_FEATURES = 30", "N_FEATURES = 2")
    told = run()
    assert "changed since sgd: the data (" in told
    assert "200 + 50 + 50 examples of shape (30,) before" in told
    assert "trial 0 (1 of 2) complete" in told  # it trained
    found = studies(folder)
    (other,) = found.keys() - {"sgd"}
    assert other.startswith("sgd-data-")
    assert repr(found["sgd"]) == repr(before)  # what was recorded stays; NaN equals nothing
    assert {run.contents for run in found[other].trials}.isdisjoint({run.contents for run in before.trials})
    status, compared, _ = here("compare", "points-mynet", cwd=folder)
    assert status == 0
    assert "sgd: later studies have the same settings with changed data" in compared
    status, reproduced, _ = here("reproduce", "points-mynet/sgd", cwd=folder)
    assert status == 1
    assert "data digest was" in reproduced
    assert "code of points.N_FEATURES was" in reproduced


def test_changed_code_begins_a_study_of_its_own_unless_it_is_accepted(folder, run):
    run()
    edit(folder, "blocks.py", "relu", "sigmoid")
    accepted = run("budget.n_trials=3", "accept_changes=true")
    assert "sgd goes on with changes that you accepted: the code of blocks.activation." in accepted
    (record,) = studies(folder).values()
    assert [run.contents == record.trials[0].contents for run in record.trials] == [True, True, False]
    assert record.tags["accepted_changes"] == f"{record.trials[0].contents} to {record.trials[2].contents}"
    edit(folder, "blocks.py", "sigmoid", "tanh")
    told = run("budget.n_trials=3")
    assert "changed since sgd: the code of blocks.activation. So this is a new study, sgd-code-" in told
    assert len(studies(folder)) == 2


def test_a_name_of_its_own_is_refused_for_other_contents(folder, run):
    run("study_name=mine")
    edit(folder, "blocks.py", "relu", "sigmoid")
    with pytest.raises(StudyError, match=r"study_name=mine: .* has other contents: the code of blocks\.activation\."):
        run("study_name=mine")


def test_comments_and_other_spellings_of_the_same_settings_train_nothing(folder, run):
    run("optimizer.momentum=0.0")
    edit(folder, "blocks.py", "def hidden():", '# a layer\ndef hidden():\n    """Return a layer."""')
    told = run("optimizer.momentum=0", "optimizer.nesterov=false")
    (name,) = studies(folder)
    assert f"points-mynet/{name}: 2 trials, 2 of them already done" in told


CONTENTS = """
import sys
from study.cli.launch.compose import compose_jobs, prepare
from study.pipeline.identity import contents_of
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_model, load_dataset
(job,) = compose_jobs(prepare(sys.argv[1:]), multirun=False)
config = load_config(job.raw)
dataset = load_dataset(config)
print(contents_of(config, dataset, build_model(config, dataset)).digest)
"""


def test_two_folders_and_two_backends_agree_on_data_code_and_architecture(folder, tmp_path_factory):
    def digest(place, backend):
        write(place)
        editable = Path(__file__).parents[2] / ".ci" / "editable"
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": f"{editable}:{place}"}
        command = [sys.executable, "-c", CONTENTS, *WORDS, "trainer=fit", f"trainer.backend={backend}"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    assert digest(folder, "tensorflow") == digest(tmp_path_factory.mktemp("elsewhere"), "jax")
