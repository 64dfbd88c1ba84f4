from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.figures.svg import to_svg


def traces_of(experiment, label="adam"):
    figure = compare(experiment).figures["trials"]
    return figure, [trace for trace in figure.traces if trace["name"] == label]


def test_the_line_is_the_best_so_far(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3, trials=(0.5, 0.4, 0.7, 0.6, 0.9, 0.1))
    figure, (line, *_) = traces_of(make_experiment(study))
    assert (line["x"], line["y"]) == ([0, 2, 4, 5], [0.5, 0.7, 0.9, 0.9])
    assert line["line"]["shape"] == "hv"
    assert ElementTree.fromstring(to_svg(figure)).tag.endswith("svg")


def test_the_best_loss_is_the_smallest(make_study, make_experiment):
    experiment = make_experiment(make_study("adam", [0.8] * 3, trials=(0.5, 0.7, 0.4)))
    metric = replace(experiment.metric, name="val_loss", is_share=False, direction="minimize")
    figure, (line, *_) = traces_of(replace(experiment, metric=metric))
    assert (line["x"], line["y"]) == ([0, 2, 2], [0.5, 0.4, 0.4])
    assert figure.y["range"][0] < 0.4


def test_every_trial_is_drawn_and_tells_its_values(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3, trials=(*np.linspace(0.68, 0.7, 20), 0.1, 0.2))
    diverged = replace(study.trials[3], state="diverged", metrics={"seconds_train": 1.0})
    running = replace(study.trials[4], state=None, status="RUNNING", metrics={})
    trials = (*study.trials[:3], diverged, running, *study.trials[5:])
    figure, (_, *points) = traces_of(make_experiment(replace(study, trials=trials)))
    inside, far, without = points
    assert len(inside["text"]) == 18
    assert len(far["text"]) == 2
    assert far["y"] == without["y"] * 2
    low, high = figure.y["range"]
    assert low < far["y"][0] < 0.68 < 0.7 < high
    assert any(
        text.startswith("<b>adam</b>, trial 20<br>accuracy 10.00\u00a0%<br>learning_rate ") for text in far["text"]
    )
    assert without["text"] == [text for text in without["text"] if "trial 3<br>diverged<br>learning_rate" in text]
    assert all("beta_1" in text and text.endswith("2 s of training") for text in inside["text"])


def test_results_near_one_are_spread_and_none_is_beyond_the_frame(make_study, make_experiment):
    scores = (0.1, 0.5, 0.98, 0.99, 0.995, 0.999)
    figure, (_, points) = traces_of(make_experiment(make_study("adam", [0.8] * 3, trials=scores)))
    assert points["y"] == list(scores)
    assert figure.y["type"] == "logit"
    assert figure.y["range"][0] < 0.1 < 0.999 < figure.y["range"][1]


def test_losses_over_many_decades_are_drawn_in_logarithms(make_study, make_experiment):
    study = make_study("adam", [], trials=(1e-6, 3.0, 2e9, 0.5), params={"objective.metric": "val_loss"})
    diverged = replace(study.trials[3], state="diverged", metrics={})
    figure, (_, points, crosses) = traces_of(make_experiment(replace(study, trials=(*study.trials[:3], diverged))))
    assert figure.y["type"] == "log"
    assert points["y"] == [1e-6, 3.0, 2e9]
    assert 2e9 < crosses["y"][0] < 10 ** figure.y["range"][1]
    assert ElementTree.fromstring(to_svg(figure)).tag.endswith("svg")


@pytest.mark.parametrize("level", [0.0, 0.8])
def test_trials_of_one_result_have_a_frame(make_study, make_experiment, level):
    figure, _ = traces_of(make_experiment(make_study("adam", [0.8] * 3, trials=(level,) * 4)))
    low, high = figure.y["range"]
    assert low < level < high


def test_optimizers_stand_side_by_side_and_each_has_one_name_in_the_legend(make_study, make_experiment):
    studies = [
        make_study(f"{name}-{seed}", [0.8] * 3, params={"study_seed": str(seed)})
        for name in ("adam", "sgd")
        for seed in range(2)
    ]
    figure, _ = traces_of(make_experiment(*studies))
    assert [trace["name"] for trace in figure.traces if trace["showlegend"]] == ["adam", "sgd"]
    first = {trace["name"]: trace["x"][0] for trace in figure.traces if "text" in trace}
    assert first == {"adam": -0.125, "sgd": 0.125}
    assert any("trial 0 of adam-1" in text for trace in figure.traces for text in trace.get("text", []))


def test_without_a_result_there_is_no_figure(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3)
    trials = tuple(replace(run, state="failed", metrics={}) for run in study.trials)
    assert "trials" not in compare(make_experiment(replace(study, trials=trials))).figures
