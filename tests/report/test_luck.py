import numpy as np
import pytest

from study.report.comparison import compare
from study.report.figures.svg import to_svg
from study.report.json_export import numbers
from study.report.luck import next_step_sentence
from study.statistics.luck import where_the_luck_is


@pytest.fixture
def searched_often(make_study, make_experiment):
    """Four study seeds, whose means differ by more than the confirmations of a study."""
    rng = np.random.default_rng(3)
    made = []
    for name, level in (("adam", 0.85), ("sgd", 0.8)):
        for seed in range(4):
            tests = level + 0.02 * rng.standard_normal() + 0.002 * rng.standard_normal(5)
            made.append(make_study(f"{name}-{seed}", list(tests), params={"study_seed": str(seed)}))
    return make_experiment(*made)


def test_the_parts_are_those_of_the_statistics_over_study_seeds_and_repetitions(searched_often):
    found = compare(searched_often)
    assert set(found.luck) == {"adam", "sgd"}
    runs = [(study.seed, run) for study in searched_often.entries[0].studies for run in study.tuned]
    metric = searched_often.metric
    expected = where_the_luck_is(
        [metric.compared_confirmation(run) for _, run in runs],
        study_seeds=[seed for seed, _ in runs],
        repetitions=[run.number for _, run in runs],
    )
    assert found.luck["adam"].luck == expected
    assert [part.source for part in expected.parts] == ["search", "run seed and batch order"]
    assert expected.parts[0].variance > expected.parts[1].variance


def test_the_figure_has_a_point_with_an_interval_for_each_part(searched_often):
    found = compare(searched_often)
    figure = found.figures["luck"]
    assert [trace["name"] for trace in figure.traces] == ["search", "run seed and batch order"] * 2
    assert [trace["showlegend"] for trace in figure.traces] == [True, True, False, False]
    variance = found.luck["adam"].luck.parts[0].variance
    assert figure.traces[0]["x"] == [pytest.approx(100 * np.sqrt(variance))]
    assert to_svg(figure).startswith("<?xml")
    (told,) = numbers([found])["experiments"]
    assert told["luck"]["adam"]["luck"]["n_study_seeds"] == 4


def test_the_next_minutes_go_where_they_lower_the_error_most(searched_often):
    found = compare(searched_often)
    steps = {label: each.step.best for label, each in found.luck.items()}
    said = next_step_sentence(found.luck, searched_often.metric)
    words = {"study seed": "one more study seed", "confirmation": "more confirmations", "trials": "more trials"}
    assert all(words[best] in said for best in steps.values())
    assert next_step_sentence({}, searched_often.metric) == ""


def test_with_a_single_study_seed_there_is_no_luck_to_take_apart(planted):
    found = compare(planted)
    assert found.luck == {}
    assert "luck" not in found.figures
