import numpy as np
import pytest

from study.gallery.experiments.sparse import show

LUCK = np.array([0.0, 0.01, -0.01, 0.004])
NOISE = 0.001 * np.array([1.0, -1.0, 0.5, -0.5])
UNTUNED = {"sgd": 0.25, "momentum": 0.3, "adagrad": 0.4, "rmsprop": 0.5, "adam": 0.6}


@pytest.fixture
def shown(make_grid):
    def make(**tuned):
        studies = [
            {
                "config": {"optimizer": {"name": name}},
                "scores": list(score + LUCK + NOISE * place),
                "untuned": [UNTUNED[name]] * 4,
            }
            for place, (name, score) in enumerate(tuned.items())
        ]
        return show(make_grid(studies))

    return make


def test_adaptive_ones_that_are_told_better_hold_the_claim(shown):
    claim, tuned, untuned = shown(sgd=0.7, momentum=0.75, adagrad=0.95, adam=0.9).findings
    assert "on rare words: adam 60.00" in untuned
    assert "adagrad 95.10" in tuned
    assert claim.startswith("That adaptive optimizers are better on sparse data holds for these tuned configurations")
    assert "the first, adagrad, is adaptive; against it the first of the others, momentum, has \u221220.0" in claim
    assert claim.endswith("That Adagrad suits it best holds: the first is adagrad.")


def test_what_the_seeds_do_not_tell_is_not_claimed(shown):
    claim, *_ = shown(adam=0.9, sgd=0.89999, adagrad=0.7).findings
    assert "is not shown once the rates are tuned" in claim
    assert "is not shown: the first is adam, and the seeds do not tell it from sgd." in claim


def test_one_seed_shows_nothing(make_grid):
    studies = [{"config": {"optimizer": {"name": name}}, "scores": [score]} for name, score in UNTUNED.items()]
    claim, *_ = show(make_grid(studies)).findings
    assert claim.startswith("That adaptive optimizers are better on sparse data is not shown once the rates are tuned")
    assert "has too few seeds to be compared." in claim
    assert "is not shown: the first is adam." in claim


def test_sgd_ahead_is_said(shown):
    claim, *_ = shown(sgd=0.95, adam=0.9, adagrad=0.85).findings
    assert "the first, sgd, is not adaptive; against it the first of the others, adam" in claim
    assert "is not shown once the rates are tuned" in claim


def test_untuned_and_tuned_stand_side_by_side(shown):
    found = shown(sgd=0.7, adam=0.9)
    (table,) = found.tables
    assert [row[0] for row in table.rows] == ["sgd", "adam"]
    assert table.rows[0][1].startswith("25.00")
    assert table.rows[0][2].startswith("70.1")
    assert [picture.name for picture in found.pictures] == ["rare_words"]
