"""MNIST's format: the contents, the file names, and every way in which a file can be wrong."""

import gzip
import struct

import numpy as np
import pytest

from study.core.errors import DataError
from study.datasets import fashion_mnist, mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PLAN = {"n_validation": 3, "validation": "first", "split_seed": 0}


def idx(array, *, kind=8):
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def examples(n, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name, array in zip(NAMES, (*examples(12, 0), *examples(5, 1)), strict=True):
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def load(folder):
    return fashion_mnist.load(path=str(folder), **PLAN)


def replace(folder, name, content):
    (folder / name).write_bytes(content)


def test_reads_plain_files(folder):
    data = load(folder)
    (x, y), (x_test, y_test) = examples(12, 0), examples(5, 1)
    np.testing.assert_allclose(data.validation.x[..., 0], x[:3] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.train.x[..., 0], x[3:] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.test.x[..., 0], x_test / 255, rtol=1e-6)
    assert np.array_equal(data.train.y, y[3:])
    assert np.array_equal(data.test.y, y_test)
    assert (data.name, data.source, data.n_outputs) == ("fashion_mnist", str(folder), 10)
    assert data.input_shape == (28, 28, 1)
    for split in (data.train, data.validation, data.test):
        assert (split.x.dtype, split.y.dtype) == (np.float32, np.int32)
        assert split.x.flags.c_contiguous


def test_gzipped_and_dotted_names_hold_the_same(folder):
    plain = load(folder).digest
    for name in NAMES:
        file = folder / name
        dotted = name.replace("-idx", ".idx")
        file.rename(folder / dotted)
    assert load(folder).digest == plain
    for name in NAMES:
        file = folder / name.replace("-idx", ".idx")
        replace(folder, f"{name}.gz", gzip.compress(file.read_bytes()))
        file.unlink()
    assert load(folder).digest == plain
    assert mnist.load(path=str(folder), **PLAN).digest == plain


def test_a_gz_file_that_was_unpacked_without_renaming_is_read(folder):
    (folder / NAMES[0]).rename(folder / f"{NAMES[0]}.gz")
    assert len(load(folder).train) == 9


def test_missing_files_are_all_named(folder):
    (folder / NAMES[1]).unlink()
    (folder / NAMES[2]).unlink()
    with pytest.raises(DataError, match=f"no {NAMES[1]}, no {NAMES[2]}, expected all four IDX files. Add them"):
        load(folder)


IMAGES, LABELS = examples(12)
FAULTS = {
    "empty": (NAMES[0], b"", r"the first bytes \(none\), expected 00 00 08 03"),
    "garbage": (NAMES[0], b"<html>404", r"the first bytes 3c 68 74 6d, expected 00 00 08 03"),
    "labels in place of images": (NAMES[0], idx(LABELS), r"00 00 08 01, expected 00 00 08 03, an IDX file"),
    "floats": (NAMES[0], idx(IMAGES, kind=0x0D), r"00 00 0d 03, expected 00 00 08 03"),
    "header cut": (NAMES[0], idx(IMAGES)[:9], r"9 bytes, expected a header of 16 bytes"),
    "cut": (NAMES[0], idx(IMAGES)[:-1], r"9407 values, expected 9408, as its header says \(12 x 28 x 28\). Replace"),
    "too long": (NAMES[0], idx(IMAGES) + b"x", r"9409 values, expected 9408"),
    "gzip cut": (NAMES[0], gzip.compress(idx(IMAGES))[:-200], r"cannot be read \(.*end-of-stream.*expected an intact"),
    "gzip corrupt": (NAMES[0], gzip.compress(idx(IMAGES))[:40] + bytes(60), r"something that cannot be read"),
    "gzip checksum": (NAMES[1], gzip.compress(idx(LABELS))[:-8] + bytes(8), r"something that cannot be read \(CRC"),
    "other image size": (NAMES[2], idx(IMAGES[:, :27]), r"shape \(12, 27, 28, 1\), expected \(n, 28, 28, 1\)"),
    "no image": (NAMES[0], idx(IMAGES[:0]), r"shape \(0, 28, 28, 1\), expected \(n, 28, 28, 1\)"),
    "fewer labels": (
        NAMES[1],
        idx(LABELS[:-1]),
        r"labels of shape \(11,\), expected 12, one for each image of .*images",
    ),
    "label 10": (
        NAMES[3],
        idx(np.array([0, 1, 2, 3, 10], np.uint8)),
        r"from 0 to 10, expected whole numbers from 0 to 9",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_is_named_with_what_was_found_and_expected(folder, fault):
    name, content, pattern = FAULTS[fault]
    replace(folder, name, content)
    with pytest.raises(DataError, match=pattern) as raised:
        load(folder)
    message = str(raised.value)
    assert message.startswith(str(folder / name))
    assert message.rstrip().endswith((".", "again."))


def test_a_directory_in_place_of_a_file_counts_as_missing(folder):
    (folder / NAMES[0]).unlink()
    (folder / NAMES[0]).mkdir()
    with pytest.raises(DataError, match=f"no {NAMES[0]}"):
        load(folder)
