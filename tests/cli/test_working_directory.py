import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import pytest

from study.cli import main
from study.cli.working_directory import hidden_modules, import_from_working_directory
from study.core.errors import StudyError

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_a_module_that_hides_what_is_needed_is_named_with_where_that_is_from(folder):
    for name in ("study.py", "random.py", "keras/__init__.py", "mynet.py", "models/__init__.py", "conf/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    found = hidden_modules(folder, sys.path)
    assert found == {"keras": "keras", "random": "the standard library", "study": "optimizer-study"}
    before = [*sys.path]
    with pytest.raises(StudyError, match=r"keras \(of keras\), random \(of the standard library\), study \(of"):
        import_from_working_directory()
    assert sys.path == before


def test_a_package_that_another_one_requires_is_needed_too(folder):
    (folder / "sqlalchemy.py").touch()  # of Optuna and MLflow
    assert hidden_modules(folder, sys.path) == {"sqlalchemy": "sqlalchemy"}


def test_a_package_of_an_extra_is_needed_where_it_is_installed(folder, monkeypatch):
    monkeypatch.setattr(PathFinder, "find_spec", _installed(folder))
    owners = {"psycopg": ["psycopg"], "ray": ["ray"], "torch": ["torch"], "pytest": ["pytest"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    for name in ("psycopg.py", "ray.py", "torch.py", "pytest.py"):
        (folder / name).touch()
    assert hidden_modules(folder, sys.path) == {name: name for name in ("psycopg", "ray", "torch")}


def _installed(folder):
    """Find the folder's own modules, and elsewhere a module of any name."""

    def find(name, path):
        here = [str(folder)] == list(path)
        place = folder if here else Path("/installed")
        return ModuleSpec(name, None, origin=str(place / f"{name}.py")) if (folder / f"{name}.py").exists() else None

    return find


@pytest.mark.parametrize("command", ["run", "list", "doctor", "compare", "export", "sync"])
def test_a_deleted_working_directory_is_told(command, folder, capsys):
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    os.rmdir(gone)
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith(f"study {command}: the working directory: expected a folder that exists")


def test_compiled_modules_and_those_that_hide_a_namespace_are_named(folder):
    for name in ("keras.pyc", "json.so", "google.py"):
        (folder / name).touch()
    (folder / "hydra_plugins").mkdir()
    (folder / "hydra_plugins" / "__init__.py").touch()
    found = hidden_modules(folder, sys.path)
    assert found.keys() == {"keras", "json", "google", "hydra_plugins"}
    assert "protobuf" in found["google"]


def test_links_that_lead_nowhere_and_folders_with_the_name_of_a_file_hide_nothing(folder):
    (folder / "keras.py").symlink_to(folder / "nowhere")
    (folder / "random.py").mkdir()
    assert hidden_modules(folder, sys.path) == {}


def test_names_that_hide_nothing_that_is_needed_are_free(folder):
    for name in ("models.py", "conf.py", "tests.py", "benchmarks.py", "data.py", "pytest.py", "my-net.py"):
        (folder / name).touch()
    (folder / "keras").mkdir()  # without __init__.py Python prefers the one that is installed
    (folder / "random.yaml").touch()
    assert hidden_modules(folder, sys.path) == {}
    import_from_working_directory()
    assert sys.path[0] == str(folder)


def test_a_checkout_does_not_hide_itself():
    root = Path(__file__).parents[2]
    assert hidden_modules(root, [str(root / ".ci" / "editable"), *sys.path]) == {}


@pytest.mark.parametrize("command", ["run", "reproduce", "doctor"])
def test_a_command_names_it_before_anything_else(command, here, folder):
    (folder / "random.py").write_text("raise SystemExit(7)\n")
    arguments = ["e/adam"] if command == "reproduce" else []
    status, out, err = here(command, *arguments, cwd=folder)
    assert (status, out) == (2, "")
    assert err.startswith(f"study {command}: modules of {folder}: expected names that hide no other module.")
    assert sorted(folder.iterdir()) == [folder / "random.py"]
