"""Pictures in folders of classes: kinds of files, splits, the file of decoded pictures, and damaged pictures."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.core.errors import ConfigError, DataError, StoreAwayError, StoreError
from study.datasets import _decoded_pictures, image_folder

NONE_HELD_OUT = {"validation": {"n": 1, "by": "last"}, "test": "none", "split_seed": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "optimizer-study"


@pytest.fixture
def on_disk(monkeypatch):
    """Keep decoded pictures on disk, however few they are."""
    monkeypatch.setattr(image_folder, "MOST_IN_MEMORY", 0)


def save(file, pixels, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, **options)


def write(folder, *, n=6, side=8, classes=("cat", "dog")):
    """Noise in PNG files, n for each class; return the folder and the pixels in the order of their paths."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(classes), n, side, side, 3), dtype=np.uint8)
    for name, pictures in zip(classes, pixels, strict=True):
        for number, picture in enumerate(pictures):
            save(folder / name / f"{number}.png", picture)
    return folder, pixels.reshape(-1, side, side, 3)


def load(folder, **arguments):
    return image_folder.load(path=str(folder), **{"size": 8, **NONE_HELD_OUT, **arguments})


def test_folders_are_classes_and_values_go_from_0_to_1(tmp_path):
    folder, pixels = write(tmp_path / "mine")
    dataset = load(folder)
    assert (dataset.train.x.dtype, dataset.train.y.dtype, dataset.n_outputs) == (np.float32, np.int32, 2)
    np.testing.assert_array_equal(dataset.train.x, pixels[:-1].astype(np.float32) / np.float32(255))
    assert dataset.train.y.tolist() == [0] * 6 + [1] * 5
    assert dataset.validation.y.tolist() == [1]
    assert dataset.source == str(folder)


def test_each_class_is_divided(tmp_path):
    folder, _ = write(tmp_path / "mine", n=10)
    rule = {"share": 0.2, "by": "stratified"}
    dataset = load(folder, validation=rule, test=rule)
    assert np.bincount(dataset.test.y).tolist() == [2, 2]
    assert len(dataset.train) + len(dataset.validation) == 16
    assert load(folder, validation=rule, test=rule, split_seed=1).digest != dataset.digest


def test_folders_of_splits_hold_folders_of_classes(tmp_path):
    folder = tmp_path / "mine"
    write(folder / "train")
    write(folder / "test", n=2)
    dataset = load(folder, validation=0.25, test=0.5)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [9, 3, 4]
    assert dataset.test.y.tolist() == [0, 0, 1, 1]
    write(folder / "val", n=1)
    assert [len(split) for split in (load(folder).train, load(folder).validation)] == [12, 2]
    save(folder / "test" / "emu" / "a.png", np.zeros((8, 8, 3)))
    with pytest.raises(DataError, match="the test split has the class 'emu', of which there is no training example"):
        load(folder)


def test_sizes_colors_and_kinds_of_files(tmp_path):
    folder = tmp_path / "mine"
    save(folder / "a" / "deep" / "1.JPG", np.full((20, 30, 3), 100), quality=95)
    save(folder / "a" / "2.png", np.full((5, 5), 100))
    save(folder / "b" / "3.png", np.dstack([np.full((9, 9, 3), 100), np.zeros((9, 9))]))  # with an alpha channel
    Image.fromarray(np.full((4, 4), 100 * 256 + 7, np.uint16)).save(folder / "b" / "4.png")
    Image.fromarray(np.full((6, 6), 100, np.uint8)).convert("P").save(folder / "b" / "5.png")
    (folder / "b" / "notes.txt").write_text("not a picture")
    (folder / "b" / "._6.png").write_text("what some systems write beside files")
    (folder / ".hidden").mkdir()
    for color, n_channels in (("rgb", 3), ("grey", 1)):
        dataset = load(folder, size=[4, 6], color=color, validation={"n": 1, "by": "first"})
        assert dataset.input_shape == (4, 6, n_channels)
        assert dataset.train.y.tolist() == [0, 1, 1, 1]
        assert dataset.train.x == pytest.approx(100 / 255, abs=0.01)


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    pixels = np.zeros((2, 4, 3))
    pixels[:, :2] = 255
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        save(tmp_path / "mine" / name, pixels, exif=exif)
    dataset = load(tmp_path / "mine", size=None)
    assert dataset.input_shape == (4, 2, 3)
    assert dataset.train.x[0, :, 0, 0].tolist() == [1, 1, 0, 0]


