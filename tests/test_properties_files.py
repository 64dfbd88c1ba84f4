"""Reading any file content returns it or raises one error with a message, and leaves the file unchanged."""

import gzip
import hashlib
import shutil
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.core.errors import StudyError
from study.core.trainer_interface import TrialResult
from study.datasets._idx import read_idx
from study.datasets._npz_images import read_npz
from study.search.ask_tell import open_search
from study.search.study_names import check_name, count_studies
from study.tracking.connection import check_store
from study.tracking.read_studies import read_experiments, read_studies
from tests import drawn_examples

QUICKLY = settings(drawn_examples.QUICKLY, max_examples=50)
AT_LENGTH = settings(QUICKLY, max_examples=1500, derandomize=False)


def told(read):
    """Return the message of the error that reading raises; empty if it raises no error."""
    try:
        read()
    except StudyError as error:
        return str(error)
    return ""


@st.composite
def damages(draw):
    """Draw a damage: cut a file off, overwrite a part of it, flip a bit, or insert something."""
    how = draw(st.sampled_from(["cut", "overwrite", "flip", "insert", "replace"]))
    where, junk = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=40))
    bit = draw(st.integers(0, 7))

    def damage(content):
        at = int(where * (len(content) - 1))
        return {
            "cut": content[:at],
            "overwrite": content[:at] + junk + content[at + len(junk) :],
            "flip": content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :],
            "insert": content[:at] + junk + content[at:],
            "replace": junk,
        }[how]

    return damage


def _idx(array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


IMAGES = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
PLAIN = _idx(IMAGES)
PACKED = gzip.compress(PLAIN)


def _idx_is_read_or_told(folder, content):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    error = told(lambda: read_idx(path, n_dimensions=3))
    assert str(path) in error or read_idx(path, n_dimensions=3).ndim == 3
    assert path.read_bytes() == content


@settings(QUICKLY, max_examples=300)
@given(damage=damages(), packed=st.booleans())
def test_a_damaged_idx_file_is_read_or_refused(tmp_path, damage, packed):
    _idx_is_read_or_told(tmp_path, damage(PACKED if packed else PLAIN))


@QUICKLY
@given(content=st.binary(max_size=64))
@example(content=bytes((0, 0, 8, 3)) + b"\xff" * 12)  # its header declares more data than the file holds
def test_random_bytes_as_an_idx_file_are_read_or_refused(tmp_path, content):
    _idx_is_read_or_told(tmp_path, content)


@settings(QUICKLY, max_examples=150)
@given(damage=damages())
def test_a_damaged_npz_file_is_read_or_told(tmp_path, damage):
    path = tmp_path / "mnist.npz"
    y = np.zeros(5, np.int64)
    np.savez(path, x_train=IMAGES, y_train=y, x_test=IMAGES, y_test=y)
    content = damage(path.read_bytes())
    path.write_bytes(content)
    error = told(lambda: read_npz(path, shape=(4, 4, 1)))
    assert str(path) in error or read_npz(path, shape=(4, 4, 1)).source == str(path)
    assert path.read_bytes() == content


@pytest.fixture(scope="module")
def journal(compose_quick, tmp_path_factory):
    """The journal of a search with a few trials, and its study."""
    folder = tmp_path_factory.mktemp("search")
    config = compose_quick("budget.n_trials=6", folder=folder)
    with open_search(config) as search:
        for trial in search.ask(4):
            state = "failed" if trial.number == 2 else "complete"
            search.tell(TrialResult(trial=trial, state=state, history={}, summary={}, error="no"), objective=0.5)
    return config, config.stores.optuna_journal.read_bytes()


def _journal_is_read_or_told(journal, damage):
    config, whole = journal
    path = config.stores.optuna_journal
    content = damage(whole)
    path.write_bytes(content)
    error = told(lambda: (check_name(config), count_studies(config.stores)))
    assert not error or str(path) in error or "study_name" in error
    assert path.read_bytes() == content
    error = told(lambda: _go_on(config))
    assert not error or str(path) in error or "study_name" in error
    told_again = told(lambda: count_studies(config.stores))
    assert bool(told_again) <= bool(error), "an entry written behind a broken one cannot be read"


def _go_on(config):
    with open_search(config) as search:
        assert 0 <= search.n_spent <= 6
        search.best()
        numbers = [trial.number for trial in search.ask(9)]
        assert len(numbers) == len(set(numbers)) <= 6


@QUICKLY
@given(damage=damages())
def test_a_damaged_journal_is_read_or_refused(journal, damage):
    _journal_is_read_or_told(journal, damage)


@pytest.mark.faults
@AT_LENGTH
@given(damage=damages())
def test_a_damaged_journal_is_read_or_refused_at_length(journal, damage):
    _journal_is_read_or_told(journal, damage)


@pytest.fixture(scope="module")
def database(empty_store, tmp_path_factory):
    """A store with an experiment, a study and a trial."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    client = MlflowClient(f"sqlite:///{path}")
    experiment = client.create_experiment("digits-mlp", artifact_location=f"file://{path.parent}/a")
    tags = {"optimizer": "adam", "study_name": "adam", "study_id": "0" * 12, "dataset": "digits", "model": "mlp"}
    parent = client.create_run(experiment, tags={**tags, "role": "study"}).info.run_id
    child = {**tags, "role": "trial", "number": "0", "state": "complete", "mlflow.parentRunId": parent}
    run = client.create_run(experiment, tags=child).info.run_id
    client.log_metric(run, "objective", 0.5)
    client.set_terminated(run)
    return path


def _database_is_read_or_told(database, folder, damage):
    path = folder / "mlflow.db"
    content = damage(database.read_bytes())
    path.write_bytes(content)
    uri = f"sqlite:///{path}"
    error = told(lambda: check_store(uri, may_be_empty=False))
    assert not error or str(path) in error
    told(lambda: [read_studies(uri, name) for name in read_experiments(uri)])
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content).digest()


@settings(QUICKLY, max_examples=25)
@given(damage=damages())
def test_a_damaged_database_is_read_or_refused(database, tmp_path, damage):
    _database_is_read_or_told(database, tmp_path, damage)


@pytest.mark.faults
@settings(AT_LENGTH, max_examples=400)
@given(damage=damages())
def test_a_damaged_database_is_read_or_refused_at_length(database, tmp_path, damage):
    _database_is_read_or_told(database, tmp_path, damage)
