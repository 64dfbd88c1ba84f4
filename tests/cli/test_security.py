import contextlib
import os
import subprocess
from types import SimpleNamespace

import pytest

from study.cli import ui
from study.cli.actions import ui_server

PASSWORD = "hunter2"


@pytest.mark.parametrize("how", [(), ("-m",), ("--cfg", "job")])
def test_a_password_on_the_command_line_is_refused_and_not_shown(here, tmp_path, how):
    status, out, err = here("run", *how, f"tracking_uri=postgresql://me:{PASSWORD}@host/db", cwd=tmp_path)
    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert PASSWORD not in out + err
    assert "tracking_uri=postgresql://me:***@host/db: expected no password in plain text" in err
    assert "PGPASSWORD" in err


def test_one_in_the_users_own_conf_is_refused_too(here, tmp_path):
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    text = f"# @package _global_\ntracking_uri: http://me:{PASSWORD}@host\n"
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(text)
    status, out, err = here("run", "experiment=mine", cwd=tmp_path)
    assert status == 2
    assert PASSWORD not in out + err


def test_the_config_is_printed_without_those_of_the_environment(here, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    words = ["tracking_uri='postgresql://me:${oc.env:DB_PASSWORD}@host/db'", "--cfg", "job", "--resolve"]
    status, out, err = here("run", *words, cwd=tmp_path)
    assert status == 0, err
    assert "tracking_uri: postgresql://me:***@host/db" in out
    assert PASSWORD not in out + err


@pytest.mark.parametrize("word", ["model._target_=os.system", "+dataset.task.metrics=[{_target_:os.system,name:x}]"])
def test_what_a_config_may_not_name_is_refused(here, tmp_path, word):
    status, out, err = here("run", word.replace("+", ""), cwd=tmp_path)
    assert (status, out, list(tmp_path.iterdir())) == (2, "", [])
    assert "_target_=os.system: expected an object of study.models" in err


@pytest.mark.parametrize(("words", "host"), [((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0")])
def test_the_ui_is_for_this_machine_alone_unless_told_otherwise(tmp_path, empty_store, monkeypatch, words, host):
    called = []
    server = contextlib.nullcontext(SimpleNamespace(wait=lambda: 0, stdout=()))
    monkeypatch.setattr(subprocess, "Popen", lambda command, env, **_: called.append((command, env)) or server)
    monkeypatch.setattr(ui_server, "_end", called[:0].append)
    monkeypatch.setattr(ui_server, "_wait_until_ready", lambda *_, **__: None)
    uri = f"sqlite:///{empty_store}"
    assert ui.main(["--port", "5993", "--folder", str(tmp_path), "--tracking-uri", uri, *words]) == 0
    ((command, environment),) = called
    assert command[command.index("--host") + 1] == host
    # Every user of the machine can read a command line, with the password that an address may hold.
    assert uri not in command
    safe = {"PYTHONSAFEPATH": "1", "UVICORN_APP_DIR": os.devnull, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    assert environment == {**quiet, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri, **safe}
