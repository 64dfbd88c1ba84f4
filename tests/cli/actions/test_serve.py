import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from study.cli import main
from study.cli.actions import serve
from study.cli.actions.live_page import MadePage
from study.cli.actions.page_server import PageServer
from study.cli.actions.serve import stamp_of
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset, Split
from study.tracking.study_tracker import open_study

MADE = MadePage(html='<html data-version="">', kind="running", text="The study runs")
COMMAND = [sys.executable, "-c", "import sys; from study.cli import command_line; sys.exit(command_line())"]


def opened(compose_quick, folder, name):
    split = Split(x=np.zeros((2000, 3), np.float32), y=np.zeros(2000, np.int64))
    dataset = Dataset(name="digits", source="made up", train=split, validation=split, test=split, n_outputs=2)
    config = compose_quick(f"optimizer={name}", folder=folder)
    return open_study(config, study_name=name, dataset=dataset, environment={"keras": "3.15.1"})


def record_trial(tracker, number, score):
    trial = Trial(number=number, hyperparameters={"learning_rate": 0.01}, run_seed=number, order_seed=number)
    tracker.start("trial", trial)
    metrics = {"loss": 1.0, "accuracy": score, "val_accuracy": score, "val_loss": 1.0}
    tracker.epoch("trial", trial, EpochReport(epoch=0, step=10, metrics=metrics))
    summary = {"seconds_train": 1.0, "n_steps": 10.0}
    tracker.end("trial", TrialResult(trial=trial, state="complete", history={}, summary=summary), objective=score)


def get(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def wait_for(condition, *, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)
    return found


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "mlruns").glob("*.*")}


@pytest.mark.slow
def test_the_page_waits_follows_and_ends_and_the_stores_stay_as_they_are(folder, compose_quick):
    with ExitStack() as study:
        tracker = study.enter_context(opened(compose_quick, folder, "adam"))
        command = [*COMMAND, "compare", "digits-mlp", "--serve", "--port=0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            printed = [server.stdout.readline().decode() for _ in range(4)]
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", printed[2])
            assert printed[0] == "digits-mlp: The study runs, 0 trials and 0 confirmations so far.\n"
            assert "No trial has begun" in get(address)
            record_trial(tracker, 0, 0.5)
            wait_for(lambda: "The study runs, 1 trial and" in json.loads(get(f"{address}version"))["text"])
            assert "50.00\u00a0%" in get(address)
            record_trial(tracker, 1, 0.75)
            wait_for(lambda: "75.00\u00a0%" in get(address))
            tracker.summarize(best=1)
            study.close()
            wait_for(lambda: json.loads(get(f"{address}version"))["kind"] == "ended")
            before = digests(folder)
            assert json.loads(get(f"{address}version"))["version"] in get(address)
            assert digests(folder) == before
            assert {path.name for path in folder.iterdir()} == {"mlruns"}
            client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
            client.delete_experiment(client.get_experiment_by_name("digits-mlp").experiment_id)
            told = wait_for(lambda: json.loads(get(f"{address}version"))["fault"])
            assert told.startswith("EXPERIMENT=digits-mlp: its studies are no longer in the store")
            assert json.loads(get(f"{address}version"))["text"].startswith("The study has ended, with 2 trials")
            assert "75.00\u00a0%" in get(address)
            os.kill(server.pid, signal.SIGINT)
            assert server.wait(20) == 0
            assert server.stdout.read() == b""  # of a study it would say that it writes finished results
        finally:
            server.kill()
            server.stdout.close()
            server.wait(20)


def test_a_change_of_the_file_changes_the_stamp(tmp_path):
    path = tmp_path / "mlflow.db"
    stamp = stamp_of(f"sqlite:///{path}")
    missing = stamp()
    path.write_text("a")
    one = stamp()
    assert stamp() == one != missing
    path.with_name("mlflow.db-wal").write_text("b")
    assert stamp() != one


def test_a_server_is_read_at_most_every_ten_seconds(monkeypatch):
    now = [5.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stamp = stamp_of("http://127.0.0.1:5000")
    first = stamp()
    now[0] = 9.9
    assert stamp() == first
    now[0] = 10.1
    assert stamp() != first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "5001"], "--port: expected together with --serve"),
        (["--no-browser"], "--no-browser: expected together with --serve"),
        (["--optuna-url", "postgresql://db/optuna"], "--optuna-url: expected together with --serve"),
        (["--serve", "--json"], "--json: expected without --serve"),
        (["--serve", "--output", "a.html"], "--output: expected without --serve"),
        (["--serve", "--figures", "a"], "--figures: expected without --serve"),
        (["--serve", "--port", "-1"], "expected a number from 0 to 65535"),
        (["--serve", "--port", "70000"], "'70000': expected a number from 0 to 65535"),
    ],
)
def test_options_that_do_not_fit_are_refused(capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        main(["compare", "digits-mlp", *arguments])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("of_search", "is_known"), [([], False), (["--optuna-url", "sqlite:///searches.db"], True)])
def test_a_search_elsewhere_is_read_only_where_it_is_named(folder, monkeypatch, capsys, of_search, is_known):
    monkeypatch.setattr(serve, "check_experiments", lambda *_: None)
    made = []
    monkeypatch.setattr(serve, "_make", lambda *_, searches, **__: made.append(searches) or MADE)
    monkeypatch.setattr(PageServer, "serve_forever", lambda *_, **__: None)
    store = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    words = ["compare", "e", "--serve", "--port=0", "--no-browser", "--tracking-uri", store, *of_search]
    assert main(words) == 0
    assert len(made[0]) == is_known
    assert ("unless --optuna-url is given" in capsys.readouterr().out) != is_known


def test_an_unknown_experiment_is_refused_before_anything_listens(folder, capsys):
    assert main(["compare", "digits", "--serve", "--port", "0"]) == 2
    assert "EXPERIMENT=digits: expected one of (none yet). See study list." in capsys.readouterr().err
    assert [path.name for path in Path(folder).iterdir()] == ["mlruns"]
