import math
import shutil
import sys

import pytest

from study.cli.actions.overview import show_studies
from study.config import parse_objective
from study.config.metric_facts import MetricFacts
from study.core.errors import StudyError
from study.report.objective_metric import metric_of
from study.run import run_study
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

SIX = ("dataset=toy_regression", "optimizer=sgd", "budget.n_trials=6", "budget.n_confirmations=1")
OWN = """
import keras


class Distance(keras.metrics.MeanSquaredError):
    \"\"\"An error, by a name that says nothing.\"\"\"
"""


@pytest.fixture
def ready(tmp_path, empty_store, compose, monkeypatch):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    (tmp_path / "own_distance.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda *words: compose(*SIX, *words)
    sys.modules.pop("own_distance", None)


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        ("[msle]", "msle"),
        ("[{_target_:own_distance.Distance,name:closeness}]", "closeness"),
        ("[{_target_:keras.metrics.MeanSquaredError,name:my_accuracy}]", "my_accuracy"),
        ("[{_target_:keras.losses.Huber,name:huber}]", "huber"),
    ],
)
def test_the_best_of_six_trials_has_the_smallest_error(ready, metrics, name, capsys):
    config = ready(f"dataset.task.metrics={metrics}", f"objective.metric=val_{name}")
    best = run_study(config).best
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    complete = {run.number: run.metrics["objective"] for run in record.trials if run.state == "complete"}
    assert len(complete) >= 2
    assert (best.number, best.objective) == min(complete.items(), key=lambda pair: pair[1])
    metric = metric_of(record.params, record.tags)
    assert (metric.direction, metric.is_share, metric.bounds) == ("minimize", False, (-math.inf, math.inf))
    assert metric.worst == math.inf
    show_studies({(config.stores.tracking_uri, config.experiment_name)})
    assert f"{best.objective:.4f}" in capsys.readouterr().out


def test_a_study_that_began_with_the_other_direction_is_not_continued(ready, monkeypatch, capfd):
    words = ("dataset.task.metrics=[msle]", "objective.metric=val_msle", "budget.n_confirmations=0")
    with monkeypatch.context() as earlier:
        earlier.setattr(parse_objective, "_facts", lambda *_: MetricFacts(direction="maximize"))
        began = run_study(ready(*words))
    capfd.readouterr()
    run_study(ready(*words))
    told = capfd.readouterr().err
    assert "settings as typed act in another way now" in told
    assert "6 trials, 6 of them already done" not in told
    with pytest.raises(StudyError, match="this name belongs to another study"):
        run_study(ready(*words, f"study_name='{began.name}'"))
