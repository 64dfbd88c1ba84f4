from pathlib import Path

import numpy as np
import pytest
import yaml

from study.datasets import sunspots
from study.gallery.experiments import lstm_grid
from study.gallery.experiments.lstm_grid import show

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
    assert claim.startswith("prelu with rmsprop is number 3 of 6")
    assert "the best pair is linear with adam" in best
    assert f"better than persistence with {PERSISTENCE:.3g}" in best
    assert untold.startswith("Of 5 other pairs, 0 are not told from linear with adam")


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [
        (0.12 + LUCK, "is number 3 of 6 by mean test mae, +0.04"),
        (0.06 + LUCK, "is number 1 of 6 by mean test mae, and told from all 5 others: the claim holds"),
        (np.array([0.01, 0.2, 0.02, 0.101]), "The claim is not shown, and not refuted"),
        (np.array([0.01, 0.15, 0.02, 0.1]), "are not told from it: the claim is not shown"),
    ],
)
def test_the_claim_is_judged_by_rank_and_interval(shown, claimed, verdict):
    assert verdict in " ".join(shown(claimed).findings)


def test_one_seed_tells_nothing(make_grid):
    studies = [study(*place, [error]) for place, error in {("prelu", "rmsprop"): 0.1, ("linear", "sgd"): 0.2}.items()]
    told = " ".join(show(make_grid(studies, metric="mae")).findings)
    assert "One seed tells no pair from another." in told
    assert "one seed tells nothing: the claim is not shown" in told
    assert "One seed shows nothing of luck" in told


def test_one_seed_does_not_refute_the_claim(make_grid):
    studies = [study(*place, [error]) for place, error in {("prelu", "rmsprop"): 0.2, ("linear", "sgd"): 0.1}.items()]
    claim = show(make_grid(studies, metric="mae")).findings[0]
    assert claim.endswith("The claim is not shown: too few seeds to be compared.")


def test_a_claimed_pair_that_diverged_refutes_the_claim(shown):
    assert shown([np.inf, 0.1, 0.1, 0.1]).findings[0].endswith("The claim does not hold here: it diverged.")


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
    assert f"has a test mae of {ONE:.3f}, and all 2 cells of softmax have exactly that" in told


def test_what_does_not_beat_persistence_is_counted(shown):
    told = " ".join(shown(0.12 + LUCK).findings)
    n_worse = 1 + 2 * (ONE >= PERSISTENCE)
    assert f"{n_worse} of 6 pairs forecast no better than persistence" in told


def test_pictures_and_the_table_by_optimizer_are_drawn(shown):
    found = shown(0.12 + LUCK)
    assert [picture.name for picture in found.pictures] == ["grid", "training"]
    assert all(b"<svg" in picture.data for picture in found.pictures)
    assert [row[:2] for row in found.tables[0].rows] == [("adam", "linear"), ("rmsprop", "linear")]
