import re

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
    assert "on rare words, by their means: adam 60.00" in untuned
    assert "adagrad 95.10" in tuned
    assert claim.startswith("The claim held, that adaptive optimizers are better on sparse data, for these tuned")
    assert "the first of them, adagrad, minus the first of the others, momentum: +20.0" in claim
    assert "The claim held, that Adagrad suits it best: the first by its mean is adagrad; adagrad minus" in claim
    # Both claims need the difference from momentum, and it has one interval, corrected for the six pairs of the four.
    first, second = re.findall(r"momentum:? (\+20\.\d+\u00a0points \[[^]]+\])", claim)
    assert first == second
    assert "all intervals hold together for the 6 pairs" in claim


def test_what_the_seeds_do_not_tell_is_not_claimed(shown):
    claim, *_ = shown(adam=0.9, sgd=0.89999, adagrad=0.7).findings
    assert claim.startswith("The claim is not shown, that adaptive optimizers")
    assert "The claim is contradicted, that Adagrad suits it best: the first by its mean is adam" in claim


def test_one_seed_shows_nothing(make_grid):
    studies = [{"config": {"optimizer": {"name": name}}, "scores": [score]} for name, score in UNTUNED.items()]
    claim, *_ = show(make_grid(studies)).findings
    assert claim.startswith("Inconclusive, that adaptive optimizers are better on sparse data")
    assert "cannot be compared (diverged, or fewer than three shared seeds)." in claim
    assert "Inconclusive, that Adagrad suits it best: the first by its mean is adam; no other can be compared" in claim


def test_sgd_ahead_is_said(shown):
    claim, *_ = shown(sgd=0.95, adam=0.9, adagrad=0.85).findings
    assert claim.startswith("The claim is contradicted, that adaptive optimizers are better on sparse data")
    assert "the first of them, adam, minus the first of the others, sgd: \u2212" in claim


def test_untuned_and_tuned_stand_side_by_side(shown):
    found = shown(sgd=0.7, adam=0.9)
    (table,) = found.tables
    assert [row[0] for row in table.rows] == ["sgd", "adam"]
    assert table.rows[0][1].startswith("25.00")
    assert table.rows[0][2].startswith("70.1")
    assert [picture.name for picture in found.pictures] == ["rare_words"]
