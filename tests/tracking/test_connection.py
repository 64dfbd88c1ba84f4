import errno
import multiprocessing
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import OperationalError

from study.core.errors import StoreAwayError, StoreError
from study.tracking import connection
from study.tracking.comparison_runs import log_comparison, read_context
from study.tracking.connection import Connections, connect, reason_of
from study.tracking.read_studies import read_experiments, read_histories, read_studies

pytestmark = pytest.mark.slow


def test_a_missing_store_is_created_whole_and_leaves_no_draft(tmp_path):
    path = tmp_path / "new" / "folder" / "mlflow.db"
    client = connect(f"sqlite:///{path}", create=True)
    assert [experiment.name for experiment in client.search_experiments()] == ["Default"]
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock") == ["mlflow.db"]


@pytest.mark.parametrize("content", [None, b""])
def test_reading_a_store_that_is_not_there_creates_nothing(tmp_path, content):
    path = tmp_path / "mlruns" / "mlflow.db"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"mlflow\.db: there is no store\. Run a study first"):
        read_experiments(f"sqlite:///{path}")
    assert sorted(tmp_path.rglob("*")) == before
    assert content is None or path.read_bytes() == b""


def test_a_locked_store_is_not_reported_as_damaged(tmp_path, monkeypatch):
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE experiments (name TEXT)")
        holder.execute("BEGIN EXCLUSIVE")
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
        with pytest.raises(StoreError, match=r"database is locked.* Another program has held it"):
            read_experiments(f"sqlite:///{path}")


def test_a_corrupt_file_is_refused_at_once_and_left_unchanged(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"cannot be read as a database .*not a database.* Move the damaged file"):
        connect(f"sqlite:///{path}", create=True)
    assert path.read_bytes() == b"this is no database" * 100


@pytest.mark.parametrize(("is_passed_on", "n_inspections"), [(False, 5), (True, 1)])
def test_connections_that_are_passed_on_inspect_a_database_once(
    make_config, open_tracker, record, monkeypatch, tmp_path, is_passed_on, n_inspections
):
    config = make_config()
    uri = config.stores.tracking_uri
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0)
    inspected = []
    inspect = connection._check_database
    monkeypatch.setattr(connection, "_check_database", lambda uri, **k: inspected.append(uri) or inspect(uri, **k))
    passed = {"connections": Connections()} if is_passed_on else {}
    (name,) = read_experiments(uri, **passed)
    read_context(uri, name, **passed)
    (study,) = read_studies(uri, name, **passed)
    read_histories(uri, [study.trials[0].run_id], ["loss"], **passed)
    (tmp_path / "page.html").write_text("page")
    log_comparison(uri, name, files=[tmp_path / "page.html"], tags={}, study_run_ids=[study.run_id], **passed)
    assert inspected == [uri] * n_inspections


def test_a_database_that_was_replaced_is_inspected_again(database):
    connections = Connections()
    uri = f"sqlite:///{database}"
    assert connections.client(uri) is connections.client(uri)
    damaged = database.with_name("damaged.db")
    damaged.write_bytes(b"this is no database" * 100)
    damaged.replace(database)
    with pytest.raises(StoreError, match="cannot be read as a database"):
        connections.client(uri)
    database.unlink()
    with pytest.raises(StoreError, match="there is no store"):
        connections.client(uri)


def test_a_store_in_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/mlflow\.db: the store cannot be created .* Choose a folder"):
        connect(f"sqlite:///{tmp_path}/file/mlflow.db", create=True)


def stamp(database, revision):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_a_store_of_a_newer_mlflow_is_refused(database):
    stamp(database, "ffffffffffff")
    content = database.read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer version of MLflow than 3.* Install the MLflow"):
        connect(f"sqlite:///{database}", create=True)
    assert database.read_bytes() == content


def test_a_store_of_an_older_mlflow_is_refused(database):
    stamp(database, "451aebb31d03")  # MLflow 1.0
    with pytest.raises(StoreError, match=r"an older version of MLflow .* mlflow db upgrade sqlite:///"):
        connect(f"sqlite:///{database}", create=True)


def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="belongs to another program"):
        connect(f"sqlite:///{path}", create=True)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "databricks", "sqlite:///:memory:", "sqlite://"])
