import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import HealthCheck, example, given, settings

from study.core.database_address import sqlite_address, sqlite_file
from study.core.errors import StoreError
from tests.awkward_names import folders


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=folders)
@example(name="feature%2Fx")
@example(name="what?now")
@example(name="#x")
@example(name="a b")
@example(name="漢" * 60)
def test_the_database_lies_in_the_folder_of_any_name(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    before = {path for path in tmp_path.rglob("*") if path.parent != folder}
    address = sqlite_address(folder / "mlflow.db")
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS proof (x)")
    with closing(sqlite3.connect(folder / "mlflow.db")) as opened:
        assert opened.execute("SELECT name FROM sqlite_master").fetchall() == [("proof",)]
    assert {path for path in tmp_path.rglob("*") if path.parent != folder} == before
    assert sqlite_file(address) == folder / "mlflow.db"


def test_a_plain_path_keeps_its_address():
    assert sqlite_address(Path("/home/me/my study/mlruns/mlflow.db")) == (
        "sqlite:////home/me/my study/mlruns/mlflow.db"
    )


def test_a_version_of_sqlalchemy_that_does_not_quote_is_told(monkeypatch):
    monkeypatch.setattr(sqlalchemy.URL, "render_as_string", lambda self, **_: f"sqlite:///{self.database}")
    with pytest.raises(StoreError, match=r"what\?now/mlflow\.db: expected a folder whose name .* without % and \?"):
        sqlite_address(Path("/home/what?now/mlflow.db"))


def test_a_folder_whose_name_cannot_be_read_is_told():
    with pytest.raises(StoreError, match=r"expected a folder whose name can be read in the encoding of this session"):
        sqlite_address(Path("/home/caf\udce9/mlruns/mlflow.db"))  # named in Latin-1, read as UTF-8


@pytest.mark.parametrize("address", ["postgresql://host/database", "http://host:5000", "sqlite://", "sqlite:nonsense"])
def test_other_addresses_have_no_file(address):
    assert sqlite_file(address) is None
