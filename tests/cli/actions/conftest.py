import shutil

import pytest


@pytest.fixture
def folder(tmp_path, empty_store, monkeypatch):
    """A working folder with an MLflow store without studies."""
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path
