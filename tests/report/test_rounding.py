"""Kind 3: rounding is no difference, in any choice, test, rank or sentence."""

from dataclasses import replace

import numpy as np
import pytest

from study.report.across_workloads import across
from study.report.comparison import compare
from study.report.objective_metric import metric_of

SIZES = {"n_train": "1000", "n_validation": "360", "n_test": "360", "targets_per_example": "1"}
COUNTS = np.array([341, 344, 339, 350, 346, 343, 342, 348, 345, 340])


@pytest.fixture
def make(make_study):
    """A study with split sizes and one validation score for each confirmation."""

    def made(name, tests, *, validation=None, sizes=SIZES, **changes):
        study = make_study(name, list(tests), **changes)
        if validation is not None:
            scored = zip(study.confirmations, validation, strict=True)
            runs = tuple(replace(run, metrics={**run.metrics, "objective": value}) for run, value in scored)
            study = replace(study, confirmations=runs)
        return replace(study, tags={**study.tags, **sizes})

    return made


def float32(shares):
    return np.asarray(shares, dtype=np.float32).astype(float)


@pytest.mark.parametrize("sizes", [SIZES, {}])
def test_one_configuration_by_two_trainers_has_no_winner(make, make_experiment, sizes):
    exact, other = COUNTS / 360, {"trainer.name": "fit"}
    found = compare(
        make_experiment(
            make("adam", exact, sizes=sizes), make("adam-fit", float32(exact) + 3e-8, sizes=sizes, params=other)
        )
    )
    (difference,) = found.outcome.verdict.differences
    assert found.answer.winner is None
    assert (difference.mean, difference.p_holm, difference.p_superior) == (0.0, 1.0, 0.5)
    assert "is the best" not in " ".join(found.answer.sentences)


def test_a_validation_lead_of_rounding_chooses_nobody(make, make_experiment):
    exact = COUNTS / 360
    found = compare(
        make_experiment(make("adam", exact, validation=exact), make("sgd", exact - 0.01, validation=exact + 1.2e-8))
    )
    assert found.outcome.validation[0] == found.outcome.validation[1]
    assert found.outcome.candidate == "adam"  # the first by name; and not the other way round
    turned = compare(
        make_experiment(make("adam", exact, validation=exact), make("sgd", exact - 0.01, validation=exact + 1 / 360))
    )
    assert turned.outcome.candidate == "sgd"


def test_one_example_in_every_seed_is_a_difference_in_ten_seeds_and_none_in_three(make, make_experiment):
    def difference(n):
        counts = COUNTS[:n]
        found = compare(
            make_experiment(make("adam", (counts + 1) / 360, validation=[0.9] * n), make("sgd", counts / 360))
        )
        return found.outcome.verdict

    assert difference(10).winner
    assert not difference(3).winner
    assert difference(3).tied == (1,)


def test_means_may_differ_by_less_than_an_example(make, make_experiment):
    more = COUNTS.copy()
    more[0] += 1
    found = compare(make_experiment(make("adam", more / 360, validation=[0.9] * 10), make("sgd", COUNTS / 360)))
    (difference,) = found.outcome.verdict.differences
    assert difference.mean == pytest.approx(1 / 3600)
    assert found.answer.winner is None


def test_equal_scores_in_another_order_and_in_other_bits_share_a_rank(make, make_experiment):
    exact = COUNTS / 360
    found = compare(
        make_experiment(make("adam", exact), make("sgd", float32(exact[::-1])), make("adagrad", exact - 0.1))
    )
    ranked = across([found] * 3)
    assert dict(zip(ranked.labels, ranked.ranks, strict=True)) == {"adam": 1.5, "sgd": 1.5, "adagrad": 3.0}


def test_tuning_gains_nothing_by_rounding(make, make_experiment):
    exact = COUNTS / 360
    found = compare(make_experiment(make("adam", exact, untuned=float32(exact)), make("sgd", exact)))
    assert next(row for row in found.rows if row.label == "adam").gain.mean == 0.0


def test_losses_within_the_tolerance_between_trainers_tie(make, make_experiment):
    losses = 0.1234 + COUNTS / 1000

    def study(name, noise):
        made = make(name, losses, params={"objective.metric": "val_loss"}, validation=losses)
        runs = (
            replace(run, metrics=run.metrics | {"test_loss": loss + noise})
            for run, loss in zip(made.confirmations, losses, strict=True)
        )
        best = min(made.trials, key=lambda run: run.metrics["objective"])
        point = {key: best.params[key] for key in ("learning_rate", "beta_1")}
        return replace(made, confirmations=tuple(replace(run, params=run.params | point) for run in runs))

    found = compare(make_experiment(study("adam", 0.0), study("sgd", 1e-6)))
    assert found.answer.winner is None
    assert found.outcome.verdict.differences[0].mean == 0.0


def test_an_unrecorded_size_of_the_test_split_is_said(make, make_experiment):
    known, unknown = (
        compare(make_experiment(make("adam", COUNTS / 360, sizes=sizes), make("sgd", COUNTS / 360, sizes=sizes)))
        for sizes in (SIZES, {})
    )
    topics = [caution.topic for caution in unknown.cautions]
    assert "Size of the test split unknown" in topics
    assert "Size of the test split unknown" not in [caution.topic for caution in known.cautions]


@pytest.mark.parametrize(
    ("metric", "loss", "tags", "n"),
    [
        ("val_accuracy", "keras.losses.SparseCategoricalCrossentropy", SIZES, 360),
        ("val_accuracy", "keras.losses.SparseCategoricalCrossentropy", SIZES | {"targets_per_example": "20"}, 7200),
        ("val_accuracy", "keras.losses.CategoricalCrossentropy", SIZES | {"targets_per_example": "10"}, 360),
        ("val_binary_accuracy", "keras.losses.BinaryCrossentropy", SIZES | {"targets_per_example": "5"}, 1800),
        ("val_accuracy", "", {}, None),
    ],
)
def test_an_accuracy_counts_over_the_targets_of_its_split(metric, loss, tags, n):
    found = metric_of({"objective.metric": metric, "dataset.task.loss._target_": loss}, tags)
    assert (found.n_confirmed, found.n_validation) == (n, n)


def test_other_shares_are_no_counts_and_errors_do_not_fall_below_zero():
    auc = metric_of({"objective.metric": "val_auc"}, SIZES)
    assert auc.confirmed_resolution.absolute is None
    loss = {"objective.metric": "val_loss", "dataset.task.loss._target_": "keras.losses.MeanSquaredError"}
    assert metric_of(loss).value_bounds == (0.0, np.inf)
    assert metric_of(loss | {"dataset.task.loss._target_": "keras.losses.Poisson"}).value_bounds == (-np.inf, np.inf)
    assert metric_of({"objective.metric": "val_accuracy"}).value_bounds == (0.0, 1.0)
