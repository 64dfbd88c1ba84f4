from dataclasses import replace

import pytest

from study.report.comparison import compare
from study.report.html.pair_tables import pairs_table


def all_diverged(study):
    gone = (replace(run, state="diverged", metrics={"objective": 0.0}) for run in study.confirmations)
    return replace(study, confirmations=tuple(gone))


@pytest.fixture
def behind(make_study, make_experiment):
    """Return the sentence behind a clear winner, of studies that are each given by name and level, None: diverged."""

    def told(levels):
        luck = (0.002, -0.001, 0.0, 0.001, -0.002)
        studies = [make_study("adam", [0.97 + each for each in luck], validation=0.97)]
        for i, (name, level) in enumerate(levels.items()):
            made = make_study(name, [(level or 0.5) + each for each in luck[i:] + luck[:i]], validation=level or 0.5)
            studies.append(made if level else all_diverged(made))
        found = compare(make_experiment(*studies))
        assert found.answer.winner == "adam"
        return next((each for each in found.answer.sentences if each.startswith("Behind it")), "")

    return told


def test_one_whose_runs_all_diverged_has_no_lead_with_an_interval_behind_the_winner(behind):
    assert behind({"sgd": 0.3, "lost": None}) == (
        "Behind it, sgd is not shown to be better than lost, all of whose runs diverged."
    )
    assert behind({"lost": None, "gone": None}) == "Behind it, all runs of gone and lost diverged."


def test_those_that_do_not_differ_are_named_apart_from_those_whose_runs_all_diverged(behind):
    told = behind({"sgd": 0.3, "nadam": 0.3001, "lost": None})
    assert told == (
        "Behind it, nadam and sgd show no significant difference, and nadam is not shown to be better than lost, all "
        "of whose runs diverged."
    )


def test_of_two_that_do_not_differ_the_lead_is_said_and_of_two_that_do_the_better_one(behind):
    told = behind({"sgd": 0.3, "nadam": 0.3001})
    assert told.startswith(
        "Behind it, nadam and sgd show no significant difference: the lead of nadam is 0.01 points ("
    )
    assert behind({"sgd": 0.3, "nadam": 0.2}) == "Behind it, sgd is better than nadam."


def test_without_a_winner_too_there_is_no_lead_over_one_whose_runs_all_diverged(make_study, make_experiment):
    studies = [make_study("adam", [0.5, 0.51, 0.52]), all_diverged(make_study("lost", [0.5] * 3))]
    found = compare(make_experiment(*studies))
    assert found.answer.sentences[0] == (
        "No clear winner among these 2 tuned configurations: adam, the best on validation, is not shown to be better "
        "than lost, all of whose runs diverged."
    )
    answers = next(list(cells) for title, _, cells in pairs_table(found).columns if title == "answer")
    assert answers == ["open; all runs of lost diverged"]
