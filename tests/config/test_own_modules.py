"""Modules of the user's folder: loaded only when a config names them, after the check, and never taken for others."""

import json
import os
import sys

import pytest

from study.config.allowlist import built_in_faults, own_modules, target_faults
from study.config.own_source import find_in_folder, find_module, hidden_by, imported_files

NAMED = {"model": {"_target_": "mine_net.build"}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules that write down their import, and beside it a place with installed packages."""
    texts = {
        "here/mine_net.py": "import mine_part\nfrom mine_package import inner\ndef build(**_): ...\n",
        "here/mine_part.py": "VALUE = 1\ndef late():\n    import mine_late\n",
        "here/mine_late.py": "",
        "here/mine_package/__init__.py": "",
        "here/mine_package/inner.py": "from . import deep\n",
        "here/mine_package/deep.py": "",
        "here/mine_other.py": "def build(**_): ...\n",
        "here/mine_plain/nets.py": "def build(**_): ...\n",
        "there/mine_spaced/parts.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"with open({str(tmp_path / 'ran')!r}, 'a') as ran: ran.write(__name__ + ' ')\n{text}")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "there")])
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    for name in [name for name in sys.modules if name.startswith("mine_")]:
        del sys.modules[name]


def ran(folder):
    file = folder.parent / "ran"
    return file.read_text().split() if file.exists() else []


def test_a_named_module_runs_and_its_folder_is_the_last_place(folder):
    before = [*sys.path]
    assert target_faults(NAMED, folder=folder) == []
    assert ran(folder) == ["mine_net", "mine_part", "mine_package", "mine_package.inner", "mine_package.deep"]
    assert sys.path == [*before, str(folder)]
    assert target_faults(NAMED, folder=folder) == []
    assert sys.path == [*before, str(folder)]


def test_nothing_runs_where_another_name_is_refused(folder):
    before = [*sys.path]
    faults = target_faults({**NAMED, "optimizer": {"_target_": "os.system"}}, folder=folder)
    assert [fault.key for fault in faults] == ["optimizer._target_"]
    assert (ran(folder), sys.path) == ([], before)


def test_nothing_runs_for_a_question(folder):
    before = [*sys.path]
    assert target_faults(NAMED, folder=folder, load_own=False) == []
    assert (ran(folder), sys.path) == ([], before)


@pytest.mark.parametrize(
    ("name", "target", "told"),
    [
        ("json.py", "json.build", f"Python takes json from {os.path.dirname(json.__file__)}. Rename the one of"),
        ("sys.py", "sys.build", "Python takes sys from Python itself. Rename the one of"),
        ("yaml/__init__.py", "yaml.nets.build", "Python takes yaml from "),
        ("mine_spaced/nets.py", "mine_spaced.nets.build", "Python takes mine_spaced from "),
        ("random.py", "mine_user.build", "mine_user.py imports random, which Python takes from "),
        ("yaml.py", "mine_user.build", "mine_user.py imports yaml, which Python takes from "),
        ("mine_spaced/parts.py", "mine_user.build", "mine_user.py imports mine_spaced, which Python takes from "),
    ],
)
def test_a_module_that_another_one_hides_is_told_and_nothing_runs(name, target, told, folder):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("def build(**_): ...\n")
    (folder / "mine_user.py").write_text("def build(**_):\n    import random, yaml, mine_spaced.parts\n")
    (fault,) = target_faults({"model": {"_target_": target}}, folder=folder)
    assert fault.key == "model._target_"
    assert fault.value == target
    assert told in fault.advice
    assert str(folder) in str(fault)
    assert ran(folder) == []


def test_hidden_modules_that_no_named_one_imports_are_free(folder):
    for name in ("random.py", "keras.py", "yaml.py", "mlflow.py"):
        (folder / name).write_text("raise SystemExit\n")
    assert target_faults(NAMED, folder=folder) == []


def test_a_module_does_not_come_before_an_installed_package_without_an_init(folder):
    (folder / "mine_spaced.py").write_text("raise SystemExit\n")
    assert target_faults(NAMED, folder=folder) == []
    import mine_spaced.parts

    assert mine_spaced.parts.__file__ == str(folder.parent / "there" / "mine_spaced" / "parts.py")


def test_an_allowed_package_is_meant_rather_than_a_hidden_module(folder):
    (folder / "json.py").write_text("raise SystemExit\n")
    assert target_faults({"model": {"_target_": "json.JSONDecoder"}}, folder=folder, allow=["json"]) == []


def test_a_package_without_an_init_is_found_as_before(folder):
    assert target_faults({"model": {"_target_": "mine_plain.nets.build"}}, folder=folder) == []
    assert ran(folder) == ["mine_plain.nets"]


def test_a_folder_that_was_on_the_path_before_stays_where_it_is(folder):
    sys.path.insert(0, str(folder))
    before = [*sys.path]
    assert target_faults(NAMED, folder=folder) == []
    assert sys.path == before


def test_the_folder_of_a_store_elsewhere_counts_too(folder, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert target_faults(NAMED, folder=folder) == []
    assert ran(folder)[0] == "mine_net"


def test_the_files_that_would_run_are_named_without_running(folder):
    files = own_modules({**NAMED, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}, folder=folder)
    names = ("mine_late.py", "mine_net.py", "mine_package/__init__.py", "mine_package/deep.py")
    assert files == [folder / name for name in (*names, "mine_package/inner.py", "mine_part.py")]
    assert ran(folder) == []
    assert imported_files("mine_other", folder) == {"mine_other": (folder / "mine_other.py", folder)}


def test_modules_are_found_without_running(folder):
    assert find_in_folder("mine_package.deep", folder).origin == str(folder / "mine_package" / "deep.py")
    assert find_in_folder("json", folder) is None
    assert find_module("mine_net") is None
    assert find_module("mine_package.deep", folders=[folder]).origin == str(folder / "mine_package" / "deep.py")
    assert find_module("mine_spaced.parts").origin == str(folder.parent / "there" / "mine_spaced" / "parts.py")
    assert find_module("mine_package.nothing.deeper", folders=[folder]) is None
    assert hidden_by("mine_net", folder) is None
    assert hidden_by("nothing_anywhere", folder) is None
    assert ran(folder) == []


def test_a_page_evaluates_functions_of_this_project_alone(folder):
    section = {"function": {"_target_": "study.models.landscape_functions.bowl"}}
    assert built_in_faults(section) == []
    for target in ("mine_net.build", "os.system", "study.models.landscape_functions.math.exp", None, 3):
        (fault,) = built_in_faults({"function": {"_target_": target}})
        assert fault.key == "function._target_"
    assert ran(folder) == []
