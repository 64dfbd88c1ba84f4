import math
from dataclasses import replace

import pytest

from study.report.comparison import compare
from study.report.html.page import ReportOrigin, render
from study.report.html.pair_tables import differences_table, pairs_table
from study.report.html.sections import sections
from study.report.json_export import numbers

ORIGIN = ReportOrigin(command="study compare tiny-mlp", ui="", experiment_ids={"tiny-mlp": "7"}, made="today")


def cells(table, title):
    return next(list(own) for name, _, own in table.columns if name == title)


@pytest.fixture
def found(in_looks, make_experiment):
    return compare(
        make_experiment(
            in_looks("adam", 0.9, 5, noise=0.01, validation=0.9),
            in_looks("nadam", 0.9, 5, noise=0.01),
            in_looks("rmsprop", 0.7, 5),
            in_looks("sgd", 0.7, 5),
        )
    )


def test_open_pairs_that_matter_come_first_with_their_price(found):
    table = pairs_table(found)
    assert len(table.headings) == 6
    assert set(table.headings[0].label.split(", ")) == {"adam", "nadam"}
    answers, seeds, times = (cells(table, title) for title in ("answer", "decided at, seeds", "more training time"))
    assert answers[0] == "open"
    (cost,) = (each.seeds for each in found.prices if each.matters)
    high = "over 160" if cost.high is None else cost.high
    assert seeds[0] == f"about {cost.typical} ({cost.low} to {high})"
    assert times[0].startswith(("about", "over"))
    assert not any(seeds[1:])


def test_the_guarantee_is_for_roughly_normal_scores_and_names_the_measured_rates_of_others(found):
    (told,) = (note for note in pairs_table(found).notes if note.startswith("Answers and intervals hold for all "))
    assert "95 % of comparisons of roughly normal scores" in told
    assert "the page “Error rates of the verdict” of the documentation" in told


def test_a_pair_with_a_loser_is_not_decided_and_shows_no_interval_that_says_otherwise(found):
    table = pairs_table(found)
    rows = zip(cells(table, "answer"), cells(table, "95\u00a0% interval"), cells(table, "adjusted p"), strict=True)
    silent = [(interval, p) for answer, interval, p in rows if answer.startswith("not decided: ")]
    assert silent
    assert set(silent) == {("", "")}


def test_the_better_one_comes_first_and_its_difference_is_positive(found):
    table = pairs_table(found)
    for heading, answer, difference in zip(
        table.headings, cells(table, "answer"), cells(table, "difference"), strict=True
    ):
        assert difference.startswith("+")
        if answer.endswith(" is better"):
            assert heading.label.startswith(answer.removesuffix(" is better"))


def test_equality_and_divergence_are_told_in_the_answer(in_looks, make_experiment):
    equal = [in_looks(name, 0.9, 20, noise=0.001) for name in ("adam", "nadam")]
    assert cells(pairs_table(compare(make_experiment(*equal))), "answer") == ["equal within 0.50\u00a0points"]
    runs = tuple(
        replace(run, state="diverged", metrics={"objective": 0.0}) if run.number == 0 else run
        for run in equal[1].confirmations
    )
    one = compare(make_experiment(equal[0], replace(equal[1], confirmations=runs)))
    assert cells(pairs_table(one), "answer") == ["open; one has diverged"]


@pytest.mark.parametrize(("plan", "added"), [("5:0.02 10:0.03", False), ("5:0.05 10:0.025", True)])
def test_the_page_says_if_looks_were_added_after_the_plan(in_looks, make_experiment, plan, added):
    studies = [in_looks(name, 0.9, 10, noise=0.01) for name in ("adam", "nadam")]
    planned = [replace(study, tags={**study.tags, "looks": plan}) for study in studies]
    page = render([compare(make_experiment(*planned))], origin=ORIGIN)
    assert ("the last looks were added after the planned error was spent" in page) == added
    assert ("the looks and the error of each were fixed before the first" in page) != added


