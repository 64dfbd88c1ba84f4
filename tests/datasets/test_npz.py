"""NPZ files: as one file or in a folder, and every way in which one can be wrong."""

import numpy as np
import pytest

from study.core.errors import DataError
from study.datasets import cifar10, mnist

PLAN = {"n_validation": 2, "validation": "first", "split_seed": 0}


def arrays(shape=(28, 28), n=8, n_test=4):
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(0, 256, (n, *shape), dtype=np.uint8),
        "y_train": np.arange(n) % 10,
        "x_test": generator.integers(0, 256, (n_test, *shape), dtype=np.uint8),
        "y_test": np.arange(n_test) % 10,
    }


def write(file, **changes):
    np.savez(file, **{name: array for name, array in (arrays() | changes).items() if array is not None})
    return file


def load(path):
    return mnist.load(path=str(path), **PLAN)


def test_one_file_or_its_folder(tmp_path):
    file = write(tmp_path / "anything.npz")
    data = load(file)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 4)
    np.testing.assert_allclose(data.train.x[..., 0], arrays()["x_train"][2:] / 255, rtol=1e-6)
    assert data.source == str(file)
    assert load(tmp_path).digest == data.digest


def test_the_file_of_the_data_sets_name_wins_in_a_folder_of_several(tmp_path):
    write(tmp_path / "another.npz", x_test=np.zeros((4, 28, 28), np.uint8))
    expected = load(write(tmp_path / "mnist.npz")).digest
    assert load(tmp_path).digest == expected
    (tmp_path / "mnist.npz").rename(tmp_path / "third.npz")
    with pytest.raises(
        DataError, match=r"2 NPZ files, expected four IDX files .* or one NPZ file. Point dataset.path"
    ):
        load(tmp_path)


def test_channels_of_their_own_and_labels_in_a_column_are_the_same_data(tmp_path):
    plain = load(write(tmp_path / "a.npz")).digest
    held = arrays()
    changed = {"x_train": held["x_train"][..., np.newaxis].astype(np.int64), "y_train": held["y_train"][:, np.newaxis]}
    assert load(write(tmp_path / "b.npz", **changed)).digest == plain


def test_cifar_as_npz(tmp_path):
    np.savez(tmp_path / "c.npz", **arrays(shape=(32, 32, 3)))
    assert cifar10.load(path=str(tmp_path), **PLAN).input_shape == (32, 32, 3)


FAULTS = {
    "missing arrays": ({"y_train": None, "x_test": None}, "no y_train, no x_test, expected an NPZ file with x_train"),
    "objects": ({"y_train": np.array([{}] * 8)}, "cannot be read .*allow_pickle=False"),
    "scaled pixels": (
        {"x_train": np.zeros((8, 28, 28))},
        r"\[x_train\]: found pixels of type float64.*Store unscaled",
    ),
    "pixels beyond": (
        {"x_train": np.full((8, 28, 28), 256)},
        r"pixels of type int64, expected whole numbers from 0 to",
    ),
    "other size": (
        {"x_test": np.zeros((4, 32, 32, 3), np.uint8)},
        r"\[x_test\]: found an array of shape \(4, 32, 32, 3\)",
    ),
    "one-hot labels": (
        {"y_train": np.eye(8)},
        r"\[y_train\]: found labels of shape \(8, 8\), expected 8, one for each",
    ),
    "negative label": ({"y_test": np.arange(4) - 1}, r"\[y_test\]: found labels of type int64 from -1 to 2, expected"),
    "labels with fractions": ({"y_test": np.arange(4) / 2}, r"\[y_test\]: found labels of type float64"),
    "fewer labels": ({"y_train": np.arange(7)}, r"\[y_train\]: found labels of shape \(7,\), expected 8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_arrays(tmp_path, fault):
    changes, pattern = FAULTS[fault]
    file = write(tmp_path / "d.npz", **changes)
    with pytest.raises(DataError, match=pattern) as raised:
        load(file)
    assert str(raised.value).startswith(str(file))


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage"])
def test_what_is_no_npz(tmp_path, content):
    file = tmp_path / "mnist.npz"
    file.write_bytes(content)
    with pytest.raises(
        DataError, match=r"cannot be read .* expected an NPZ file with x_train, y_train, x_test, y_test"
    ):
        load(file)


def test_a_truncated_npz(tmp_path):
    file = write(tmp_path / "mnist.npz")
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match="cannot be read"):
        load(file)


def test_a_damaged_array_inside_an_npz(tmp_path):
    file = write(tmp_path / "mnist.npz")
    content = bytearray(file.read_bytes())
    content[1000] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read .*CRC"):
        load(file)


@pytest.mark.parametrize(("offset", "value"), [(8, 99), (6, 1)], ids=["unknown compression", "encryption"])
def test_an_archive_that_zipfile_refuses_to_read_is_told(tmp_path, offset, value):
    file = write(tmp_path / "mnist.npz")
    content = bytearray(file.read_bytes())
    for signature, shift in ((b"PK\x01\x02", 2), (b"PK\x03\x04", 0)):  # in the directory and before each array
        place = -1
        while (place := content.find(signature, place + 1)) >= 0:
            content[place + offset + shift] = value
    file.write_bytes(content)
    with pytest.raises(DataError, match="something that cannot be read"):
        load(file)
