from dataclasses import replace

import numpy as np
import pytest
from reshaping import reshaped

from study.gallery.experiments.numpy_four import show

pytestmark = pytest.mark.slow

RULES = ("sgd", "averaged_momentum", "paper_rmsprop", "paper_adam")
PUBLISHED = dict(zip(RULES, (0.80, 0.85, 0.90, 0.95), strict=True))
CORRECTED = dict(zip(RULES, (0.97, 0.96, 0.95, 0.94), strict=True))
SETTINGS = {
    "published": PUBLISHED,
    "rules": PUBLISHED,
    "dropout": {rule: score - 0.02 for rule, score in CORRECTED.items()},
    "spread": CORRECTED,
    "corrected": CORRECTED,
    "tuned": CORRECTED,
}


def history(run, metric):
    n = np.arange(30)
    # The last batch jumps by 0.5 up and down, the loss of all by 0.05 and the fall.
    return 2 - 0.01 * n + (0.25 if metric == "step_loss" else 0.025) * (-1.0) ** n + 0.0 * run.number


@pytest.fixture
def four(make_material):
    studies = {f"{rule}-setting={setting}": [0.7, 0.71, 0.72] for setting in SETTINGS for rule in RULES}

    def metrics(name, run):
        rule, _, setting = name.partition("-setting=")
        return {"accuracy": SETTINGS[setting][rule] + 0.001 * run.number}

    material = make_material(studies, n_epochs=499)
    return reshaped(material, metrics=metrics, config=lambda _: {}, history=history, metric="val_accuracy")


def test_the_three_rankings_stand_beside_the_published_one(four):
    shown = show(four)
    slips, published, _ = shown.tables
    assert [row[0] for row in published.rows] == ["Adam", "RMSprop", "momentum", "mini-batch"]
    assert published.rows[0][:4] == ("Adam", "1", "98.5", "1")
    assert published.rows[0][5] == "4"  # without slips Adam is the last
    assert [row[0] for row in slips.rows] == [
        "all slips",
        "slips of the rules",
        "slip of dropout",
        "slip of the spread",
        "no slip",
        "no slip, tuned rate",
    ]
    assert shown.findings[0].startswith("The claim held with all slips: train accuracy is Adam 95.10")
    assert (
        "Of the 6 pairs, 6 differ significantly in the published order and 0 in the opposite one" in shown.findings[0]
    )
    assert shown.findings[1].startswith("The claim is contradicted with no slip: ")
    assert "against it: Adam above mini-batch \u22123.00\u00a0points [" in shown.findings[1]


def test_each_slip_is_told_with_what_it_changes(four):
    told = " ".join(show(four).findings)
    assert (
        "Train accuracy with the slip of dropout minus that without (Holm's intervals): mini-batch \u22122.00" in told
    )
    spread = told.partition("Train accuracy with the slip of the spread minus that without")[2]
    assert "mini-batch +0.00" in spread.partition("(not significant)")[0]
    assert "Momentum as a running average comes to 85.10" in told
    assert "it comes to 96.10" in told
    assert "jumps 10.0 times as far" in told


def test_mini_batch_descent_stands_under_both_names_of_its_one_study(four):
    entries = tuple(entry for entry in four.experiment.entries if entry.label != "sgd-setting=corrected")
    shown = show(replace(four, experiment=replace(four.experiment, entries=entries)))
    assert {row[0]: row[1] for row in shown.tables[0].rows}["no slip"].startswith("80.10")  # that of its rules


def test_pictures_are_drawn_for_the_rankings_and_the_plotted_cost(four):
    pictures = show(four).pictures
    assert [picture.name for picture in pictures] == [
        "loss-published",
        "loss-corrected",
        "loss-tuned",
        "plotted-cost",
    ]
    assert all(picture.data.startswith(b"<svg") for picture in pictures)


def test_a_training_of_fewer_passes_leaves_the_claim_open(four):
    configs = {name: {**config, "budget": {"n_epochs": 20}} for name, config in four.configs.items()}
    first, second, *_ = show(replace(four, configs=configs)).findings
    assert first.startswith("Inconclusive with all slips: after 20 of the 499 passes the claim is open; ")
    assert second.startswith("Inconclusive with no slip: ")


def test_intervals_that_overlap_contradict_nothing(four):
    noise = dict(zip(RULES, ([0.0, 0.2, -0.2], [0.1, -0.1, 0.0], [-0.2, 0.2, 0.1], [0.1, 0.0, -0.1]), strict=True))

    def noisy(study, run):
        rule = study.record.name.partition("-")[0]
        score = 0.7 - 0.01 * RULES.index(rule) + noise[rule][run.number]
        return replace(run, metrics={**run.metrics, "accuracy": score})

    entries = []
    for entry in four.experiment.entries:
        (study,) = entry.studies
        entries.append(replace(entry, studies=(replace(study, tuned=tuple(noisy(study, r) for r in study.tuned)),)))
    claim = show(replace(four, experiment=replace(four.experiment, entries=tuple(entries)))).findings[0]
    assert claim.startswith("The claim is not shown with all slips: ")
    assert "0 in the opposite one" in claim