def test_without_a_test_there_is_no_table(make_study, make_experiment):
    one = compare(make_experiment(make_study("adam", [0.8, 0.81]), make_study("sgd", [0.8, 0.79])))
    assert pairs_table(one) is None
    assert sections(one, prefix="", link="", command="study compare").tables["pairs"] is None


def test_a_pair_that_decides_nothing_has_no_interval_and_is_not_called_a_tie(in_looks, make_experiment):
    # At the first look nadam is the candidate, and better than sgd. Then adam is, which was never tested against sgd.
    first, second = in_looks("adam", 0.8, 10, noise=0.03, validation=0.95), in_looks("nadam", 0.8, 10, validation=0.94)
    late = [
        replace(run, metrics={**run.metrics, "objective": 0.9 if run.number < 5 else 1.0})
        for run in first.confirmations
    ]
    studies = [replace(first, confirmations=tuple(late)), second, in_looks("sgd", 0.77, 5)]
    found = compare(make_experiment(*studies))
    outcome = found.outcome
    assert outcome.candidate == "adam"
    silent = [pair for pair in outcome.decisions.pairs if outcome.silence(pair)]
    assert [(outcome.labels[pair.first], outcome.labels[pair.second]) for pair in silent] == [("adam", "sgd")]
    table = differences_table(found)
    of = {title: dict(zip(("nadam", "sgd"), cells, strict=True)) for title, _, cells in table.columns}
    assert of["significant difference"] == {"nadam": "no", "sgd": "not decided: sgd cannot be the best"}
    assert of["95\u00a0% interval"]["nadam"]
    assert of["95\u00a0% interval"]["sgd"] == of["adjusted p"]["sgd"] == ""
    (drawn,) = [
        trace for trace in found.figures["differences"].traces if trace["name"] == "sgd" and "error_x" in trace
    ]
    assert drawn["error_x"]["array"] == [0.0]
    headline, *others = found.answer.sentences
    assert "no significant difference from nadam;" in headline
    assert "sgd" not in headline
    assert any(sentence.startswith("Ruled out as the best: sgd") for sentence in others)


def test_pairs_with_diverged_runs_have_a_note_that_p_is_no_plain_t_test(in_looks, make_experiment):
    study = in_looks("adam", 0.9, 5, validation=0.9)
    gone = tuple(replace(run, state="diverged") for run in study.confirmations[:2])
    diverged = replace(study, confirmations=(*gone, *study.confirmations[2:]))
    others = [in_looks("nadam", 0.9, 5), in_looks("sgd", 0.7, 5)]
    (told,) = (
        note for note in differences_table(compare(make_experiment(diverged, *others))).notes if "Pairs" in note
    )
    assert told.startswith("Pairs of adam, here and among all pairs: a diverged run counts as 0.00\u00a0%")
    assert "Pairs with diverged runs" in told
    plain = differences_table(compare(make_experiment(study, *others))).notes
    assert not any("diverged" in note for note in plain)


def test_pairs_without_the_one_that_leads_show_that_they_were_not_tested_and_no_p(in_looks, make_experiment):
    # nadam and sgd differ clearly, but adam leads, and is not shown to be better than nadam.
    found = compare(
        make_experiment(
            in_looks("adam", 0.9, 5, noise=0.06, validation=0.95),
            in_looks("nadam", 0.9, 5, noise=0.001),
            in_looks("sgd", 0.85, 5, noise=0.001),
        )
    )
    table = pairs_table(found)
    of = {heading.label: p for heading, p in zip(table.headings, cells(table, "adjusted p"), strict=True)}
    assert of.pop("nadam, sgd") == "not tested: neither leads"
    assert len(of) == 2
    assert all(float(p) > 0.05 for p in of.values())
    (pair,) = (each for each in found.outcome.decisions.pairs if math.isnan(each.p))
    assert (pair.claim, pair.low > 0) == ("open", True)
    assert any(note.startswith("Adjusted p is of a difference. ") for note in table.notes)
    (told,) = (each for each in numbers([found])["experiments"][0]["pairs"] if each["first"] == "nadam")
    assert (told["second"], told["p"]) == ("sgd", None)
