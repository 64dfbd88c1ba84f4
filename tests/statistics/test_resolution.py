import math

import numpy as np
import pytest

from study.statistics.resolution import (
    Resolution,
    comparable_means,
    is_share_of_examples,
    observed_step,
    share_of,
    step_of_mean,
)


def test_shares_are_multiples_of_one_example_whatever_the_noise():
    counts = np.arange(361)
    noisy = (counts / 360).astype(np.float32).astype(float) + 3e-7
    np.testing.assert_array_equal(share_of(360).rounded(noisy), share_of(360).rounded(counts / 360))
    assert share_of(360).rounded(0.5 + 1.2e-8) == 0.5
    assert share_of(360).rounded(181 / 360) - share_of(360).rounded(0.5) == pytest.approx(1 / 360)


def test_losses_keep_four_digits_at_any_size():
    rounded = Resolution().rounded([0.2962516, 123456.0, 1.23456e-9, 1000.0, 0.0, -0.29625, math.inf])
    assert rounded.tolist() == pytest.approx([0.2963, 123500.0, 1.235e-9, 1000.0, 0.0, -0.2962, math.inf])
    assert Resolution().rounded(0.30001) == Resolution().rounded(0.29999)
    np.testing.assert_allclose(Resolution().steps([[0.2, 0.3], [20.0, 1.0], [0.0, 0.0]]), [1e-4, 1e-2, 0.0])


def test_an_unknown_number_of_examples_removes_noise_and_takes_the_smallest_difference():
    unknown = share_of(None)
    assert unknown.rounded(0.5 + 1.2e-8) == unknown.rounded(0.5)
    steps = unknown.steps(unknown.rounded([[0.9, 0.91, 0.9], [0.93, 0.9, 0.91]]))
    np.testing.assert_allclose(steps, 0.01, rtol=1e-9)


def test_means_of_the_same_scores_in_another_order_are_equal():
    rng = np.random.default_rng(0)
    for _ in range(100):
        scores = rng.integers(0, 360, 10) / 360
        assert comparable_means(scores.mean()) == comparable_means(rng.permutation(scores).mean())
    assert comparable_means([0.0, math.inf]).tolist() == [0.0, math.inf]


def test_the_step_seen_ignores_noise_and_is_zero_for_equal_scores():
    assert observed_step([0.5, 0.5 + 1e-16, 0.5]) == 0
    assert observed_step([0.1, 0.4, 0.35]) == pytest.approx(0.05)
    assert step_of_mean(0.1, 4) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("val_accuracy", True),
        ("test_sparse_categorical_accuracy", True),
        ("val_acc", True),
        ("val_auc", False),
        ("val_loss", False),
        ("val_precision", False),
    ],
)
def test_only_accuracies_count_examples(name, counts):
    assert is_share_of_examples(name) == counts


def test_bad_numbers_of_examples_are_named():
    with pytest.raises(ValueError, match="n_examples=0"):
        share_of(0)
