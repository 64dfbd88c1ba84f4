"""The places of data sets, their order, and the message when no place has one."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest

from study.core.errors import DataError
from study.datasets import cifar10, fashion_mnist, mnist

PLAN = {"n_validation": 1, "validation": "first", "split_seed": 0}


def arrays(value, shape=(28, 28)):
    x, y = np.full((3, *shape), value, np.uint8), np.arange(3)
    return (x, y), (x[:2], y[:2])


def write(file, value):
    (x_train, y_train), (x_test, y_test) = arrays(value)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def pixel(data):
    return round(float(data.train.x.max()) * 255)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own for Keras, and no network."""

    def no_network():
        raise Exception("URL fetch failure: no network")

    for name in ("mnist", "fashion_mnist", "cifar10"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A stand-in for the folder that Debian's package installs."""
    folder = tmp_path / "package"
    moved = dataclasses.replace(fashion_mnist._PUBLISHED, package=("dataset-fashion-mnist", str(folder)))
    monkeypatch.setattr(fashion_mnist, "_PUBLISHED", moved)
    return folder


def test_a_given_path_comes_before_the_cache_and_the_cache_before_a_download(tmp_path, home, monkeypatch):
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: arrays(3))
    write(tmp_path / "given" / "mine.npz", 1)
    write(home / "datasets" / "mnist.npz", 2)
    assert pixel(mnist.load(path=str(tmp_path / "given"), **PLAN)) == 1
    assert pixel(mnist.load(**PLAN)) == 2
    (home / "datasets" / "mnist.npz").unlink()
    data = mnist.load(**PLAN)
    assert pixel(data) == 3
    assert data.source == "keras.datasets.mnist"


def test_without_keras_home_the_cache_is_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".keras" / "datasets" / "mnist.npz", 5)
    assert pixel(mnist.load(**PLAN)) == 5


def test_a_path_may_start_at_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "mine.npz", 6)
    assert pixel(mnist.load(path="~/mine.npz", **PLAN)) == 6


def idx_folder(folder, value, names=4):
    folder.mkdir(parents=True)
    (x, y), (x_test, y_test) = arrays(value)
    for name, array in [
        ("train-images-idx3-ubyte", x),
        ("train-labels-idx1-ubyte", y),
        ("t10k-images-idx3-ubyte", x_test),
        ("t10k-labels-idx1-ubyte", y_test),
    ][:names]:
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / name).write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes())


def test_fashion_mnist_from_the_cache_then_from_the_package(home, package):
    idx_folder(package, 8)
    assert pixel(fashion_mnist.load(**PLAN)) == 8
    idx_folder(home / "datasets" / "fashion-mnist", 7)
    assert pixel(fashion_mnist.load(**PLAN)) == 7


def test_an_interrupted_download_is_passed_over_and_a_damaged_file_is_told(home, package):
    cache = home / "datasets" / "fashion-mnist"
    idx_folder(cache, 7, names=3)
    idx_folder(package, 8)
    assert pixel(fashion_mnist.load(**PLAN)) == 8
    (cache / "t10k-labels-idx1-ubyte").write_bytes(b"garbage")
    told = rf"t10k-labels-idx1-ubyte: found the first bytes(.|\n)* Or move {cache} away: it is then looked for"
    with pytest.raises(DataError, match=told):
        fashion_mnist.load(**PLAN)


@pytest.mark.parametrize("cached", ["cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py"])
def test_cifar_from_the_cache_of_this_and_older_versions_of_keras(home, cached):
    folder = home / "datasets" / cached
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (folder / f"{name}.bin").write_bytes((b"\x01" + bytes([9]) * 3072) * 2)
    assert pixel(cifar10.load(**PLAN)) == 9


def test_nothing_at_the_given_path(tmp_path):
    with pytest.raises(
        DataError, match=r"dataset.path=.*nowhere: found nothing there, expected a folder with four IDX"
    ):
        mnist.load(path=str(tmp_path / "nowhere"), **PLAN)


def test_an_empty_folder_at_the_given_path_is_not_silently_replaced(tmp_path, home):
    write(home / "datasets" / "mnist.npz", 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: found none of these, expected four IDX .* or one NPZ file"):
        mnist.load(path=str(tmp_path / "empty"), **PLAN)


def test_one_message_names_all_the_ways(home, package):
    with pytest.raises(DataError) as raised:
        fashion_mnist.load(**PLAN)
    message = str(raised.value)
    cache = home / "datasets" / "fashion-mnist"
    for way in (
        f"dataset=fashion_mnist was not found in {cache}, {package}",
        "no network",
        "set dataset.path to a folder with four IDX files",
        f"Keras's cache as {cache}",
        "apt install dataset-fashion-mnist",
        "run once with a network",
        "dataset=digits, which needs no file",
    ):
        assert way in message
    for other in (mnist, cifar10):
        with pytest.raises(DataError, match=r"(?s)set dataset.path to .*Keras's cache as") as raised:
            other.load(**PLAN)
        assert "apt install" not in str(raised.value)


def test_a_download_of_another_shape_is_refused(monkeypatch):
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: arrays(1))
    with pytest.raises(DataError, match=r"keras.datasets.cifar10: found an array of shape \(3, 28, 28\)"):
        cifar10.load(**PLAN)


def test_a_local_data_set_imports_neither_keras_nor_scikit_learn(tmp_path):
    write(tmp_path / "mine.npz", 6)
    program = (
        "import sys; from study.datasets import cifar10, digits, fashion_mnist, mnist;"
        f"mnist.load(path={str(tmp_path)!r}, n_validation=1, validation='first', split_seed=0);"
        "assert not {'keras', 'tensorflow', 'jax', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