def test_pictures_keep_their_size_if_they_have_one(tmp_path):
    folder, _ = write(tmp_path / "mine")
    np.testing.assert_array_equal(load(folder, size=None).train.x, load(folder).train.x)
    save(folder / "dog" / "9.png", np.zeros((7, 9, 3)))
    with pytest.raises(DataError, match=r"2 sizes, such as 8 x 8 \(0\.png\) and 7 x 9 \(9\.png\).*Set dataset\.size"):
        load(folder, size=None)


@pytest.mark.usefixtures("on_disk")
def test_decoded_pictures_on_disk_are_the_same(tmp_path, cache, monkeypatch):
    folder, pixels = write(tmp_path / "mine")
    lazy = load(folder, validation=0.25)
    assert not lazy.train.is_in_memory
    assert (lazy.train.x.shape, lazy.train.x.dtype, len(lazy.train.x)) == ((9, 8, 8, 3), np.float32, 9)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    whole = load(folder, validation=0.25)
    assert whole.train.is_in_memory
    for chosen in (slice(2, 5), np.array([3, 3, 0]), slice(None), np.array([], int)):
        np.testing.assert_array_equal(lazy.train.x[chosen], whole.train.x[chosen])
    assert lazy.train.take(np.array([1])).is_in_memory
    np.testing.assert_array_equal(np.load(next(cache.glob("pictures-*/pixels.npy"))), pixels)


@pytest.mark.usefixtures("on_disk")
def test_pictures_are_decoded_once(tmp_path, cache, monkeypatch):
    folder, _ = write(tmp_path / "mine")
    first = load(folder)
    (kept,) = cache.glob("pictures-*/pixels.npy")
    before = kept.stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr(_decoded_pictures, "decode", None)  # it would fail
        again = load(folder)
    assert kept.stat().st_mtime_ns == before
    assert again.train.x.digest == first.train.x.digest
    assert again.train.x.digest != again.validation.x.digest
    load(folder, color="grey")
    assert len(list(cache.glob("pictures-*/"))) == 2


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("identify", ["contents", "times"])
def test_another_picture_is_another_digest(tmp_path, identify):
    folder, pixels = write(tmp_path / "mine")
    before = load(folder, identify=identify)
    assert before.source == f"{folder}" + (", identified by size and time" if identify == "times" else "")
    assert any("not by contents" in remark for remark in before.remarks) == (identify == "times")
    os.utime(folder / "cat" / "0.png", (1, 1))
    assert load(folder, identify=identify).train.x.digest == before.train.x.digest
    save(folder / "cat" / "0.png", pixels[0] ^ 1)
    assert load(folder, identify=identify).train.x.digest != before.train.x.digest


