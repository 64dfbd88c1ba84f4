import re
from dataclasses import replace

import pytest

from study.cli.actions.overview import in_choice_order
from study.report.choice_order import choice_key, order_rule
from study.report.comparison import compare
from study.report.html.page import ReportOrigin, render
from study.report.html.sections import sections

# By validation; the test results have another order, and so have the names.
ORDER = ["sgd", "adam", "nesterov", "adagrad"]
VALIDATION = dict(zip(ORDER, (0.9, 0.89, 0.88, 0.87), strict=True))
TESTS = {"sgd": 0.8, "adam": 0.83, "nesterov": 0.81, "adagrad": 0.82}


def names_in(texts):
    return [text for text in texts if text in ORDER]


@pytest.fixture
def found(make_study, make_experiment):
    rising = tuple(0.3 + 0.02 * number for number in range(24))
    studies = [
        make_study(
            name,
            [TESTS[name] + 0.001 * (seed % 3) for seed in range(5)],
            validation=VALIDATION[name],
            trials=rising,
        )
        for name in sorted(ORDER)
    ]
    shares = {name: {"learning_rate": 0.8, "beta_1": 0.2} for name in ORDER}
    return compare(replace(make_experiment(*studies), importances=shares))


def test_confirmed_studies_come_before_searched_ones_and_those_without_a_result_last():
    of = {
        "confirmed": (0.5, 0.6),
        "better": (0.7, 0.1),
        "searched": (None, 0.99),
        "nothing": (None, None),
        "also_nothing": (None, float("nan")),
        "as_good": (0.7, None),
    }

    def order(sign):
        return sorted(of, key=lambda name: choice_key(name, confirmed=of[name][0], searched=of[name][1], sign=sign))

    assert order(1.0) == ["as_good", "better", "confirmed", "searched", "also_nothing", "nothing"]
    assert order(-1.0) == ["confirmed", "as_good", "better", "searched", "also_nothing", "nothing"]


def test_equal_results_in_other_last_digits_are_a_tie_and_the_first_name_comes_first():
    validation = {"b": sum([0.68, 0.96, 0.76, 0.64, 0.67]) / 5, "a": sum([0.68, 0.96, 0.64, 0.76, 0.67]) / 5}
    assert validation["b"] != validation["a"]
    for sign in (1.0, -1.0):
        assert sorted(
            validation, key=lambda name: choice_key(name, confirmed=validation[name], searched=None, sign=sign)
        ) == ["a", "b"]
        assert sorted(
            validation, key=lambda name: choice_key(name, confirmed=None, searched=validation[name], sign=sign)
        ) == ["a", "b"]


def test_list_page_and_candidate_break_a_tie_alike(make_study, make_experiment):
    """The same validation scores in another order have means that differ in the last digit."""
    scores = {"b": [0.68, 0.96, 0.76, 0.64, 0.67], "a": [0.68, 0.96, 0.64, 0.76, 0.67]}
    studies = []
    for name, values in scores.items():
        made = make_study(name, [0.8, 0.81, 0.82, 0.8, 0.81])
        runs = tuple(
            replace(run, metrics=run.metrics | {"objective": value})
            for run, value in zip(made.confirmations, values, strict=True)
        )
        studies.append(replace(made, confirmations=runs))
    experiment = make_experiment(*studies)
    found = compare(experiment)
    means = [row.validation for row in found.rows]
    assert len(set(means)) == 1
    assert [row.label for row in found.rows] == ["a", "b"]
    assert found.outcome.candidate == "a"
    assert [study.name for study in in_choice_order(experiment.records)] == ["a", "b"]


def test_a_diverged_confirmation_counts_in_the_order_and_an_infinite_loss_comes_last(make_study, make_experiment):
    def order(**metric):
        studies = [make_study(name, [0.8] * 5, validation=value) for name, value in VALIDATION.items()]
        first, *others = studies[0].confirmations
        studies[0] = replace(studies[0], confirmations=(replace(first, state="diverged"), *others))
        experiment = make_experiment(*studies)
        return [row.label for row in compare(replace(experiment, metric=replace(experiment.metric, **metric))).rows]

    assert order() == [*ORDER[1:], ORDER[0]]
    assert order(is_share=False, direction="minimize") == [*ORDER[:0:-1], ORDER[0]]


def test_every_table_and_figure_has_the_order_of_the_choice(found):
    own = sections(found, prefix="", link="{}", command="")
    for name, table in own.tables.items():
        if table is not None and name not in ("pairs", "searched_values"):
            wanted = ORDER if name != "differences" else ORDER[1:]
            assert [heading.label for heading in table.headings] == wanted, name
    assert list(own.parallel.values()) == ORDER
    drawn = 0
    for name, figure in found.figures.items():
        labels = list(dict.fromkeys(names_in(str(trace["name"]) for trace in figure.traces)))
        if len(labels) > 1:
            drawn += 1
            assert labels in (ORDER, ORDER[1:], ORDER[:0:-1]), name
        if name in ("results", "differences"):
            assert list(figure.y["ticktext"]) == (ORDER if name == "results" else ORDER[1:])
    assert drawn >= 6
    pairs = [heading.label.split(", ") for heading in own.tables["pairs"].headings]
    places = [sorted(ORDER.index(name) for name in pair) for pair in pairs]
    claims = own.tables["pairs"].columns[0][2]
    decided = [place for place, claim in zip(places, claims, strict=True) if claim != "open"]
    assert decided == sorted(decided)


def test_the_candidate_is_the_first_and_the_rule_stands_above_the_contents(found):
    assert found.outcome.candidate == found.rows[0].label == "sgd"
    origin = ReportOrigin(command="study compare", ui="http://x", experiment_ids={}, made="today")
    page = render([found], origin=origin)
    assert re.search(
        rf"{re.escape(order_rule(found.experiment.metric))}</p>.*<nav", page.replace("&#39;", "'"), re.DOTALL
    )
    summary = sections(found, prefix="", link="{}", command="").tables["summary"]
    title, _, cells = summary.columns[0]
    assert title == "validation accuracy"
    assert cells == [f"{100 * VALIDATION[name]:.2f}\u00a0%" for name in ORDER]
