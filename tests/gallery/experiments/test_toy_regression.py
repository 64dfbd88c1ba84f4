from dataclasses import replace

import numpy as np
import pytest
from reshaping import reshaped

from study.datasets.toy_regression import load
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
    assert shown.findings[0].startswith("The claim held at the published rates, that SGD is the slowest: ")
    assert "SGD needs beyond the others, at least: momentum +" in shown.findings[0].replace("adam", "momentum")
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