@pytest.mark.usefixtures("on_disk")
def test_by_times_a_change_of_the_time_alone_is_seen_and_one_of_the_contents_alone_is_not(tmp_path):
    folder, pixels = write(tmp_path / "mine")
    for name in ("0", "1"):
        Image.fromarray(pixels[0]).save(folder / "cat" / f"{name}.bmp")  # the same size for all contents
        (folder / "cat" / f"{name}.bmp").rename(folder / "cat" / f"{name}.png")
    times = (folder / "cat" / "0.png").stat()
    before = load(folder, identify="times").train.x.digest
    Image.fromarray(pixels[1]).save(folder / "new.bmp")
    (folder / "new.bmp").rename(folder / "cat" / "0.png")
    os.utime(folder / "cat" / "0.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(folder, identify="times").train.x.digest == before
    os.utime(folder / "cat" / "0.png", (1, 1))
    assert load(folder, identify="times").train.x.digest != before


@pytest.mark.usefixtures("on_disk")
def test_a_damaged_file_of_decoded_pictures_is_written_anew(tmp_path, cache):
    folder, _ = write(tmp_path / "mine")
    before = load(folder).train.x.digest
    (kept,) = cache.glob("pictures-*/pixels.npy")
    for damage in (lambda: os.truncate(kept, 300), lambda: kept.write_bytes(b""), lambda: kept.unlink()):
        damage()
        assert load(folder).train.x.digest == before
        assert load(folder).train.x[:].shape == (11, 8, 8, 3)


KILLED = """
import os, signal, sys
from study.datasets import _decoded_pictures, image_folder
image_folder.MOST_IN_MEMORY = 0
def cut_short(files, shape):
    yield next(decode(files, shape))[:1]
    os.kill(os.getpid(), signal.SIGKILL)
decode, _decoded_pictures.decode = _decoded_pictures.decode, cut_short
image_folder.load(path=sys.argv[1], size=8, validation=0.1, test="none", split_seed=0)
"""


@pytest.mark.usefixtures("on_disk")
def test_a_decoding_that_was_killed_leaves_nothing_that_is_taken_for_whole(tmp_path, cache):
    folder, pixels = write(tmp_path / "mine")
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.suffix for path in cache.glob("pictures-*/")] == [".partial"]
    np.testing.assert_array_equal(load(folder).train.x[:1] * 255, pixels[:1].astype(np.float32))
    assert not list(cache.glob("*.partial"))


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize(
    ("number", "error", "told"),
    [
        (errno.ENOSPC, StoreAwayError, "The disk is full"),
        (errno.EROFS, StoreError, "It is write-protected"),
        (errno.EIO, StoreError, "Set XDG_CACHE_HOME to a folder that can be written to"),
    ],
)
def test_a_cache_that_cannot_be_written_says_how_to_move_it(tmp_path, cache, monkeypatch, number, error, told):
    folder, _ = write(tmp_path / "mine")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error, match=told) as raised:
        load(folder)
    assert str(cache) in str(raised.value)
    assert "XDG_CACHE_HOME" in str(raised.value)
    assert not list(cache.glob("pictures-*/"))


@pytest.mark.parametrize("disk", [False, True])
def test_all_damaged_pictures_are_named_at_once(tmp_path, cache, disk, monkeypatch):
    if disk:
        monkeypatch.setattr(image_folder, "MOST_IN_MEMORY", 0)
    folder, _ = write(tmp_path / "mine", n=8)
    (folder / "cat" / "0.png").write_bytes(b"")
    (folder / "dog" / "1.png").write_text("no picture")
    file = folder / "dog" / "2.png"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        DataError, match=r"3 pictures of 16 cannot be read: cat/0\.png \(.*; dog/1\.png .*; dog/2\.png"
    ):
        load(folder)
    for number in range(8):
        (folder / "cat" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"10 pictures of 16 cannot be read: .*; \.\.\.\. Replace or remove"):
        load(folder)
    with pytest.raises(DataError, match="10 pictures of 16 cannot be read"):
        load(folder, size=None)
    assert not [path for path in cache.glob("pictures-*") if path.is_dir()]


def test_folders_that_hold_no_classes(tmp_path):
    folder = tmp_path / "mine"
    save(folder / "cat" / "0.png", np.zeros((8, 8, 3)))
    save(folder / "1.png", np.zeros((8, 8, 3)))
    with pytest.raises(
        DataError, match=r"found 1 folder, cat, and 1 picture, expected.*Point dataset\.path at the folder whose"
    ):
        load(folder)
    (folder / "dog").mkdir()
    with pytest.raises(DataError, match="found no PNG or JPEG file in the folder dog"):
        load(folder)


def test_arguments(tmp_path):
    with pytest.raises(
        ConfigError, match=r"dataset\.path=null: expected the path of a folder.*Set dataset\.path=FOLDER"
    ):
        image_folder.load(split_seed=0)
    with pytest.raises(DataError, match="found a file, expected a folder with a folder of PNG or JPEG"):
        load(__file__)
    with pytest.raises(ConfigError, match=r"(?s)dataset\.color=red.*dataset\.identify=name.*split_seed=-1"):
        load(tmp_path, color="red", identify="name", split_seed=-1)
    for size in (0, [8], [8, 0], [8, 8, 3], True, "8"):
        with pytest.raises(ConfigError, match=r"dataset\.size=.*: expected a whole number of at least 1, two of them"):
            load(tmp_path, size=size)
    assert "dataset.path=FOLDER" in image_folder.whereabouts().place


def test_the_cache_is_below_the_home_folder_unless_another_place_is_named(monkeypatch):
    assert _decoded_pictures.cache_folder().name == "optimizer-study"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _decoded_pictures.cache_folder() == Path.home() / ".cache" / "optimizer-study"
