import re

import numpy as np
import pytest
from reshaping import reshaped

from study.gallery.experiments.batch_sizes import show

# Steps, examples a step, milliseconds a step, and the noise of a batch's loss.
BATCHES = {"full": (20, 1257, 4.0, 0.0), "mini": (800, 32, 0.2, 0.05), "single": (25140, 1, 0.1, 0.4)}
EVERY = {"full": 1, "mini": 2, "single": 50}


@pytest.fixture
def batches(make_material):
    studies = {f"sgd-batch={batch}-setting=shared": [0.9, 0.91, 0.92] for batch in BATCHES}

    def of(name):
        return name.partition("batch=")[2].partition("-")[0]

    def metrics(name, _run):
        n, size, milliseconds, _ = BATCHES[of(name)]
        return {"n_steps": n, "n_examples": n * size, "seconds_train": n * milliseconds / 1e3}

    def config(name):
        return {"setting": "shared", "batch": of(name), "tracking": {"every_n_steps": EVERY[of(name)]}}

    def history(run, _metric):
        batch = of(run.run_id)
        n, *_, noise = BATCHES[batch]
        steps = np.arange(EVERY[batch], n + 1, EVERY[batch])
        rng = np.random.default_rng(run.number)
        return 0.5 + 1.8 * np.exp(-0.05 * steps) + noise * rng.standard_normal(len(steps))

    return reshaped(make_material(studies), metrics=metrics, config=config, history=history, metric="val_accuracy")


def test_each_axis_has_its_own_first(batches):
    shown = show(batches)
    told = shown.findings[0]
    # All fall alike by step, so the one that needs the fewest examples or seconds for a step is ahead there.
    assert told.startswith("The claim held with the shared rate: seconds of full batch over that of batches of 32 ")
    assert "by examples single examples" in told
    assert "by seconds full batch" not in told
    assert re.fullmatch(
        r"First at a loss of [\d.]+: [a-z0-9 ]+ after the fewest steps \(\d+\).*"
        r"single examples after the fewest examples \([\d.]+\).*",
        shown.headline,
    )
    assert shown.headline.count("(") == 3
    assert [picture.name for picture in shown.pictures] == ["loss-shared"]


def test_noise_is_that_of_the_draw_and_not_of_the_descent(batches):
    shown = show(batches)
    noise = {row[0]: float(row[6]) for row in shown.tables[0].rows}
    assert noise["single examples, shared"] == pytest.approx(0.4 / 0.5, rel=0.15)
    assert noise["batches of 32, shared"] == pytest.approx(0.05 / 0.5, rel=0.15)
    assert noise["full batch, shared"] < 0.02
    assert [row[3] for row in shown.tables[0].rows] == ["4", "0.2", "0.1"]
    for _, _, steps, milliseconds, seconds, *_ in shown.tables[0].rows:
        assert int(steps) * float(milliseconds) / 1e3 == pytest.approx(float(seconds), rel=0.01)
