from pathlib import Path

import numpy as np
import pytest
import yaml

from study.datasets import sunspots
from study.gallery.experiments import lstm_grid
from study.gallery.experiments.lstm_grid import show

pytestmark = pytest.mark.slow

DATASET = {"name": "sunspots", "window": 20, "n_validation": 29, "n_test": 29}
LUCK = np.array([0.0, 0.004, -0.003, 0.002])
TEST = sunspots.load().test
PERSISTENCE = float(np.abs(sunspots.persistence(TEST) - TEST.y).mean())
ONE = float(np.abs(1 - TEST.y.astype(np.float64)).mean())


def study(activation, optimizer, scores):
    config = {"model": {"activation": activation}, "optimizer": {"name": optimizer}, "dataset": DATASET}
    return {"config": config, "scores": list(scores), "fixed": True}


@pytest.fixture
def shown(make_grid):
    """Show a small grid in which PReLU with RMSprop has a given error."""

    def make(claimed):
        rng = np.random.default_rng(0)
        errors = {("linear", "adam"): 0.08, ("linear", "rmsprop"): 0.085, ("prelu", "adam"): PERSISTENCE + 0.1}
        studies = [study(*place, error + LUCK + 1e-4 * rng.standard_normal(4)) for place, error in errors.items()]
        studies += [study("softmax", optimizer, [ONE] * 4) for optimizer in ("adam", "rmsprop")]
        return show(make_grid([*studies, study("prelu", "rmsprop", claimed)], metric="mae"))

    return make


def test_the_best_pair_is_named_beside_persistence(shown):
    claim, best, untold, *_ = shown(0.12 + LUCK).findings
    assert claim.startswith("The claim is contradicted: prelu with rmsprop is number 3 of 6")
    assert "Against it, linear with adam has \u22120.04" in claim
    assert "the best pair is linear with adam" in best
    assert f"better than persistence with {PERSISTENCE:.3g}" in best
    assert untold.startswith(
        "Of 5 other pairs, 5 can be compared with linear with adam; of these, 0 do not differ significantly from it "
        "(paired t intervals, corrected for all 15 pairs of the 6)."
    )


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [
        (
            0.12 + LUCK,
            "The claim is contradicted: prelu with rmsprop is number 3 of 6 by mean test mae. Against it, ",
        ),
        (
            0.06 + LUCK,
            "The claim held: prelu with rmsprop is number 1 of 6 by mean test mae. Against it, linear with adam has",
        ),
        (np.array([0.01, 0.2, 0.02, 0.101]), "The claim is not shown: prelu with rmsprop is number 2 of 6"),
        (np.array([0.01, 0.15, 0.02, 0.1]), "The claim is not shown: prelu with rmsprop is number 1 of 6"),
    ],
)
def test_the_claim_is_judged_by_rank_and_interval(shown, claimed, verdict):
    assert verdict in " ".join(shown(claimed).findings)


def test_one_seed_tells_nothing(make_grid):
    studies = [study(*place, [error]) for place, error in {("prelu", "rmsprop"): 0.1, ("linear", "sgd"): 0.2}.items()]
    told = " ".join(show(make_grid(studies, metric="mae")).findings)
    assert "No other pair can be compared with it: fewer than three shared seeds trained." in told
    assert told.startswith("Inconclusive: prelu with rmsprop is number 1 of 2")
    assert "on too few seeds for an interval; not compared with persistence" in told
    assert "One seed shows nothing of luck" in told


def test_one_seed_does_not_refute_the_claim(make_grid):
    studies = [study(*place, [error]) for place, error in {("prelu", "rmsprop"): 0.2, ("linear", "sgd"): 0.1}.items()]
    claim = show(make_grid(studies, metric="mae")).findings[0]
    assert claim.startswith("Inconclusive: ")
    assert claim.endswith("no other pair can be compared with it (fewer than three shared seeds trained).")


def test_a_claimed_pair_that_diverged_leaves_the_claim_open(shown):
    claim = shown([np.inf, 0.1, 0.1, 0.1]).findings[0]
    assert claim.startswith("Inconclusive: ")
    assert claim.endswith("(prelu with rmsprop diverged).")


def test_every_activation_that_is_run_has_its_row():
    conf = Path(__file__).parents[3] / "conf" / "experiment" / "lstm_grid.yaml"
    run = yaml.safe_load(conf.read_text())["hydra"]["sweeper"]["params"]
    assert set(run["model.activation"].split(",")) == set(lstm_grid._ACTIVATIONS)
    assert set(run["optimizer"].split(",")) == set(lstm_grid._OPTIMIZERS)


def test_what_single_seeds_would_have_said_is_counted(shown):
    found = shown(np.array([0.01, 0.15, 0.02, 0.1]))
    assert "2 different pairs would have been called the best in 4 seeds" in " ".join(found.findings)
    assert "would have been number 1 to" in " ".join(found.findings)
    assert [row[1] for row in found.tables[1].rows] == ["prelu with rmsprop", "linear with adam"] * 2


def test_softmax_is_shown_to_be_the_constant_one(shown):
    told = " ".join(shown(0.12 + LUCK).findings)
    assert f"has a test mae of {ONE:.3f}, and all 2 cells of softmax have that to within 1e-05" in told


def test_what_does_not_beat_persistence_is_counted(shown):
    told = " ".join(shown(0.12 + LUCK).findings)
    assert (
        "Of 6 pairs, 3 are shown to forecast better than persistence, 3 worse, 0 neither, and 0 diverged or have "
        "fewer than three seeds (t intervals, corrected for all 6)." in told
    )


def test_pictures_and_the_table_by_optimizer_are_drawn(shown):
    found = shown(0.12 + LUCK)
    assert [picture.name for picture in found.pictures] == ["grid", "training"]
    assert all(b"<svg" in picture.data for picture in found.pictures)
    assert [row[:2] for row in found.tables[0].rows] == [("adam", "linear"), ("rmsprop", "linear")]


def test_an_interval_around_persistence_shows_no_difference_from_it(shown):
    noisy = np.array([0.01, 0.2, 0.02, 0.05])
    best = shown(noisy).findings[1]
    assert "prelu with rmsprop" in best
    assert f"not shown to differ from persistence with {PERSISTENCE:.3g}." in best


def test_pairs_that_cannot_be_compared_are_not_counted_among_the_compared(make_grid):
    errors = {("prelu", "rmsprop"): 0.08 + LUCK, ("linear", "sgd"): 0.2 + LUCK}
    errors |= {("linear", "adam"): np.full(4, np.inf)}
    studies = [study(*place, scores) for place, scores in errors.items()]
    claim, _, alike, *_ = show(make_grid(studies, metric="mae")).findings
    assert "Of 2 other pairs, 1 can be compared with it (1 diverged" in claim
    assert "corrected for all 1 pairs of the 2" in alike
