import numpy as np
import pytest

from study.gallery.experiments.decay import show

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
    verdict, sgd, adam = shown().findings
    assert "sgd: cosine is first by its mean" in sgd
    assert "significantly better than constant: cosine; significantly worse: step." in sgd
    assert "significantly better than constant: none; significantly worse: none." in adam
    assert verdict.startswith(
        "The claim is contradicted, that decay is better: of 3 schedules, 1 are significantly better than a constant "
        "rate, 1 worse, 1 neither (paired t intervals, Holm over all 3); the largest mean loss is that of sgd with "
        "step, \u22125."
    )
    assert "the largest mean gain is that of sgd with cosine, +5" in verdict


def test_smaller_is_better_where_the_metric_says_so(shown):
    verdict, sgd, *_ = shown(metric="mae").findings
    assert "sgd: step is first" in sgd
    assert "significantly better than constant: step; significantly worse: cosine." in sgd
    assert "the largest mean gain is that of sgd with step, \u22120.05" in verdict


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
    assert show(make_grid(studies)).findings[0] == "Inconclusive, that decay is better: fewer than three seeds."


def test_a_constant_rate_that_diverged_is_no_matter_of_seeds(make_grid):
    studies = [
        {
            "config": {"schedule": {"name": schedule}, "optimizer": {"name": "sgd"}},
            "scores": [score, score + 0.1, score],
        }
        for schedule, score in (("constant", np.inf), ("step", 0.9))
    ]
    verdict = show(make_grid(studies, metric="mae")).findings[0]
    assert verdict.endswith("nowhere did both a schedule and the constant rate train.")


def test_where_every_schedule_loses_nobody_gains_most(make_grid):
    studies = [
        {
            "config": {"schedule": {"name": schedule}, "optimizer": {"name": "sgd"}},
            "scores": list(mean + LUCK + (schedule != "constant") * NOISE),
        }
        for schedule, mean in (("constant", 0.9), ("step", 0.8))
    ]
    verdict = show(make_grid(studies)).findings[0]
    assert verdict.startswith("The claim is contradicted, that decay is better: of 1 schedules, 0 are")
    assert verdict.endswith("; no optimizer has a gain by its mean.")
