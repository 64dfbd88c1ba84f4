"""Names that users type, and terminals and folders that they work in."""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from mlflow.tracking import MlflowClient

from study.cli import main
from study.cli.launch.overrides import read_overrides
from study.core.errors import ConfigError
from study.core.names import name_fault
from study.search.ask_tell import open_search
from study.tracking.connection import connect
from study.tracking.mlflow_schema import artifact_location
from tests import drawn_examples
from tests.awkward_names import folders, names

pytestmark = pytest.mark.slow

QUICKLY = settings(drawn_examples.QUICKLY, max_examples=25)


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        ("experiment_name=../../../escaped", "parts without a letter between slashes"),
        ("experiment_name=/etc/escaped", "parts without a letter between slashes"),
        (f"experiment_name='{'漢' * 90}'", "at most 200 bytes"),
        (f"study_name='{'漢' * 90}'", "at most 200 bytes"),
        ("study_name='lr/0.1 [x]'", "without quotes, backslashes and slashes"),
        ("study_name=..", "without quotes, backslashes and slashes"),
        ("experiment_name='a\0b'", "printable characters"),
        ("study_name='a\tb'", "printable characters"),
    ],
)
def test_a_name_that_would_be_a_place_is_refused_before_anything_is_written(here, contents, tmp_path, word, allowed):
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    before = contents(tmp_path)
    status, out, err = here("run", "optimizer=adam", word, cwd=folder)
    assert (status, out) == (2, "")
    assert f"{word.partition('=')[0]}=" in err
    assert allowed in err
    assert "Traceback" not in err
    assert contents(tmp_path) == before


def _job(*words):
    from study.cli.launch.compose import compose_jobs, prepare

    (job,) = compose_jobs(prepare(list(words)), multirun=False)
    return job


def test_a_value_in_quotes_is_the_same_study_as_without():
    quoted, plain = (_job("optimizer=adam", f"model.activation={value}") for value in ("'tanh'", "tanh"))
    assert quoted.labels == plain.labels == ("adam-activation=tanh",)
    assert quoted.raw == plain.raw


@QUICKLY
@given(value=names)
@example(value="a\nb")
@example(value="c:\\d")
def test_any_typed_value_gives_a_study_a_name_that_can_be_typed(value):
    from hydra.errors import HydraException

    from study.cli.launch.compose import CompositionError

    word = f"""model.activation='{value.replace("'", chr(92) + "'")}'"""
    try:
        read_overrides([word])
        job = _job("optimizer=adam", word)
    except (HydraException, CompositionError, ConfigError):
        return  # no value in Hydra's grammar, or a password
    assert all(name_fault(label, parts=False) == "" for label in job.labels)


@settings(QUICKLY, max_examples=8)
@given(name=folders)
@example(name="feature%2Fx")
@example(name="what?now")
@example(name="#x")
@example(name='it\'s "x"')
def test_the_stores_of_a_folder_of_any_name_lie_in_it(compose_quick, tmp_path, name):
    around = Path(tempfile.mkdtemp(dir=tmp_path))
    folder = around / name
    folder.mkdir()
    config = compose_quick("budget.n_trials=1", folder=folder)
    with open_search(config):
        client = connect(config.stores.tracking_uri, create=True, artifacts=config.stores.artifacts)
    experiment = client.create_experiment("mine", artifact_location(config.stores.artifacts, "mine"))
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "text", "note.txt")
    (note,) = folder.rglob("note.txt")
    assert note.is_relative_to(folder / "mlruns" / "artifacts")
    assert (folder / "mlruns" / "mlflow.db").stat().st_size > 0
    assert list(around.iterdir()) == [folder]


@pytest.fixture
def named(empty_store, tmp_path):
    """A folder with a store whose one study has a name in another script."""
    path = tmp_path / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_store, path)
    client = MlflowClient(f"sqlite:///{path}")
    experiment_id = client.create_experiment("日本")
    tags = {"optimizer": "adam", "study_id": "0" * 12, "dataset": "digits", "model": "mlp", "study_name": "é🙂"}
    run = client.create_run(experiment_id, tags={**tags, "role": "study"})
    client.log_param(run.info.run_id, "objective.metric", "val_accuracy")
    return tmp_path


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_without_a_character_shows_its_number(named, monkeypatch, encoding):
    shown = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in shown.items():
        monkeypatch.setattr(sys, name, stream)
    assert main(["list", "--folder", str(named)]) == 0
    assert main(["list", "漢", "--folder", str(named)]) == 2
    texts = {}
    for name, stream in shown.items():
        stream.flush()
        texts[name] = stream.buffer.getvalue().decode(encoding)
    assert "\\u65e5\\u672c: 1 study\n" in texts["stdout"]
    assert "\\U0001f642" in texts["stdout"]
    assert "EXPERIMENT=\\u6f22: expected one of \\u65e5\\u672c" in texts["stderr"]
