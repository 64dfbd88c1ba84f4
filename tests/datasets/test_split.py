"""The validation split and the scaling of pixels use the training split alone."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from study.core.errors import ConfigError
from study.datasets import digits
from study.datasets._images import Images
from study.datasets._split import SplitPlan, split_images
from study.pipeline.identity import version_of

PLAN = {"n_validation": 20, "validation": "random", "scaling": "unit", "split_seed": 0}


def images(n=100, n_test=10):
    """Give every example its own first pixel, so that it can be recognized."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (n + n_test, 4, 4, 2), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(n + n_test)
    y = (np.arange(n + n_test) % 10).astype(np.int32)
    return Images(source="generated", train=(x[:n], y[:n]), test=(x[n:], y[n:]))


def split(data=None, **changes):
    return split_images(data or images(), SplitPlan(**(PLAN | changes)), name="generated")


def indices(part):
    return np.rint(part.x[:, 0, 0, 0] * 255).astype(int).tolist()


def test_first_takes_the_first_examples():
    data = split(validation="first")
    assert indices(data.validation) == list(range(20))
    assert indices(data.train) == list(range(20, 100))
    assert indices(data.test) == list(range(100, 110))


def test_random_draws_without_overlap_and_keeps_the_order():
    data = split()
    train, validation = indices(data.train), indices(data.validation)
    assert (len(train), len(validation)) == (80, 20)
    assert sorted(train + validation) == list(range(100))
    assert train == sorted(train)
    assert validation != list(range(20))
    assert data.train.y.tolist() == [index % 10 for index in train]
    assert data.validation.y.tolist() == [index % 10 for index in validation]


def test_the_split_is_a_function_of_its_seed():
    assert split().digest == split().digest
    assert set(indices(split().validation)) != set(indices(split(split_seed=1).validation))
    assert split(validation="first").digest == split(validation="first", split_seed=1).digest


def test_unit_scaling_is_a_division():
    data = split(validation="first")
    np.testing.assert_allclose(data.train.x * 255, images().train[0][20:], rtol=1e-6)
    np.testing.assert_allclose(data.test.x * 255, images().test[0], rtol=1e-6)


