"""CIFAR-10's two formats on generated batches, and every way in which they can be wrong."""

import codecs
import io
import os
import pickle
import struct

import numpy as np
import pytest

from study.core.errors import DataError
from study.datasets import cifar10

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
PLAN = {"n_validation": 2, "validation": "first", "split_seed": 0}


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 did, as in the published files."""

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch = pickle._Pickler.dispatch | {bytes: save_bytes}


def batch(index, n=4):
    generator = np.random.default_rng(index)
    return generator.integers(0, 256, (n, 3072), dtype=np.uint8), generator.integers(0, 10, n).tolist()


def as_published(index):
    data, labels = batch(index)
    stream = io.BytesIO()
    held = {b"batch_label": b"a batch", b"labels": labels, b"data": data, b"filenames": [b"a.png"] * 4}
    Python2Pickler(stream, 2).dump(held)
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def as_binary(index):
    data, labels = batch(index)
    return b"".join(bytes([label]) + pixels.tobytes() for label, pixels in zip(labels, data, strict=True))


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "cifar-10-batches-py"
    inner.mkdir()
    for index, name in enumerate(BATCHES):
        (inner / name).write_bytes(as_published(index))
    return inner


@pytest.fixture
def binary_folder(tmp_path):
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    for index, name in enumerate(BATCHES):
        (inner / f"{name}.bin").write_bytes(as_binary(index))
    return inner


def load(folder):
    return cifar10.load(path=str(folder), **PLAN)


def test_reads_the_published_pickles(folder):
    assert b"cnumpy.core.multiarray\n_reconstruct" in (folder / "data_batch_1").read_bytes()
    data = load(folder)
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 4)
    assert data.input_shape == (32, 32, 3)
    pixels, labels = batch(1)  # the second training batch; two examples went to validation
    assert data.train.y[2:6].tolist() == labels
    for row, column, channel in ((0, 0, 0), (3, 5, 1), (31, 30, 2)):
        stored = pixels[0, channel * 1024 + row * 32 + column]
        assert data.train.x[2, row, column, channel] == pytest.approx(stored / 255, rel=1e-6)
    assert data.test.y.tolist() == batch(5)[1]


def test_both_versions_and_their_parent_folder_hold_the_same(folder, binary_folder):
    expected = load(folder).digest
    assert load(binary_folder).digest == expected
    assert load(folder.parent).digest == expected


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_of_today_are_read_as_well(folder, protocol):
    expected = load(folder).digest
    for index, name in enumerate(BATCHES):
        data, labels = batch(index)
        (folder / name).write_bytes(pickle.dumps({b"data": data, "labels": labels}, protocol))
    assert load(folder).digest == expected


class Evil:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_unpickling_runs_no_code(folder, protocol):
    trace = folder / "trace"
    for evil in (Evil(os.mkdir, str(trace)), Evil(eval, f"open({str(trace)!r}, 'w')")):
        (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": evil}, protocol))
        with pytest.raises(DataError, match=r"data_batch_3: found something that cannot be unpickled .* not allowed"):
            load(folder)
        assert not trace.exists()


def test_a_codec_other_than_the_one_for_bytes_is_refused(folder):
    (folder / "data_batch_3").write_bytes(pickle.dumps(Evil(codecs.encode, "a", "rot13"), 2))
    with pytest.raises(DataError, match="bytes encoded as 'rot13'"):
        load(folder)


def pickled(**changes):
    data, labels = batch(0)
    return pickle.dumps({"data": data, "labels": labels} | changes)


FAULTS = {
    "empty": (b"", r"cannot be unpickled \(EOFError"),
    "garbage": (b"<html>", r"something that cannot be unpickled"),
    "cut": (as_published(0)[:2000], r"something that cannot be unpickled"),
    "no dictionary": (pickle.dumps([1]), r"no array 'data', expected 'data' of shape \(n, 3072\), uint8"),
    "data a list": (pickled(data=[1]), r"no array 'data'"),
    "no examples": (pickled(data=np.zeros((0, 3072), np.uint8), labels=[]), r"data of shape \(0, 3072\)"),
    "other width": (pickled(data=np.zeros((4, 3071), np.uint8)), r"data of shape \(4, 3071\) and type uint8"),
    "floats": (pickled(data=np.zeros((4, 3072))), r"data of shape \(4, 3072\) and type float64"),
    "fewer labels": (pickled(labels=[1, 2, 3]), r"3 labels, expected 4 whole numbers, one an image"),
    "no labels": (pickled(labels=None), r"no list 'labels', expected 4"),
    "text as label": (pickled(labels=[1, 2, 3, "4"]), r"4 labels, expected 4 whole numbers"),
    "label 10": (
        pickled(labels=[0, 1, 2, 10]),
        r"labels of type int64 from 0 to 10, expected whole numbers from 0 to 9",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_pickle(folder, fault):
    content, pattern = FAULTS[fault]
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=pattern) as raised:
        load(folder)
    assert str(raised.value).startswith(str(folder / "test_batch"))


@pytest.mark.parametrize("content", [b"", as_binary(0)[:-1], as_binary(0) + b"x"])
def test_a_binary_batch_of_broken_records(binary_folder, content):
    (binary_folder / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(DataError, match=rf"data_batch_2.bin: found {len(content)} bytes, expected a multiple of 3073"):
        load(binary_folder)


def test_a_batch_cut_between_two_examples(binary_folder):
    (binary_folder / "data_batch_4.bin").write_bytes(as_binary(3)[: 3 * 3073])
    with pytest.raises(DataError, match=r"data_batch_4.bin: found 3 examples, expected 4, as in the other"):
        load(binary_folder)


def test_missing_batches_are_named(folder):
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(DataError, match="no data_batch_2, no test_batch, expected five data batches and test_batch"):
        load(folder.parent)
