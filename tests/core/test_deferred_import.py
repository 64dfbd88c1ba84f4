"""A deferred module runs its code at the first use, and is then as usual."""

import importlib
import sys
import threading

import pytest

from study.core.deferred_import import deferred, is_installed

RARE = "rarely_used"
SOURCE = """
import sys
sys.runs_of_rare = getattr(sys, "runs_of_rare", 0) + 1
from rarely_used import inner
VALUE = inner.VALUE + 1
__all__ = ["VALUE"]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / RARE
    folder.mkdir()
    (folder / "__init__.py").write_text(SOURCE)
    (folder / "inner.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == RARE]:
        del sys.modules[name]
    if hasattr(sys, "runs_of_rare"):
        del sys.runs_of_rare


@pytest.fixture
def rare(package):
    assert package.name == RARE
    finders = [*sys.meta_path]
    with deferred([RARE]):
        module = importlib.import_module(RARE)
    assert sys.meta_path == finders
    return module


def n_runs():
    return getattr(sys, "runs_of_rare", 0)


def test_the_first_use_runs_the_code_once(rare):
    assert n_runs() == 0
    assert rare.VALUE == 2
    assert (rare.VALUE, n_runs()) == (2, 1)
    assert "__getattr__" not in vars(rare)
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        _ = rare.other


def test_names_that_libraries_ask_every_module_for_are_no_use(rare):
    assert not hasattr(rare, "__wrapped__")
    assert not hasattr(rare, "__warningregistry__")
    assert rare.__file__.endswith("__init__.py")
    assert n_runs() == 0


def test_submodules_are_imported_without_it(rare):
    inner = importlib.import_module(f"{RARE}.inner")
    assert (inner.VALUE, n_runs()) == (1, 0)
    assert rare.VALUE == 2


@pytest.mark.parametrize("line", [f"from {RARE} import VALUE", f"from {RARE} import *"])
@pytest.mark.usefixtures("rare")
def test_members_can_be_imported(line):
    found = {}
    exec(line, found)
    assert found["VALUE"] == 2


def test_it_lists_its_members_and_can_be_loaded_again(rare):
    assert {"VALUE", "inner"} <= set(dir(rare))
    assert importlib.reload(rare) is rare
    assert (rare.VALUE, n_runs()) == (2, 2)


def test_code_that_fails_runs_again_at_the_next_use(package, rare):
    (package / "inner.py").write_text("VALUE = 1 / 0\n")
    importlib.invalidate_caches()
    with pytest.raises(ZeroDivisionError):
        _ = rare.VALUE
    (package / "inner.py").write_text("VALUE = 40  # as long as it takes\n")
    assert rare.VALUE == 41


def test_threads_wait_for_the_code(package):
    (package / "inner.py").write_text("import time\ntime.sleep(0.2)\nVALUE = 1\n")
    with deferred([RARE]):
        module = importlib.import_module(RARE)
    found = []
    threads = [threading.Thread(target=lambda: found.append(module.VALUE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, n_runs()) == ([2, 2, 2, 2], 1)


@pytest.mark.usefixtures("package")
def test_another_module_or_one_that_does_not_exist_is_as_usual():
    with deferred(["no_such_module", f"{RARE}.no_such_module"]):
        assert importlib.import_module(RARE).VALUE == 2
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_module")


def test_a_version_is_known_by_its_first_parts():
    major, minor = pytest.__version__.split(".")[:2]
    assert is_installed("pytest", f"{major}.{minor}")
    assert not is_installed("pytest", f"{major}.{minor}0")
    assert not is_installed("no-such-package", "1")
