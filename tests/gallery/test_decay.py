from __future__ import annotations

import numpy as np
import pytest

from study.gallery.decay import show

LUCK = np.array([0.0, 0.01, -0.01, 0.004])
NOISE = 0.001 * np.array([1.0, -1.0, 0.5, -0.5])


@pytest.fixture
def shown(make_grid):
    """Show two optimizers; sgd gains by a cosine, loses by a step, and adam is as it was."""

    def make(metric="accuracy"):
        means = {("constant", "sgd"): 0.9, ("cosine", "sgd"): 0.95, ("step", "sgd"): 0.85}
        means |= {("constant", "adam"): 0.92, ("cosine", "adam"): 0.9201}
        studies = [
            {
                "config": {"schedule": {"name": schedule}, "optimizer": {"name": optimizer}},
                "scores": list(mean + LUCK + (schedule != "constant") * NOISE),
            }
            for (schedule, optimizer), mean in means.items()
        ]
        return show(make_grid(studies, metric=metric))

    return make


def test_gains_over_a_constant_rate_are_told_per_optimizer(shown):
    sgd, adam, verdict = shown().findings
    assert "sgd: cosine is first" in sgd
    assert "told better than constant: cosine; told worse: step." in sgd
    assert "told better than constant: none; told worse: none." in adam
    assert "1 of 3 schedules are told better than a constant rate and 1 worse" in verdict
    assert "holds in part. sgd gains most, +5" in verdict


def test_smaller_is_better_where_the_metric_says_so(shown):
    sgd, *_, verdict = shown(metric="mae").findings
    assert "sgd: step is first" in sgd
    assert "told better than constant: step; told worse: cosine." in sgd
    assert "sgd gains most, \u22120.05" in verdict


def test_every_pair_stands_in_the_table_and_every_optimizer_has_its_curves(shown):
    found = shown()
    assert [picture.name for picture in found.pictures] == ["grid", "loss_sgd", "loss_adam"]
    assert [row[0] for row in found.tables[0].rows] == [
        *("sgd, constant", "sgd, step", "sgd, cosine"),
        *("adam, constant", "adam, cosine"),
    ]
    assert found.tables[0].rows[0][2] == "-"
    assert found.tables[0].rows[2][2].startswith("+5")


def test_one_seed_shows_nothing(make_grid):
    studies = [
        {"config": {"schedule": {"name": schedule}, "optimizer": {"name": "sgd"}}, "scores": [score]}
        for schedule, score in (("constant", 0.5), ("step", 0.9))
    ]
    assert "0 of 0 schedules" in show(make_grid(studies)).findings[-1]
    assert "is not shown" in show(make_grid(studies)).findings[-1]
