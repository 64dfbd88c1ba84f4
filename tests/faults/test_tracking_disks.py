import os
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest

from study.tracking.read_studies import read_studies
from tests.faults.looking import faults_of
from tests.faults.test_tracking_server import reached

pytestmark = pytest.mark.slow

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of two MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={2 * MIB}", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {made.stderr.strip()}")
    yield place
    # Lazy unmount, since MLflow's pool in this process keeps files open.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk, *, but):
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(b"\0" * (free.f_bavail * free.f_frsize - but))


def message_of(folder):
    """Return the last message of a study."""
    return (folder / "message.txt").read_text()


def trials_in(database):
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (study,) = read_studies(f"sqlite:///{database}", "tiny-mlp")
    assert all({"objective", "val_accuracy"} <= run.metrics.keys() for run in study.trials if run.state)
    return [(run.number, run.state) for run in study.trials]


def hold_and_break(victims, folder, breaking, *, uri=None, n_trials=2, **options):
    """Let a study train one trial, break something, and return the message that it ends with."""
    victims.order(folder, uri=uri, n_trials=n_trials, gates=[1], **options)
    try:
        reached(folder, 1)
        breaking()
    finally:
        (folder / "go-1").touch()
        status = victims.ended()
    assert status == 1, (folder / "stderr.txt").read_text()
    return message_of(folder)


def test_a_full_disk_under_the_database_stops_the_study(victims, new_folder, empty_store, small_disk):
    database = small_disk / "mlflow.db"
    shutil.copyfile(empty_store, database)
    uri, folder = f"sqlite:///{database}", new_folder("a")
    message = hold_and_break(victims, folder, lambda: fill(small_disk, but=40_000), uri=uri, n_trials=40)
    assert f"tracking_uri={uri}: " in message
    assert "disk is full" in message
    assert (0, "complete") in trials_in(database)
    (small_disk / "filler").unlink()
    assert victims.live(folder, uri=uri, n_trials=4) == 0, message_of(folder)
    assert {(number, "complete") for number in range(4)} <= {*trials_in(database)}


def test_a_full_disk_under_the_spool_stops_the_study(victims, new_folder, small_disk):
    folder = new_folder("a")
    (folder / "mlruns" / "spool").symlink_to(small_disk)
    # The last page of a full disk may still have room for the records of a trial or two.
    message = hold_and_break(victims, folder, lambda: fill(small_disk, but=0), spooled=True, n_trials=12)
    assert "results could not be written ([Errno 28] No space left on device)" in message
    assert (0, "complete") in trials_in(folder / "mlruns" / "mlflow.db")
    (small_disk / "filler").unlink()
    assert victims.live(folder, n_trials=12, spooled=True) == 0, message_of(folder)
    assert faults_of(folder, n_trials=12) == []


def test_a_read_only_disk_is_reported(victims, new_folder, empty_store, small_disk):
    database = small_disk / "mlflow.db"
    shutil.copyfile(empty_store, database)
    uri, folder = f"sqlite:///{database}", new_folder("a")
    assert victims.live(folder, uri=uri, n_trials=2) == 0
    # A read-only folder would not be enough: root may write to it.
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert victims.live(folder, uri=uri, n_trials=3) == 2
    assert f"tracking_uri={uri}: the study cannot be recorded (" in message_of(folder)
    assert "readonly database" in message_of(folder)
    assert trials_in(database) == [(0, "complete"), (1, "complete")]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert victims.live(folder, uri=uri, n_trials=3) == 0, message_of(folder)


def test_a_database_that_another_process_keeps_locked(victims, new_folder):
    folder = new_folder("a")
    database = folder / "mlruns" / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        message = hold_and_break(victims, folder, lambda: other.execute("BEGIN EXCLUSIVE"), locked_s=1)
        other.execute("ROLLBACK")
    assert f"tracking_uri=sqlite:///{database}: " in message
    assert "database is locked" in message
    assert (0, "complete") in trials_in(database)
    assert victims.live(folder, n_trials=2) == 0, (folder / "stderr.txt").read_text()
    assert faults_of(folder, n_trials=2) == []


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_database_that_was_cut_off(victims, new_folder, kept):
    folder = new_folder("a")
    assert victims.live(folder, n_trials=2) == 0
    database = folder / "mlruns" / "mlflow.db"
    damaged = database.read_bytes()[: int(database.stat().st_size * kept)]
    database.write_bytes(damaged)
    assert victims.live(folder, n_trials=3) == 2
    assert f"tracking_uri=sqlite:///{database}: " in message_of(folder)
    assert "malformed" in message_of(folder)


def test_a_damaged_spool_is_kept_and_reported(victims, new_folder):
    folder = new_folder("a")
    assert victims.live(folder, n_trials=2, spooled=True) == 0
    digest = read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", "tiny-mlp")[0].study_id
    spool = folder / "mlruns" / "spool" / f"{digest}-0.jsonl"
    spool.write_text('{"tracking_uri": "x"}\nnonsense\n')
    assert victims.live(folder, n_trials=3, spooled=True) == 2
    assert f"{spool}: expected records of a study" in message_of(folder)
    assert "nonsense" in spool.read_text()
