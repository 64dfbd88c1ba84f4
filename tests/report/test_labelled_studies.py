from dataclasses import replace

import pytest

from study.report.comparison import compare
from study.report.labelled_studies import studies_of_label

TESTS = (0.80, 0.81, 0.82, 0.80)


@pytest.fixture
def studies(make_study):
    """A study of sgd, two of adam that differ in a number, and two of nadam that differ in their seeds alone."""
    named = {"sgd": "sgd", "adam-weight_decay=0.01": "adam", "adam-weight_decay=0.02": "adam"}
    named |= {"nadam-study_seed=0": "nadam", "nadam-study_seed=1": "nadam"}
    made = []
    for name, optimizer in named.items():
        seed = name[-1] if "study_seed" in name else "0"
        params = {"optimizer": optimizer, "study_seed": seed}
        params |= {"optimizer.weight_decay": name[-4:]} if optimizer == "adam" else {}
        made.append(replace(make_study(name, TESTS, params=params), optimizer=optimizer))
    return made


def test_every_label_that_a_comparison_prints_means_the_studies_of_its_entry(studies, make_experiment):
    comparison = compare(make_experiment(*studies))
    printed = {entry.label: entry for entry in comparison.experiment.entries}
    assert "adam (weight_decay 0.01)" in printed
    for label, entry in printed.items():
        found = studies_of_label(label, studies)
        assert [study.name for study in found] == [study.record.name for study in entry.studies]
    assert [study.name for study in studies_of_label("nadam", studies)] == ["nadam-study_seed=0", "nadam-study_seed=1"]


def test_a_label_with_blanks_that_do_not_break_is_the_same_and_an_unknown_one_means_nothing(studies):
    (found,) = studies_of_label("adam (weight_decay\u00a00.02)", studies)
    assert found.name == "adam-weight_decay=0.02"
    for label in ("adam (weight_decay 0.03)", "adam", ""):
        assert studies_of_label(label, studies) == []


def test_a_label_means_nothing_where_a_seed_was_changed_in_the_store(studies):
    changed = replace(studies[0], params={**studies[0].params, "study_seed": "one"})
    assert studies_of_label("adam (weight_decay 0.01)", [changed, *studies[1:]]) == []
