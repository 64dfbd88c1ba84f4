import os
import sys
from pathlib import Path

import pytest

from study.cli import main
from study.cli.working_directory import import_nothing_from_working_directory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "list", "doctor", "compare", "export", "register", "sync"])
def test_a_deleted_working_directory_is_told(command, folder, capsys):
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    os.rmdir(gone)
    import_nothing_from_working_directory()
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith(f"study {command}: the working directory: expected a folder that exists")


@pytest.mark.parametrize("command", ["run", "list", "doctor"])
def test_an_account_without_a_home_is_told(command, folder, monkeypatch, capsys):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith(f"study {command}: HOME=: expected the home folder of this account")
    assert list(folder.iterdir()) == []
    assert main(["--help"]) == 0


@pytest.mark.parametrize("spelled", ["", ".", "{folder}", "{folder}/", "sub/..", "link"])
def test_python_does_not_search_the_working_directory_however_it_is_spelled(spelled, folder, monkeypatch):
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(folder)
    before = [*sys.path]
    place = spelled.format(folder=folder)
    sys.path[:] = [place, *before, place]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/lib/one", place, "sub", "/lib/two"]))
    import_nothing_from_working_directory()
    assert sys.path == before
    assert os.environ["PYTHONPATH"] == os.pathsep.join(["/lib/one", "sub", "/lib/two"])
    assert os.environ["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize("place", [ROOT, ROOT / ".ci" / "editable"])
@pytest.mark.usefixtures("folder")
def test_the_place_of_this_project_stays(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr("study.__path__", [str(place / "study")])
    sys.path.insert(0, str(place))
    import_nothing_from_working_directory()
    assert sys.path[0] == str(place)
