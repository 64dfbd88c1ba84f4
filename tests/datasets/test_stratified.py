"""The division is scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from study.datasets import digits
from study.datasets._stratified import stratified_split


@pytest.mark.parametrize("seed", range(50))
def test_it_is_the_one_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    n_classes, n = int(generator.integers(2, 7)), int(generator.integers(30, 300))
    labels = np.concatenate([np.repeat(np.arange(n_classes), 2), generator.integers(0, n_classes, n)])
    n_second = int(generator.integers(n_classes, len(labels) - n_classes))
    expected = train_test_split(np.arange(len(labels)), test_size=n_second, random_state=seed, stratify=labels)
    found = stratified_split(labels, n_second=n_second, seed=seed)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("is_found", [True, False])
def test_the_digits_are_those_of_scikit_learn(is_found, monkeypatch):
    if not is_found:  # another version of scikit-learn
        monkeypatch.setattr(digits, "_FILE", "elsewhere.csv.gz")
    pixels, labels = digits._read()
    expected = load_digits()
    np.testing.assert_array_equal(pixels, expected.data)
    np.testing.assert_array_equal(labels, expected.target)
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.int32)
