import doctest
import sys
from pathlib import Path

import pytest

from study.config import moved_targets
from study.config.allowlist import target_faults
from study.config.arguments import signature_faults
from study.config.moved_targets import moved_to, translate_moved

BEFORE = {"model": {"_target_": "models.mlp.build"}, "pruner": {"_target_": "study.search_pruners.BatchQuantile"}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder; the checkout's own folder, which also has models/, is not on the path."""
    root = Path(__file__).parents[2]
    without = [place for place in sys.path if place and Path(place).resolve() != root]
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(root / ".ci" / "editable"), *without])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_target_that_has_moved_is_named_with_its_new_place():
    assert moved_to("models.mlp.build") == "study.models.mlp.build"
    assert moved_to("study.search_pruners.BatchQuantile") == "study.search.pruners.BatchQuantile"
    assert moved_to("study.search_samplers.grid_sampler") == "study.search.samplers.grid_sampler"
    assert moved_to("models.surfaces.ellipse") == "study.models.landscape_functions.ellipse"
    assert doctest.testmod(moved_targets).failed == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "target",
    [
        "models.nothing.build",
        "models.mlp.nosuch",
        "models.build",
        "study.search.pruners.BatchQuantile",
        "modelsmlp.x",
        "x",
    ],
)
def test_what_has_not_moved_has_no_new_place(target):
    assert moved_to(target) is None


def test_a_module_of_the_users_own_is_theirs(folder):
    (folder / "models").mkdir()
    (folder / "models" / "mlp.py").write_text("raise SystemExit('it was imported')\n")
    assert moved_to("models.mlp.build") is None
    assert moved_to("models.lstm.build") == "study.models.lstm.build"


@pytest.mark.usefixtures("folder")
def test_a_recorded_config_is_translated_and_what_moved_is_told():
    raw = {**BEFORE, "dataset": {"task": {"metrics": ["accuracy", {"_target_": "models.landscape.Height"}]}}}
    translated, moved = translate_moved(raw)
    assert translated["model"] == {"_target_": "study.models.mlp.build"}
    assert translated["dataset"]["task"]["metrics"] == ["accuracy", {"_target_": "study.models.landscape.Height"}]
    assert moved == {
        "models.mlp.build": "study.models.mlp.build",
        "study.search_pruners.BatchQuantile": "study.search.pruners.BatchQuantile",
        "models.landscape.Height": "study.models.landscape.Height",
    }
    assert translate_moved(translated) == (translated, {})


def test_a_fault_names_the_new_place(folder):
    told = [str(fault) for fault in target_faults(BEFORE, folder=folder)]
    assert len(told) == 2
    assert "It has moved: write study.models.mlp.build." in told[0]
    assert "It has moved: write study.search.pruners.BatchQuantile." in told[1]


def test_a_fault_names_the_new_place_beside_a_models_folder_of_the_users_own(folder):
    (folder / "models").mkdir()
    loss = {"dataset": {"task": {"loss": {"_target_": "models.landscape.Height"}}}}
    (fault,) = target_faults(loss, folder=folder)
    assert str(fault).startswith("dataset.task.loss._target_=models.landscape.Height: ")
    assert str(fault).endswith("It has moved: write study.models.landscape.Height.")
    assert target_faults({"model": {"_target_": "models.mlp.nosuch"}}, folder=folder) == []  # told as not importable


@pytest.mark.usefixtures("folder")
def test_a_fault_names_the_new_key_of_a_landscape():
    arguments = {"surface": {"_target_": "models.surfaces.ellipse"}, "start": [-7.0, 2.0]}
    (fault,) = signature_faults("model", "study.models.landscape.build", arguments)
    assert str(fault).startswith("model.surface=")
    assert str(fault).endswith("It has been renamed: write model.function.")
    assert signature_faults("model", "study.models.landscape.build", {"function": {}, "start": [], "domain": []}) == []


@pytest.mark.usefixtures("folder")
def test_an_argument_with_a_new_name_is_translated_too():
    recorded = {"_target_": "models.landscape.build", "surface": {"_target_": "models.surfaces.bowl"}, "start": [1.0]}
    translated, moved = translate_moved({"model": recorded})
    assert translated == {
        "model": {
            "_target_": "study.models.landscape.build",
            "function": {"_target_": "study.models.landscape_functions.bowl"},
            "start": [1.0],
        }
    }
    assert moved["surface of study.models.landscape.build"] == "function"
