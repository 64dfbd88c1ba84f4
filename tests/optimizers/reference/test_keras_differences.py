"""The differences between Keras and the papers: each has the size that the formulas say."""

import math

import pytest

from study.optimizers.reference.keras_differences import (
    KERAS_DIFFERENCES,
    double_precision,
    measure,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured():
    with double_precision():
        return {difference.name: measure(difference) for difference in KERAS_DIFFERENCES}


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov", "Adadelta", "Lion"])
def test_these_are_the_papers_rules(name, measured):
    found = measured[name]
    assert (found.first, found.first_tiny) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert found.apart < 1e-12


def test_epsilon_inside_the_root(measured):
    tiny, epsilon = 1e-6, 1e-7
    expected = (tiny + epsilon) / math.sqrt(tiny**2 + epsilon)
    assert measured["Adagrad"].first_tiny == pytest.approx(expected, rel=1e-4)
    squared = 0.1 * tiny**2
    expected = (math.sqrt(squared) + epsilon) / math.sqrt(squared + epsilon)
    assert measured["RMSprop"].first_tiny == pytest.approx(expected, rel=1e-4)


def test_epsilon_hat(measured):
    """The paper divides by |g| + epsilon, Keras by |g| + epsilon / sqrt(1 - beta_2)."""
    for name in ("Adam", "AdamW"):
        expected = (1e-6 + 1e-7) / (1e-6 + 1e-7 / math.sqrt(0.001))
        assert measured[name].first_tiny == pytest.approx(expected, rel=1e-4)


def test_adamax_adds_epsilon(measured):
    assert measured["AdaMax"].first_tiny == pytest.approx(1e-6 / (1e-6 + 1e-7), rel=1e-4)


def test_amsgrad_is_corrected_for_bias(measured):
    assert measured["AMSGrad"].first == pytest.approx(math.sqrt(0.001) / 0.1, rel=1e-4)


def test_nadams_schedule_lacks_its_factor(measured):
    """At the first update the paper averages with mu_1, Keras with beta_1."""

    def update(decay, kept):
        mu = [0.99 * (1 - 0.5 * 0.96 ** (decay * t)) for t in (1, 2)]
        m = 1 - (mu[0] if kept is None else kept)
        return mu[1] * m / (1 - mu[0] * mu[1]) + 1.0

    assert measured["Nadam"].first == pytest.approx(update(1.0, 0.99) / update(0.004, None), rel=1e-4)
    assert measured["Nadam"].apart > 0.01


def test_the_decay_of_adamw_is_times_the_rate(measured):
    assert measured["AdamW"].first == pytest.approx(1.0, rel=1e-4)
    assert measured["AdamW"].apart > 0.1