def test_standard_scaling_gives_the_train_split_mean_zero_and_deviation_one_per_channel():
    data = split(scaling="standard")
    np.testing.assert_allclose(data.train.x.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(axis=(0, 1, 2)), 1, rtol=1e-5)
    raw = images()
    kept = indices(split().train)
    mean, deviation = raw.train[0][kept].mean(axis=(0, 1, 2)), raw.train[0][kept].std(axis=(0, 1, 2))
    np.testing.assert_allclose(data.test.x, (raw.test[0] - mean) / deviation, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_validation_and_test_images_have_no_say_in_the_scaling(scaling):
    raw = images()
    before = split(raw, scaling=scaling, validation="first")
    altered = raw.train[0].copy()
    altered[:20] = 255
    other = Images(source="", train=(altered, raw.train[1]), test=(255 - raw.test[0], raw.test[1]))
    after = split(other, scaling=scaling, validation="first")
    assert np.array_equal(before.train.x, after.train.x)
    assert not np.allclose(before.validation.x, after.validation.x)
    assert not np.allclose(before.test.x, after.test.x)
    altered[20:] = 255 - altered[20:]
    assert not np.allclose(before.train.x, split(other, scaling=scaling, validation="first").train.x)


def test_a_channel_that_never_changes_becomes_zero():
    raw = images()
    raw.train[0][..., 1] = 7
    data = split(raw, scaling="standard")
    assert np.all(data.train.x[..., 1] == 0)
    assert np.all(np.isfinite(data.test.x))


def test_arrays_are_contiguous_and_of_the_promised_types():
    for scaling in ("unit", "standard"):
        data = split(scaling=scaling)
        for part in (data.train, data.validation, data.test):
            assert part.x.flags.c_contiguous
            assert (part.x.dtype, part.y.dtype) == (np.float32, np.int32)
        assert data.n_outputs == 10


def faults(**changes):
    with pytest.raises(ConfigError) as raised:
        split(**changes)
    return raised.value.faults


def test_all_faults_are_told_at_once():
    found = faults(n_validation=0, validation="last", scaling="max", split_seed=-1)
    assert [fault.key for fault in found] == [
        "dataset.n_validation",
        "dataset.validation",
        "dataset.scaling",
        "split_seed",
    ]
    assert [fault.value for fault in found] == [0, "last", "max", -1]
    assert "first, random" in found[1].allowed
    assert "unit, standard" in found[2].allowed


@pytest.mark.parametrize(
    ("n_validation", "written"), [(-1, "-1"), (2.5, "2.5"), (True, "true"), ("20", "20"), (None, "null")]
)
def test_validation_is_a_whole_number_of_at_least_one(n_validation, written):
    (fault,) = faults(n_validation=n_validation)
    assert str(fault).startswith(f"dataset.n_validation={written}: expected a whole number of at least 1. Set")


@pytest.mark.parametrize("n_validation", [100, 101])
def test_validation_leaves_something_to_train_on(n_validation):
    (fault,) = faults(n_validation=n_validation)
    assert (fault.key, fault.value, fault.allowed) == ("dataset.n_validation", n_validation, "less than 100")
    assert len(split(n_validation=99).train) == 1


def test_digits_have_a_test_split_that_no_seed_moves():
    first = digits.load(n_validation=180, validation="random", split_seed=0)
    other = digits.load(n_validation=180, validation="random", split_seed=1)
    assert (len(first.train), len(first.validation), len(first.test)) == (1257, 180, 360)
    assert np.array_equal(first.test.x, other.test.x)
    assert not np.array_equal(first.validation.x, other.validation.x)
    assert first.input_shape == (8, 8, 1)
    assert (first.train.x.min(), first.train.x.max()) == (0, 1)
    assert set(first.train.y) == set(first.test.y) == set(range(10))
    standard = digits.load(n_validation=180, validation="first", scaling="standard", split_seed=0)
    assert standard.train.x.std() == pytest.approx(1, rel=1e-5)


def test_digits_draw_validation_and_test_alike():
    # With the last 360 examples as test split, a nearest neighbor is right in 99 % of validation and 95 % of test.
    gaps, rates = [], []
    for seed in range(5):
        data = digits.load(n_validation=180, validation="random", split_seed=seed)
        validation, test = (_nearest_neighbor_accuracy(data.train, part) for part in (data.validation, data.test))
        gaps.append(validation - test)
        rates.append(test)
    assert abs(np.mean(gaps)) < 0.01
    assert min(rates) > 0.975


def test_digits_are_shuffled_and_the_test_split_has_each_class_in_its_share():
    data = digits.load(n_validation=180, validation="first", split_seed=0)
    whole = np.concatenate([part.y for part in (data.train, data.validation, data.test)])
    assert np.abs(np.bincount(data.test.y) - np.bincount(whole) * 360 / 1797).max() < 1
    pixels = load_digits().images.reshape(1797, -1)
    ours = np.concatenate([part.x.reshape(len(part.x), -1) * 16 for part in (data.train, data.validation, data.test)])
    assert sorted(map(tuple, np.rint(ours).tolist())) == sorted(map(tuple, pixels.tolist()))  # none lost, none twice
    assert np.rint(data.validation.x * 16).tolist() != pixels[:180].reshape(180, 8, 8, 1).tolist()
    assert version_of("study.datasets.digits.load") == "2"


def _nearest_neighbor_accuracy(train, part):
    known, asked = (split.x.reshape(len(split.x), -1) for split in (train, part))
    squares = (asked**2).sum(1)[:, None] - 2 * asked @ known.T + (known**2).sum(1)
    return np.mean(train.y[squares.argmin(1)] == part.y)


def test_digits_refuse_a_bad_argument():
    with pytest.raises(ConfigError, match=r"dataset\.n_validation=1437: expected less than 1437"):
        digits.load(n_validation=1437, validation="first", split_seed=0)
