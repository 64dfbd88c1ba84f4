from dataclasses import replace

import numpy as np
import pytest
from reshaping import reshaped

from study.datasets.linear_regression import load
from study.gallery.analysis.verdicts import ClaimVerdict, verdicts_in
from study.gallery.experiments.linear_regression import show

DATASET = {
    "name": "linear_regression",
    "_target_": "study.datasets.linear_regression.load",
    "slope": 2.0,
    "intercept": -1.0,
    "n_train": 1000,
    "noise": 0.0,
    "split_seed": 0,
    "task": {},
}
SPREAD = float(np.std(load(split_seed=0).validation.x))


@pytest.fixture
def line(make_material):
    studies = {
        f"{name}-setting={setting}": [0.1] * 3 for setting in ("published", "tuned") for name in ("sgd", "adam")
    }

    def metrics(name, run):
        slope = 1.5 if name == "sgd-setting=published" else 2.0
        return {"test_loss": 0.01, "val_output_spread": slope * SPREAD, "val_output_mean": -1.0 + 0.0 * run.number}

    def history(run, _metric):
        return 5.0 * np.exp(-(0.02 if run.run_id.startswith("adam") else 0.01) * np.arange(320)) + 0.01

    return reshaped(
        make_material(studies),
        metrics=metrics,
        config=lambda _: {"dataset": DATASET},
        history=history,
        metric="val_loss",
    )


def test_lines_are_told_from_where_the_outputs_lie(line):
    shown = show(line)
    rows = {row[:2]: row[2:] for row in shown.tables[1].rows}
    assert rows["least squares", ""] == ("2.0000", "-1.0000")
    assert rows["sgd", "published"] == ("1.5000 ± 0.0000", "-1.0000 ± 0.0000")
    assert rows["adam", "tuned"][0] == "2.0000 ± 0.0000"
    assert shown.findings[0].startswith(
        "The claim held for the first half of the steps: 99 [99 to 100] %. The claim held for the last half of the "
        "steps: 100 [99 to 100] %. These are the shares of 320 steps at the published rates"
    )
    assert shown.headline == (
        "Of 320 steps, Adam's loss is the lower one in 99 % of the first half and in 100 % of the last half."
    )
    assert "sgd 0.5 (published)" in shown.findings[-1]
    assert [picture.name for picture in shown.pictures] == [
        "loss-published",
        "loss-tuned",
        "line-published",
        "line-tuned",
    ]


def test_each_half_of_the_steps_has_a_verdict_of_its_own(line):
    def history(run, _metric):
        ahead = np.arange(320) >= 160
        luck = np.random.default_rng(run.number).random(320) < 0.5  # at the end it is ahead in about a half
        adam = np.where(ahead, np.where(luck, 0.9, 1.1), 1.1)
        return adam if run.run_id.startswith("adam") else np.ones(320)

    found = show(replace(line, history=history)).findings[0]
    assert verdicts_in(found) == (ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_SHOWN)


@pytest.mark.parametrize(("n_seeds", "told"), [(1, "2.0000"), (3, "2.0000 ± 0.1000")])
def test_the_deviation_over_seeds_is_that_of_a_sample(make_material, n_seeds, told):
    slopes = {0: 2.0, 1: 1.9, 2: 2.1}

    def metrics(_name, run):
        return {"test_loss": 0.01, "val_output_spread": slopes[run.number] * SPREAD, "val_output_mean": -1.0}

    studies = {f"{name}-setting=published": [0.1] * n_seeds for name in ("sgd", "adam")}
    made = reshaped(
        make_material(studies),
        metrics=metrics,
        config=lambda _: {"dataset": DATASET},
        history=lambda _run, _metric: np.linspace(1.0, 0.1, 320),
        metric="val_loss",
    )
    rows = {row[:2]: row[2:] for row in show(made).tables[1].rows}
    assert rows["sgd", "published"][0] == told
