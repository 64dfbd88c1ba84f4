import copy
import json
import sys

import pytest

from study.config.allowlist import target_faults
from study.config.parse import parse
from study.core.errors import ConfigError, StudyError
from study.reproduction.exported_file import read_exported
from study.reproduction.retrain import RetrainRequest, retrain


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's folder with a module, a package, and a package installed in an environment inside the folder."""
    (tmp_path / "own_guarded.py").write_text(
        "from os import system\nfrom subprocess import run as run_it\ndef build(**_): ...\nclass Layer: ...\n"
    )
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "nets.py").write_text("def build(**_): ...\n")
    installed = tmp_path / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "installed_elsewhere.py").write_text("def build(**_): ...\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(installed), *sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("own_guarded", "own_package", "installed_else"))]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "target",
    [
        "keras.optimizers.Adam",
        "keras.optimizers.schedules.CosineDecay",
        "keras.losses.SparseCategoricalCrossentropy",
        "optuna.samplers.RandomSampler",
        "study.datasets.digits.load",
        "study.training.fit.FitTrainer",
        "study.models.mlp.build",
        "study.models.nothing.build",  # reported with the other faults
        "own_guarded.build",
        "own_guarded.Layer",
        "own_package.nets.build",
        None,
    ],
)
def test_what_a_study_is_made_of_is_allowed(own, target):
    assert target_faults({"model": {"_target_": target}}, folder=own) == []


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "subprocess.Popen", "subprocess.run", "builtins.eval", "builtins.exec", "pickle.loads"),
        *("importlib.import_module", "shutil.rmtree", "keras.saving.load_model", "keras.utils.get_file"),
        *("keras.losses.deserialize", "keras.optimizers.get", "keras.src.saving.saving_api.load_model"),
        *(
            "study.cli.launch.child_process.run_anywhere",
            "study.core.subprocess_call.answer",
            "study.run.run_study",
            "conf.x",
            "hydra.main",
        ),
        # A module of this project holds its imports from the rest of the project; that is no way around the list.
        *("study.training.auto.ConfigError", "study.search.samplers.sampler_seed"),
        *("own_guarded.system", "own_guarded.run_it", "installed_elsewhere.build", "own_guarded.build.__call__.x()"),
        *("", ".", "os", "..os.system", "own_guarded", 3, ["os.system"]),
    ],
)
def test_everything_else_is_refused_with_one_clear_message(own, target):
    raw = {"dataset": {"task": {"metrics": ["accuracy", {"name": "m", "_target_": target}]}}}
    (fault,) = target_faults(raw, folder=own)
    assert str(fault).startswith("dataset.task.metrics.1._target_=")
    assert "a module in" in str(fault)
    assert "allow_targets=[PACKAGE]" in str(fault)


def test_a_package_that_the_user_allows_is_allowed(own):
    raw = {"model": {"_target_": "installed_elsewhere.build"}}
    assert target_faults(raw, folder=own, allow=["installed_elsewhere"]) == []
    assert target_faults(raw, folder=own, allow=["installed"]) != []


def test_nothing_refused_is_imported(own):
    (own / ".venv" / "site-packages" / "booby_trap.py").write_text("raise SystemExit('it ran')\n")
    raw = {"model": {"_target_": "booby_trap.build", "requires": ["booby_trap"]}}
    assert len(target_faults(raw, folder=own)) == 1
    assert "booby_trap" not in sys.modules


@pytest.fixture
def raw(compose):
    return json.loads(json.dumps(compose().raw))  # type: ignore[no-any-return]


def test_a_config_of_ones_own_may_allow_a_package_and_a_recorded_one_may_not(own, raw):
    raw["model"] = {"name": "m", "_target_": "installed_elsewhere.build"}
    raw["allow_targets"] = ["installed_elsewhere"]
    assert parse(raw, folder=own).model.section["_target_"] == "installed_elsewhere.build"
    with pytest.raises(ConfigError, match=r"model\._target_=installed_elsewhere\.build: expected an object of"):
        parse(raw, folder=own, allow=())


def test_a_recorded_config_runs_no_code_of_its_own(own, raw):
    raw["dataset"] = {**raw["dataset"], "_target_": "os.system"}
    raw["allow_targets"] = ["os"]
    request = RetrainRequest(raw=raw, folder=own, trials=[], tags={}, data_digests=[])
    with pytest.raises(StudyError, match=r"dataset\._target_=os\.system"):
        retrain(request)


def test_an_exported_file_refers_to_nothing_outside(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text("optimizer: {name: sgd, learning_rate: '${oc.env:HOME}'}\n")
    with pytest.raises(StudyError, match="a reference"):
        read_exported(path)


def test_a_config_that_holds_itself_is_told(own, raw):
    damaged = copy.deepcopy(raw)
    damaged["model"]["hidden"] = damaged
    with pytest.raises(ConfigError, match="a few levels"):
        parse(damaged, folder=own)


@pytest.mark.parametrize("target", ["keras.loses.Huber", "kers.losses.Huber", "keras.losse.Huber"])
def test_a_mistyped_package_gets_the_nearest_one(target, tmp_path):
    (fault,) = target_faults({"loss": {"_target_": target}}, folder=tmp_path)
    assert fault.advice.startswith("Did you mean keras.losses.Huber? Choose one of them.")