def test_unsupported_forms_of_stores_are_refused(uri):
    with pytest.raises(StoreError, match="Set tracking_uri to sqlite:"):
        connect(uri, create=True)


def test_a_server_that_does_not_answer_is_reported_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(StoreAwayError, match=r"no server answers .* Start the server") as away:
            connect(uri, create=True)
    assert away.value.exit_status == 1


def test_a_host_that_does_not_exist_is_to_be_corrected(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(StoreError, match=r"no such host .* Correct tracking_uri") as wrong:
        connect("http://host.invalid:5000", create=True)
    assert wrong.value.exit_status == 2


def test_a_reason_is_the_databases_own_message_without_the_hint_before_it():
    hint = "(raised as a result of Query-invoked autoflush; this flush may be occurring prematurely)"
    database = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"), hide_parameters=True)
    database.add_detail(hint)
    told = MlflowException(f"{hint}\n{database}")
    told.__cause__ = database
    assert reason_of(told) == reason_of(database) == "database is locked"
    assert reason_of(OSError("first\nsecond")) == "first"
    assert reason_of(OSError()) == "OSError"


def test_passwords_stay_out_of_messages():
    with pytest.raises(StoreError) as caught:
        connect("oracle://me:pw4711@host/db", create=True)
    assert "pw4711" not in str(caught.value)
    assert "me:***@host" in str(caught.value)


def test_an_unknown_experiment_is_refused_and_the_known_ones_are_named(database):
    with pytest.raises(StoreError, match=r"experiment=tiny: expected the name .* one of these: Default"):
        read_studies(f"sqlite:///{database}", "tiny")


def create_experiment(uri, number):
    connect(uri, create=True).create_experiment(f"experiment {number}")


def test_several_processes_can_create_the_store_at_the_same_time(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=create_experiment, args=(uri, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    names = {experiment.name for experiment in connect(uri, create=False).search_experiments()}
    assert names == {"Default", "experiment 0", "experiment 1"}


def _damage(cached, kind):
    whole = cached.read_bytes()
    cached.unlink()
    if kind == "a folder":
        cached.mkdir()
    elif kind == "a dangling link":
        cached.symlink_to(cached.with_name("nowhere"))
    else:
        half = len(whole) // 2
        content = {"garbage": b"?" * 9000, "empty": b"", "cut": whole[:half], "torn": whole[:half] + b"?" * half}
        cached.write_bytes(content[kind])


@pytest.fixture
def cache(tmp_path, empty_store, monkeypatch):
    """The folder of a user's cache; a new empty store is copied from a prepared one, which saves four seconds."""
    monkeypatch.setattr(connection, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(
        connection, "initialize_tables", lambda engine: shutil.copyfile(empty_store, engine.url.database)
    )
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", ["garbage", "empty", "cut", "torn", "a folder", "a dangling link", "used"])
def test_a_damaged_cache_of_an_empty_store_is_made_again(kind, tmp_path, cache, counted_tables):
    connect(f"sqlite:///{tmp_path}/first/mlflow.db", create=True)
    (cached,) = cache.iterdir()
    whole = counted_tables(cached)
    if kind == "used":
        MlflowClient(f"sqlite:///{cached}").create_run("0")
    else:
        _damage(cached, kind)
    client = connect(f"sqlite:///{tmp_path}/second/mlflow.db", create=True)
    assert client.search_runs(["0"]) == []
    assert counted_tables(tmp_path / "second" / "mlflow.db") == counted_tables(tmp_path / "first" / "mlflow.db")
    assert [path.name for path in cache.iterdir() if path.name != "nowhere"] == [cached.name]
    assert counted_tables(cached) == whole


def test_a_store_is_created_without_a_cache_that_can_be_written(tmp_path, cache):
    cache.write_text("a file in the way")
    assert connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db", create=True).search_runs(["0"]) == []


def test_a_disk_that_is_full_at_the_creation_of_a_store_is_told(tmp_path, cache, monkeypatch):
    del cache

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StoreError, match=r"the store cannot be created \(.*No space left on device"):
        connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db", create=True)


@pytest.fixture
def counted_tables():
    """Counts the rows of each table of a database."""

    def counted_tables(path):
        with closing(sqlite3.connect(path)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}

    return counted_tables
