"""Memory that runs out, full disks and write-protected stores: one message, and the status that fits it."""

import os
import shutil
import subprocess
import sys

import pytest

from study.core.errors import StoreAwayError, StoreError
from study.core.log_capture import captured
from study.search.ask_tell import open_search
from study.tracking.connection import connect
from tests.faults.conftest import ROOT
from tests.faults.test_changed_records import call

pytestmark = pytest.mark.slow

KIB = 2**10
WORDS = ("run", "optimizer=adam", "budget=smoke", "live=false")
TRAINERS = ("trainer=vectorized", "trainer.backend=tensorflow")
START = "import sys; from study.cli import command_line; sys.exit(command_line())"


def mounted(*words):
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    """Mounts a real file system of a size in KiB."""
    places = []

    def disk(size):
        place = tmp_path / f"disk-{size}"
        place.mkdir()
        mounted("-t", "tmpfs", "-o", f"size={size * KIB}", "tmpfs", str(place))
        places.append(place)
        return place

    yield disk
    for place in places:  # lazily, since MLflow's pool in this process keeps files open
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def study(*words, cwd, memory=None):
    """Run the command in a process of its own, perhaps with a limit of its memory in bytes, as `ulimit -v` sets it."""
    # In the child itself: this process may hold JAX, which warns of every fork that runs code of Python.
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, {(memory, memory)}); " if memory else ""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".ci" / "editable")}
    command = [sys.executable, "-c", limit + START, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def refused_memory(folder, memory, *words):
    done = study(*WORDS, *words, cwd=folder, memory=memory)
    assert done.returncode == 1, done.stderr
    assert "memory ran out" in done.stderr
    assert "faults in the config" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("study run: ") == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("trainer", TRAINERS)
def test_memory_that_is_limited_is_no_fault_of_the_config(tmp_path, trainer):
    refused_memory(tmp_path, 1_500_000 * KIB, trainer)


@pytest.mark.faults
def test_little_memory_of_any_size_is_no_fault_of_the_config(tmp_path, counted):
    sizes = (600_000, 800_000, 1_100_000, 1_300_000, 1_700_000, 1_900_000)
    for size in sizes:
        for trainer in TRAINERS:
            refused_memory(tmp_path, size * KIB, trainer)
    counted(f"{2 * len(sizes)} limits of memory")


@pytest.mark.parametrize("size", [4, 12, 100, 300, 700])
def test_a_full_disk_at_the_creation_of_the_store_is_said_and_leaves_no_part_of_it(disk, size):
    place = disk(size)
    database = place / "mlruns" / "mlflow.db"
    with pytest.raises(StoreAwayError, match=r"cannot be created .*The disk is full\. Make room there") as caught:
        connect(f"sqlite:///{database}", create=True)
    assert str(caught.value).startswith(f"tracking_uri=sqlite:///{database}: ")
    assert caught.value.exit_status == 1
    assert [path.name for path in place.rglob("mlflow.db*")] == ["mlflow.db.lock"]


def test_a_full_disk_at_the_creation_of_the_journal_is_said(disk, compose):
    place = disk(64)
    config = compose(folder=place)
    (place / "filler").write_bytes(b"\0" * shutil.disk_usage(place).free)
    with pytest.raises(StoreAwayError, match=r"The disk is full\. Make room there") as caught, open_search(config):
        pass
    assert caught.value.exit_status == 1
    (place / "filler").unlink()
    with open_search(config) as search:
        assert search.n_spent == 0


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(disk, capfd):
    place = disk(8)
    with captured(place / "study.log") as terminal:
        for _ in range(3):
            sys.stderr.write("x" * 8 * KIB + "\n")
        terminal.write("goes on\n")
    out, err = capfd.readouterr()
    told = f"The log {place / 'study.log'} cannot be written ([Errno 28] No space left on device). "
    assert (out, err) == ("", f"{told}Its further lines are lost.\ngoes on\n")


@pytest.mark.faults
def test_a_study_on_a_full_disk_of_any_size_ends_with_one_message(disk, counted):
    sizes = (4, 40, 400, 800, 1000, 1100, 1200)
    for size in sizes:
        done = study(*WORDS, cwd=disk(size))
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "The disk is full" in done.stderr
    counted(f"{len(sizes)} full disks under a whole study")


@pytest.fixture
def read_only(finished, tmp_path, monkeypatch):
    """A folder with two finished studies, whose mlruns/ is a read-only disk; it is the working directory."""
    shutil.copytree(finished, tmp_path / "copy")
    stores = tmp_path / "copy" / "mlruns"
    mounted("--bind", str(stores), str(stores))
    try:
        mounted("-o", "remount,ro,bind", str(stores))
        monkeypatch.chdir(stores.parent)
        monkeypatch.setattr(sys, "path", [*sys.path])
        yield stores.parent
    finally:
        subprocess.run(["umount", "--lazy", str(stores)], check=True)


READING = (
    ("list",),
    ("list", "--all"),
    ("list", "--json"),
    ("compare", "digits-mlp", "--output", "page.html"),
    ("export", "digits-mlp/adam"),
    ("sync",),
)
WRITING = (
    ("delete", "digits-mlp/adam", "--yes"),
    ("rename", "digits-mlp/adam", "other", "--yes"),
    ("rename", "digits-mlp", "other", "--yes"),
    ("gallery", "toy_regression"),
)


@pytest.mark.usefixtures("read_only")
def test_commands_that_read_work_on_a_read_only_store_and_others_refuse_in_one_message(counted):
    for words in READING:
        status, out, err = call(*words)
        assert (status, out != "") == (0, True), (words, err)
        kept = "study compare: MLflow's store is write-protected, so it does not keep the page.\n"
        assert err == (kept if words[0] == "compare" else "")
    for words in WRITING:
        status, out, err = call(*words)
        assert status == 2, (words, out)
        assert err.startswith(f"study {words[0]}: ")
        assert ("write-protected" in err) == (words[0] != "gallery")
    assert "digits-mlp/adam" in call("list", "--all")[1]
    counted(f"{len(READING) + len(WRITING)} commands on a read-only store")


def test_a_study_refuses_to_begin_in_a_read_only_store(read_only, compose):
    config = compose("study_name=third", folder=read_only)
    with pytest.raises(StoreError, match="write-protected") as caught, open_search(config):
        pass
    assert caught.value.exit_status == 2
