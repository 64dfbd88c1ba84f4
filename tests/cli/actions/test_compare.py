import json
from pathlib import Path

import numpy as np
import pytest

from study.cli import main
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset, Split
from study.report import comparison
from study.report.figures.results import scores_figure
from study.tracking import connection
from study.tracking.read_studies import read_studies
from study.tracking.study_tracker import open_study

pytestmark = pytest.mark.slow

TESTS = {"adam": 0.9, "sgd": 0.7}


@pytest.fixture
def experiment(folder, compose_quick):
    """Two studies in a real store, with invented results."""
    split = Split(x=np.zeros((2000, 3), np.float32), y=np.zeros(2000, np.int64))
    dataset = Dataset(name="digits", source="made up", train=split, validation=split, test=split, n_outputs=2)
    for name, level in TESTS.items():
        config = compose_quick(f"optimizer={name}", folder=folder)
        with open_study(config, study_name=name, dataset=dataset, environment={"keras": "3.15.1"}) as tracker:
            for number, score in enumerate((0.5, level)):
                _record(tracker, "trial", number, score)
            for number in range(4):
                _record(tracker, "best", number, level + 0.001 * number, rate_of=1)
            tracker.summarize(best=1)
    return "digits-mlp"


def _record(tracker, kind, number, score, *, rate_of=None):
    rate = 0.01 * (1 + (number if rate_of is None else rate_of))
    trial = Trial(number=number, hyperparameters={"learning_rate": rate}, run_seed=number, order_seed=number)
    tracker.start(kind, trial)
    metrics = {"loss": 1.0, "accuracy": score, "val_accuracy": score, "val_loss": 1.0}
    tracker.epoch(kind, trial, EpochReport(epoch=0, step=10, metrics=metrics))
    summary = {"seconds_train": 1.0, "n_steps": 10.0} | ({} if kind == "trial" else {"test_accuracy": score - 0.01})
    result = TrialResult(trial=trial, state="complete", history={"val_accuracy": [score]}, summary=summary)
    tracker.end(kind, result, objective=score)


def test_the_page_its_numbers_and_figures_are_written_and_kept_in_mlflow(folder, experiment, capsys):
    from mlflow.tracking import MlflowClient

    arguments = ["compare", experiment, "--json", "--figures", "pictures", "--output", "page.html"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    (first,) = found["experiments"]
    assert first["answer"]["winner"] == "adam"
    assert first["summary"][0]["tuned"]["estimate"] == pytest.approx(0.9 - 0.01 + 0.0015)
    assert "study compare digits-mlp" in Path("page.html").read_text()
    assert {path.suffix for path in Path("pictures").iterdir()} == {".svg"}
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    client = MlflowClient(uri, registry_uri=uri)
    (run_id,) = found["comparison_runs"]
    run = client.get_run(run_id)
    assert (run.data.tags["role"], run.data.tags["winner"], run.info.status) == ("comparison", "adam", "FINISHED")
    kept = {each.path for each in client.list_artifacts(run_id)}
    assert kept == {"comparison.html", "comparison.json", "figures"}
    assert all(study.tags["comparison_run_id"] == run_id for study in read_studies(uri, experiment))
    assert main([*arguments[:2], "--no-log"]) == 0
    printed = capsys.readouterr().out
    assert "adam is the best of these 2 tuned configurations" in printed
    assert "not about the optimizers: it depends on the luck of the search" in printed  # what limits the claim, too
    assert Path("digits-mlp.html").exists()
    assert len(client.search_runs(["1"], "tags.role = 'comparison'")) == 1


def test_a_comparison_inspects_its_database_once(folder, experiment, monkeypatch):
    inspected = []
    inspect = connection._check_database
    monkeypatch.setattr(connection, "_check_database", lambda uri, **k: inspected.append(uri) or inspect(uri, **k))
    assert main(["compare", experiment]) == 0
    assert inspected == [f"sqlite:///{folder}/mlruns/mlflow.db"]


def test_a_figure_is_drawn_once_for_the_page_and_the_files(experiment, monkeypatch):
    drawn = []

    def draw(*arguments):
        drawn.append(arguments)
        return scores_figure(*arguments)

    monkeypatch.setattr(comparison, "scores_figure", draw)
    assert main(["compare", experiment, "--figures", "pictures"]) == 0
    assert len(drawn) == 1
    assert Path("pictures", "results.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digits-mpl"], "EXPERIMENT=digits-mpl: expected one of digits-mlp. Did you mean digits-mlp?"),
        (
            ["digits-mlp", "--output", "no/such/page.html"],
            "--output=no/such/page.html: expected a file in an existing folder",
        ),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(folder, experiment, capsys, arguments, told):
    assert main(["compare", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not list(folder.glob("*.html"))
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    assert all("comparison_run_id" not in study.tags for study in read_studies(uri, experiment))


def test_without_a_store_the_folder_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "anything"]) == 2
    assert "expected a folder with mlruns/mlflow.db" in capsys.readouterr().err
