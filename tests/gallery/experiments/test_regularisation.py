from dataclasses import replace

import numpy as np
import pytest

from study.gallery.experiments.regularisation import show

LUCK = np.array([0.0, 0.01, -0.01, 0.004])
NOISE = 0.001 * np.array([1.0, -1.0, 0.5, -0.5])
RATES = 10.0 ** np.arange(-4, 1)
PLAIN = {"batch_norm": False, "l2": 0.0, "dropout": 0.0, "init_scale": 1.0}
MODELS = {
    "none": PLAIN,
    "batch_norm": PLAIN | {"batch_norm": True},
    "l2": PLAIN | {"l2": 0.001},
    "dropout": PLAIN | {"dropout": 0.2},
    "all": {"batch_norm": True, "l2": 0.001, "dropout": 0.2, "init_scale": 1.0},
    "none_large": PLAIN | {"init_scale": 10.0},
    "batch_norm_large": PLAIN | {"batch_norm": True, "init_scale": 10.0},
}


def study(variant, mean, *, n_trained):
    """A study whose grid of five rates trains at the first n_trained of them."""
    config = {"variant": variant, "model": MODELS[variant], "optimizer": {"name": "sgd"}}
    trials = [(rate, 0.95 if index < n_trained else 0.12) for index, rate in enumerate(RATES)]
    return {"config": config, "scores": list(mean + LUCK + NOISE * (mean != 0.9)), "trials": trials}


@pytest.fixture
def shown(make_grid):
    means = {"none": 0.9, "batch_norm": 0.95, "l2": 0.90001, "dropout": 0.85, "all": 0.94}
    means |= {"none_large": 0.5, "batch_norm_large": 0.93}
    trained = {"none": 3, "none_large": 1, "batch_norm_large": 4}
    return show(make_grid([study(name, mean, n_trained=trained.get(name, 4)) for name, mean in means.items()]))


def test_effects_are_told_against_none_with_what_the_seeds_do_not_tell(shown):
    (effects,) = [sentence for sentence in shown.findings if sentence.startswith("sgd: test accuracy against none")]
    parts = {part.split()[0]: part for part in effects.split(": ")[-1].split("; ")}
    assert "batch norm +5" in effects
    assert "(not significant)" in parts["l2"]
    assert "(not significant)" not in parts["dropout"]


def test_decades_of_rates_that_train_are_counted_with_and_without_batch_normalization(shown):
    verdict, widths, *_ = shown.findings
    # Three of five rates, a decade apart, span two decades.
    assert "scale 1: 2.0 to 3.0; scale 10: 0.0 to 3.0" in widths
    assert verdict.startswith(
        "Inconclusive, that batch normalization makes training less dependent on rate and initial weights: of 2 cases"
    )
    assert "batch normalization widens the range of rates that train in 2 and narrows it in 0" in verdict
    assert shown.tables[1].header == ("", "scale 1", "scale 10")
    assert ("sgd, plain", "2.0", "0.0") in shown.tables[1].rows


def test_rates_that_all_train_span_no_more_than_the_grid(make_grid):
    shown = show(make_grid([study("none", 0.9, n_trained=5), study("batch_norm", 0.9, n_trained=5)]))
    assert ("sgd, plain", "4.0") in shown.tables[1].rows


def test_one_rate_that_trains_is_wider_than_none(make_grid):
    trained = {"none": 3, "batch_norm": 3, "none_large": 0, "batch_norm_large": 1}
    verdict = show(make_grid([study(name, 0.9, n_trained=n) for name, n in trained.items()])).findings[0]
    assert "batch normalization widens the range of rates that train in 1 and narrows it in 0" in verdict


def test_the_gap_between_training_and_test_is_told_against_none(make_grid):
    def with_gap(variant, apart):
        given = study(variant, 0.9, n_trained=3)
        return given | {"scores": [0.95 - apart - 0.001 * seed for seed in range(4)]}

    apart = {"none": 0.1, "l2": 0.04, "dropout": 0.1001, "batch_norm": 0.05, "all": 0.03}
    material = make_grid([with_gap(*each) for each in apart.items()])
    trained = replace(material, history=lambda run, _: np.array([0.5, 0.95 + 0.0005 * (run.number % 2)]))
    verdict, *_, gap = show(trained).findings
    assert "sgd: training lies +10.1" in gap
    # L2 and dropout alone are the claim's own family: their differences have one interval, in the claim.
    assert "change that by (Holm over these 2): batch norm \u22125.0" in gap
    assert "all \u22127.0" in gap
    assert "l2" not in gap
    assert (
        "The claim is not shown, that L2 and dropout narrow the gap between training and test: of 2 cases" in verdict
    )
    assert "significantly narrower in 1 and wider in 0 (its change" in verdict
    assert "sgd with l2 \u22126.0" in verdict


def test_training_stands_beside_validation_per_variant(shown):
    assert [row[0] for row in shown.tables[0].rows] == [
        f"sgd, {name}" for name in ("none", "batch norm", "l2", "dropout", "all")
    ]
    assert [picture.name for picture in shown.pictures] == ["variants", "rates"]


def test_a_run_that_diverged_is_in_no_column_and_has_no_gap(make_grid):
    """Its training accuracy would stand beside a mean on test of the other runs."""

    def of(*scores):
        return [study("none", 0.9, n_trained=3), study("l2", 0.9, n_trained=3) | {"scores": [*scores]}]

    def history(run, _):
        return np.array([0.5, 0.1 if run.state == "diverged" else 0.95 + 0.0005 * (run.number % 2)])

    def shown_of(*scores):
        return show(replace(make_grid(of(*scores)), history=history))

    (_, without), (_, diverged) = (shown_of(*scores).tables[0].rows for scores in ([0.9] * 3, [0.9] * 3 + [-np.inf]))
    assert diverged[:4] == without[:4]
    (effect,) = [
        told for told in shown_of(0.9, 0.9, 0.9, -np.inf).findings if "against none, each at its best" in told
    ]
    assert "(a run that diverged counts as 0.00\u00a0%)" in effect
    assert "counts as" not in " ".join(shown_of(0.9, 0.9, 0.9).findings)
    assert "1 of 4 diverged" in diverged[4]
    gaps = [shown_of(*scores).findings[0] for scores in ([0.9] * 3, [0.9] * 3 + [-np.inf])]
    assert gaps[0].split("with l2 ")[1] == gaps[1].split("with l2 ")[1]
