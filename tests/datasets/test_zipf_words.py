import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets import zipf_words


def deciding(split, n_common=50):
    """The one word of each document that is not common."""
    is_deciding = split.x >= n_common
    assert np.all(is_deciding.sum(axis=1) == 1)
    return split.x[is_deciding]


@pytest.fixture(scope="module")
def dataset():
    return zipf_words.load(split_seed=0)


def test_one_word_of_each_document_decides_its_class(dataset):
    of = {}
    for split in (dataset.train, dataset.validation, dataset.test):
        for word, label in zip(deciding(split), split.y, strict=True):
            assert of.setdefault(word, label) == label
    assert set(of.values()) == {0, 1, 2, 3}


def test_words_follow_zipfs_law(dataset):
    counts = np.bincount(dataset.train.x.ravel(), minlength=1000)
    common = counts[:50] / counts[:50].sum()
    expected = 1 / np.arange(1, 51)
    np.testing.assert_allclose(common, expected / expected.sum(), atol=4 / np.sqrt(counts[:50].sum()))
    others = counts[50:]
    early, late = others[:95].sum(), others[-95:].sum()
    ratio = np.sum(1 / np.arange(51, 146)) / np.sum(1 / np.arange(906, 1001))
    assert early / late == pytest.approx(ratio, rel=0.15)


def test_validation_and_test_hold_words_that_are_rare_in_training_but_not_new(dataset):
    seen = np.bincount(deciding(dataset.train), minlength=1000)
    for split in (dataset.validation, dataset.test):
        assert set(seen[deciding(split)]) == {1, 2, 3}
    assert seen.max() > 20


def test_the_seed_decides_all_draws_and_nothing_else_does(dataset):
    assert zipf_words.load(split_seed=0).digest == dataset.digest
    assert zipf_words.load(split_seed=1).digest != dataset.digest


def test_each_class_has_as_many_words():
    small = zipf_words.load(n_train=5000, vocabulary=60, n_common=50, n_classes=5, rare_at_most=5000, split_seed=3)
    of = dict(zip(deciding(small.train), small.train.y, strict=True))
    assert sorted(of.values()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"vocabulary": 53}, r"dataset\.vocabulary=53: expected at least 54: dataset\.n_common=50.*Raise it"),
        ({"split_seed": -1}, r"split_seed=-1: expected a whole number of at least 0"),
        ({"n_classes": 1}, r"dataset\.n_classes=1: expected a whole number of at least 2"),
        ({"length": 0, "n_train": 1.5}, r"2 faults.*\n.*dataset\.n_train=1\.5.*\n.*dataset\.length=0"),
        (
            {"vocabulary": 60, "rare_at_most": 1},
            r"dataset\.rare_at_most=1: expected .* the rarest has [1-9]\d*\. Raise",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, told):
    with pytest.raises(ConfigError, match=told):
        zipf_words.load(**{"split_seed": 0, **arguments})
