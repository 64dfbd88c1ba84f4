import re
from dataclasses import replace

import numpy as np
import pytest
from reshaping import reshaped

from study.datasets.toy_regression import load
from study.gallery.analysis.verdicts import ClaimVerdict, verdicts_in
from study.gallery.experiments.toy_regression import show

DATASET = {
    "name": "toy_regression",
    "_target_": "study.datasets.toy_regression.load",
    "n_train": 1000,
    "noise": 0.1,
    "split_seed": 0,
    "task": {},
}
ZERO = float(np.mean(np.square(load(split_seed=0).test.y.astype(np.float64))))
LOSSES = {"sgd": 0.08, "momentum": 0.02, "rmsprop": 0.013, "adam": 0.012}


@pytest.fixture
def toy(make_material):
    settings = ("published", "relu_output", "tuned")
    studies = {f"{name}-setting={setting}": [0.1] * 4 for setting in settings for name in LOSSES}

    def metrics(name, run):
        dead = "relu_output" in name and run.number < 2
        return {"test_loss": ZERO if dead else LOSSES[name.partition("-")[0]] + 0.0001 * run.number}

    def history(run, _metric):
        rates = {"sgd": 0.001, "momentum": 0.05, "rmsprop": 0.1, "adam": 0.2}
        return 0.01 + 0.3 * np.exp(-rates[run.run_id.partition("-")[0]] * np.arange(160))

    return reshaped(
        make_material(studies),
        metrics=metrics,
        config=lambda _: {"dataset": DATASET},
        history=history,
        metric="val_loss",
    )


def test_who_is_near_the_noise_first_and_how_many_nets_died(toy):
    shown = show(toy)
    claim = shown.findings[0]
    assert claim.startswith("The claim held at the published rates, that SGD is the slowest: ")
    assert "SGD's steps minus the other's, at least, since 4 of its 4 nets did not arrive: " in claim
    assert "sgd not at all" in shown.findings[0]
    # Of sgd, the far ones are those that did not die.
    assert shown.findings[1] == (
        "At the published rates, with a ReLU at the output 8 of 16 nets are dead at the end, and 2 more are far from "
        "the noise; with a linear output 0 of 16 nets are dead at the end, and 4 more are far from the noise. Far is "
        "a test loss above 4 times the noise's variance, or divergence."
    )
    deaths = {row[0]: row for row in shown.tables[1].rows}
    assert deaths["adam"][2:4] == ("0 of 4", "0 of 4")
    assert deaths["adam"][5:] == ("2 of 4", "2 of 4")
    assert [picture.name for picture in shown.pictures] == ["loss-published", "loss-relu_output", "loss-tuned"]
    assert "published rates, ReLU at the output" in shown.pictures[1].caption


def test_far_ahead_is_judged_for_each_optimizer_and_is_open_where_sgd_does_not_arrive(toy):
    rates = {"sgd": 0.02, "momentum": 0.03, "rmsprop": 0.1, "adam": 0.2}

    def falling(factor):
        return lambda run, _metric: (
            0.01
            + 0.3 * np.exp(-factor * rates[run.run_id.partition("-")[0]] * np.arange(160) * (1 + 0.01 * run.number))
        )

    arrived = show(replace(toy, history=falling(2.0))).findings[0]
    assert verdicts_in(arrived) == (ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED)
    assert re.search(
        r"The claim held for (rmsprop and adam|adam and rmsprop), that SGD needs more than twice", arrived
    )
    assert "The claim is contradicted for momentum, that SGD needs more than twice as many steps." in arrived
    late = show(replace(toy, history=falling(1.0))).findings[0]
    assert verdicts_in(late) == (ClaimVerdict.HELD, ClaimVerdict.NOT_SHOWN)
    assert "The claim is not shown for momentum, that SGD needs more than twice as many steps." in late


def test_a_net_that_diverged_is_far_from_the_noise(toy):
    def diverged(entry):
        if not entry.label.startswith("adam"):
            return entry
        (study,) = entry.studies
        runs = tuple(replace(run, state="diverged", metrics={"objective": np.inf}) for run in study.tuned)
        return replace(entry, studies=(replace(study, tuned=runs),))

    entries = tuple(diverged(entry) for entry in toy.experiment.entries)
    found = show(replace(toy, experiment=replace(toy.experiment, entries=entries)))
    deaths = {row[0]: row for row in found.tables[1].rows}
    assert deaths["adam"][2:4] == ("0 of 4", "4 of 4")
