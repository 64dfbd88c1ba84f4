"""Patches of photographs: their shape, their balance, and that no split has a pixel of another."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from study.core.errors import ConfigError
from study.datasets import photo_patches

SMALL = {"n_train": 31, "n_validation": 10, "n_test": 12, "side": 16, "split_seed": 0}


def test_the_published_size_is_the_default():
    dataset = photo_patches.load(split_seed=0)
    assert dataset.train.x.shape == (259, 64, 64, 3)
    assert int(np.prod(dataset.input_shape)) == 12288
    assert dataset.n_outputs == 1
    assert np.bincount(dataset.train.y).tolist() == [130, 129]


def test_each_patch_is_normalized():
    x = photo_patches.load(**SMALL).train.x
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 0.5, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(1, 2, 3)), 0.25, atol=1e-4)
    unit = photo_patches.load(**SMALL, scaling="unit").train.x
    assert 0 <= unit.min() < unit.max() <= 1


def test_patches_are_of_their_photographs_and_splits_share_no_pixel():
    photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    dataset, side = photo_patches.load(**SMALL, scaling="unit"), SMALL["side"]
    columns = {}
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        columns[name] = set()
        for patch, label in zip(np.rint(split.x * 255).astype(np.uint8), split.y, strict=True):
            photograph = photographs[label]
            # Where the patch's first row stands; such a row is found nowhere else.
            rows = np.lib.stride_tricks.sliding_window_view(photograph, (1, side, 3))[:, :, 0, 0]
            places = np.argwhere((rows == patch[0]).all(axis=(2, 3)))
            whole = [left for top, left in places if (photograph[top : top + side, left : left + side] == patch).all()]
            assert len(whole) >= 1
            columns[name] |= set(range(whole[0], whole[0] + side))
    assert columns["train"].isdisjoint(columns["validation"] | columns["test"])
    assert columns["validation"].isdisjoint(columns["test"])


def test_the_seed_moves_training_and_validation_and_not_the_test():
    first, again, other = (photo_patches.load(**{**SMALL, "split_seed": seed}) for seed in (0, 0, 1))
    assert first.digest == again.digest
    assert not np.array_equal(first.train.x, other.train.x)
    assert not np.array_equal(first.validation.x, other.validation.x)
    assert np.array_equal(first.test.x, other.test.x)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"n_train": 1}, r"dataset\.n_train=1: expected a whole number of at least 2"),
        ({"side": 200}, r"dataset\.side=200: expected a whole number of at least 1 and at most 128"),
        ({"scaling": "standard"}, r"dataset\.scaling=standard: expected one of patch, unit"),
        ({"split_seed": -1}, r"split_seed=-1: expected"),
    ],
)
def test_arguments_that_cannot_be_followed_are_refused(changed, told):
    with pytest.raises(ConfigError, match=told):
        photo_patches.load(**{**SMALL, **changed})
