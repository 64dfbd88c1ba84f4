"""Names of studies from their overrides."""

import pytest

from study.cli.launch.overrides import read_overrides
from study.cli.launch.study_labels import label
from study.core.names import name_fault

RAW = {"optimizer": {"name": "adam"}}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "adam"),
        (["schedule=cosine", "study_seed=3", "budget.n_trials=4", "model=mlp"], "adam-schedule=cosine-study_seed=3"),
        (["objective.margin=0.01", "dataset.task.objective.margin=null", "budget.confirm=fixed"], "adam"),
        (["search.model.dropout.low=0", "search.model.dropout.high=0.5"], "adam-dropout=0..0.5"),
        (["search.model.dropout={low: 0, high: 0.5}"], "adam-dropout=0..0.5"),
        (["search={model: {dropout: {low: 0, high: 0.5}}}", "study_seed=1"], "adam-dropout=0..0.5-study_seed=1"),
        (["search.optimizer.learning_rate.high=1"], "adam-learning_rate=..1"),
        (["search.optimizer.x.low=1", "search.optimizer.x.scale=log", "search.optimizer.x.high=2"], "adam-x=1..2_log"),
        (["search.model.n={low: 1, high: 9, step: 2, integer: true}"], "adam-n=1..9_int_step2"),
        (["search.model.n={low: 1, high: 9, step: null, integer: false, scale: linear}"], "adam-n=1..9"),
        (["search.trainer.batch_size.choices=[32,64]"], "adam-batch_size=[32,64]"),
        (["search.model.f.choices=['a/b',c]"], "adam-f=[a.b,c]"),
        (
            ["search.dataset.task.loss.label_smoothing={low: 0, high: 0.2}"],
            "adam-dataset.task.loss.label_smoothing=0..0.2",
        ),
    ],
)
def test_a_name_tells_what_sets_the_study_apart(words, name):
    assert label(read_overrides(words), RAW) == name
    assert name_fault(name, parts=False) == ""


def test_a_part_of_a_range_that_differs_shows_the_whole_range():
    values = read_overrides(["search.model.x.low=0", "search.model.x.high=0.5", "search.model.y.low=0", "model.z=1"])
    assert label(values, RAW, only={"search.model.x.high"}) == "adam-x=0..0.5"
    assert label(values, RAW, only={"model.z"}) == "adam-z=1"
