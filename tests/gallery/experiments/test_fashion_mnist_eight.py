import re
from dataclasses import replace

import pytest

from study.gallery.experiments.fashion_mnist_eight import show


def test_both_rankings_stand_side_by_side_and_the_claim_is_judged(eight):
    shown = show(eight)
    (table,) = shown.tables
    assert table.rows[0][0] == "sgd"  # in the order of the tuned ranking
    by_name = {row[0]: row for row in table.rows}
    assert (by_name["sgd"][1], by_name["sgd"][4]) == ("7", "1")
    assert (by_name["adam"][1], by_name["adam"][4]) == ("1", "7")
    claim, changed, *_ = shown.findings
    assert re.match(r"The claim is contradicted: once each optimizer is tuned, \d+ of 28 pairs have", claim), claim
    told = "Tuning each optimizer significantly reverses 18 of 28 pairs. The best mean goes from adam to sgd."
    assert shown.headline == told
    assert "adam minus sgd +1" in claim
    assert "the best under shared is adam" in changed
    assert "under tuned it is sgd" in changed
    assert any(sentence.startswith("Significant differences under both") for sentence in shown.findings)
    last = shown.findings[-1]
    assert last.startswith("By their means, at the shared rate sgd (70.")
    assert "adagrad (66." in last
    assert "tuned, they are in places 1 and 8 (+1" in last
    assert [picture.name for picture in shown.pictures] == ["loss-shared", "loss-tuned", "validation", "rankings"]
    assert all(picture.data.startswith(b"<svg") for picture in shown.pictures)


def test_a_claim_that_holds_is_said(make_material):
    scores = {"sgd": 0.80, "adagrad": 0.70, "adam": 0.85, "nadam": 0.84}
    studies = {
        f"{name}-setting={setting}": [score, score + 0.001, score - 0.001, score + 0.0005]
        for name, score in scores.items()
        for setting in ("shared", "tuned")
    }
    assert show(make_material(studies)).findings[0].startswith("The claim held: the ranking is the same")


def test_the_headline_says_how_much_turned_and_who_lost_by_it(make_material):
    scores = {"sgd": (0.70, 0.71), "adagrad": (0.80, 0.86), "adam": (0.85, 0.84), "nadam": (0.9, 0.91)}
    studies = {
        f"{name}-setting={setting}": [score, score + 0.001, score - 0.001, score + 0.0005]
        for name, both in scores.items()
        for setting, score in zip(("shared", "tuned"), both, strict=True)
    }
    assert show(make_material(studies)).headline.replace("\xa0", " ") == (
        "Tuning each optimizer significantly reverses 1 of 6 pairs (adam against adagrad); adam itself lost "
        "1.00 points by tuning. Nadam has the best mean under both."
    )


def test_a_run_that_diverged_does_not_end_the_page(eight):
    study = eight.experiment.entries[0].studies[0]
    broken = tuple(replace(run, state="diverged") for run in study.tuned)
    entry = replace(eight.experiment.entries[0], studies=(replace(study, tuned=broken),))
    experiment = replace(eight.experiment, entries=(entry, *eight.experiment.entries[1:]))
    table = show(replace(eight, experiment=experiment)).tables[0]
    assert any("0.00" in cell for row in table.rows for cell in row)


def test_a_part_of_the_experiment_is_not_shown_as_the_whole(eight):
    only = tuple(entry for entry in eight.experiment.entries if entry.label.endswith("tuned"))
    with pytest.raises(KeyError, match="shared"):
        show(replace(eight, experiment=replace(eight.experiment, entries=only)))
