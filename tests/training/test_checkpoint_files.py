from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from study.core.errors import StoreError, StudyError
from study.core.trainer_interface import Trial
from study.training.checkpoint_files import CheckpointFiles, Snapshot, check_arrays

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRIALS = [Trial(number=3, hyperparameters={"learning_rate": 0.1}, run_seed=1, order_seed=2)]


@dataclasses.dataclass
class FakeStores:
    artifacts: Path


@dataclasses.dataclass
class FakeConfig:
    stores: FakeStores
    digest: str = "abc"
    contents: None = None
    backend: str = "jax"


def as_it_is(snapshot):
    return snapshot


@pytest.fixture
def config(tmp_path):
    return FakeConfig(stores=FakeStores(artifacts=tmp_path / "artifacts"))


@pytest.mark.parametrize(("kind", "backend"), [("fit", "tensorflow"), ("fit", "jax"), ("vectorized", "jax")])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(kind, backend, tmp_path):
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    command = [sys.executable, str(Path(__file__).with_name("checkpoint_cases.py")), kind, backend, str(tmp_path)]
    environment = kept | {"PYTHONPATH": str(ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert len(found) == 3
    for name, case in found.items():
        assert [file for file in case["kept"] if file.endswith(".npz")], name
        assert case["left"] == []  # checkpoints of trials that ended are removed
        assert case["whole"]["states"] == ["complete"] * 3
        for part in ("states", "told", "summary", "weights"):
            assert case["resumed"][part] == case["whole"][part], (name, part)
            assert case["unfit"][part] == found["adam, dropout, batch norm"]["whole"][part], (name, part)
        assert case["resumed"]["messages"] == []
        assert len(case["unfit"]["messages"]) == len(case["aside"]) > 0  # trained from the start, and told


def test_a_checkpoint_comes_back_bit_by_bit(config):
    arrays = [np.asarray([0.1, np.nan, -0.0]), np.arange(6, dtype=np.int32).reshape(2, 3)]
    arrays.append(np.asarray([1.5, 2.5], dtype=ml_dtypes.bfloat16))
    CheckpointFiles(config, 2).save(TRIALS, Snapshot(arrays=arrays, notes={"epochs": [0.1, float("nan")]}), n_lanes=4)
    found = CheckpointFiles(config, 5).load(TRIALS, as_it_is, n_lanes=4)
    assert found is not None
    for ours, theirs in zip(found.arrays, arrays, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    assert found.notes["epochs"][0] == 0.1
    assert np.isnan(found.notes["epochs"][1])


def test_a_checkpoint_belongs_to_its_trials_alone(config):
    ours = CheckpointFiles(config, 1)
    ours.save(TRIALS, Snapshot(arrays=[], notes={}), n_lanes=4)
    (one,) = TRIALS
    others = [
        {"hyperparameters": {"learning_rate": 0.2}},
        {"run_seed": 9},
        {"order_seed": 9},
        {"number": 4},
        {"test": True},
    ]
    for change in others:
        assert ours.load([dataclasses.replace(one, **change)], as_it_is, n_lanes=4) is None
    assert ours.load(TRIALS, as_it_is, n_lanes=8) is None
    assert ours.load([one, one], as_it_is, n_lanes=4) is None
    assert ours.load(TRIALS, as_it_is, n_lanes=4) is not None
    ours.drop(TRIALS, n_lanes=4)
    assert ours.load(TRIALS, as_it_is, n_lanes=4) is None


def _damages(whole):
    yield "zero", b""
    yield "short", whole[:10]
    yield "half", whole[: len(whole) // 2]
    yield "all but a byte", whole[:-1]
    yield "garbage", bytes(range(256)) * 4
    middle = len(whole) // 2
    yield "a changed byte", whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]


def test_a_damaged_checkpoint_is_set_aside_and_told(config, tmp_path):
    ours = CheckpointFiles(config, 1)
    ours.save(TRIALS, Snapshot(arrays=[np.arange(1000)], notes={}))
    (file,) = (tmp_path / "checkpoints").rglob("*.npz")
    whole = file.read_bytes()
    for name, content in _damages(whole):
        file.write_bytes(content)
        assert ours.load(TRIALS, as_it_is) is None, name
        assert not file.exists()
        assert file.with_name(f"{file.name}.set-aside").read_bytes() == content
        (line,) = ours.messages()
        assert line.startswith(f"{file}: this checkpoint cannot be used (")
        assert line.endswith(f"kept as {file.name}.set-aside, and the trial 3 trains from its start.")
        assert "pickle" not in line
    assert ours.load(TRIALS, as_it_is) is None
    assert ours.messages() == ()


def test_a_folder_in_place_of_a_checkpoint_is_set_aside(config, tmp_path):
    ours = CheckpointFiles(config, 1)
    ours.save(TRIALS, Snapshot(arrays=[], notes={}))
    (file,) = (tmp_path / "checkpoints").rglob("*.npz")
    file.unlink()
    file.mkdir()
    assert ours.load(TRIALS, as_it_is) is None
    assert len(ours.messages()) == 1
    ours.save(TRIALS, Snapshot(arrays=[], notes={}))
    assert ours.load(TRIALS, as_it_is) is not None


def test_a_checkpoint_of_other_versions_is_set_aside_with_both_versions(config, tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("importlib.metadata.version", lambda package: "0.1" if package == "keras" else "7")
        CheckpointFiles(config, 1).save(TRIALS, Snapshot(arrays=[], notes={}))
    (old,) = (tmp_path / "checkpoints").rglob("*.npz")
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0.2" if package == "keras" else "7")
    ours = CheckpointFiles(config, 1)
    assert ours.load(TRIALS, as_it_is) is None
    (line,) = ours.messages()
    assert "this checkpoint is of other versions (keras 0.1 before, 0.2 now): kept as " in line
    assert [path.name for path in old.parent.iterdir()] == [f"{old.name}.set-aside"]


def test_a_checkpoint_of_an_earlier_layout_is_set_aside(config, tmp_path):
    ours = CheckpointFiles(config, 1)
    ours.save(TRIALS, Snapshot(arrays=[], notes={}))
    (file,) = (tmp_path / "checkpoints").rglob("*.npz")
    file.rename(file.with_name(f"{file.stem.rpartition('-')[0]}.npz"))  # as before versions were part of the name
    assert ours.load(TRIALS, as_it_is) is None
    assert len(ours.messages()) == 1


@pytest.mark.parametrize("arrays", [[], [np.zeros(2)], [np.zeros(3, np.float32)], [np.zeros(3), np.zeros(3)]])
def test_arrays_of_another_number_shape_or_type_do_not_fit(config, arrays):
    ours = CheckpointFiles(config, 1)
    ours.save(TRIALS, Snapshot(arrays=arrays, notes={}))
    assert ours.load(TRIALS, lambda kept: check_arrays(kept.arrays, [np.zeros(3)])) is None
    (line,) = ours.messages()
    assert "this checkpoint cannot be used (it" in line


@pytest.mark.parametrize(("every", "due"), [(None, []), (1, [0, 1, 2, 3]), (3, [2])])
def test_when_checkpoints_are_due(config, every, due):
    ours = CheckpointFiles(config, every)
    assert [epoch for epoch in range(4) if ours.are_due(epoch)] == due


@pytest.mark.parametrize("every", [0, -1, True, 1.5, "often"])
def test_an_invalid_number_of_epochs_is_refused(config, every):
    with pytest.raises(StudyError, match=r"trainer.checkpoint_every_n_epochs=.*whole number of at least 1"):
        CheckpointFiles(config, every)


def test_a_folder_that_cannot_be_written_is_reported(config, tmp_path):
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(StoreError, match="the checkpoint cannot be written"):
        CheckpointFiles(config, 1).save(TRIALS, Snapshot(arrays=[], notes={}))
