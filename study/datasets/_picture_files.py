"""Find the pictures of a folder of classes, and decode them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from study.core.errors import DataError, refuse_out_of_memory
from study.datasets._images import ImageShape, data_error

SUFFIXES = (".png", ".jpg", ".jpeg")
# Names of folders that are splits and no classes, with other spellings.
_SPLITS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test",)}
# Size of the decoded pictures that are handed on together, in bytes.
_CHUNK_BYTES = 1 << 26
# Bad files that a message names at most.
_NAMED_FILES = 5
# Pictures whose sizes are read together.
_HEADERS_AT_ONCE = 4096
# The EXIF entry of a camera's position, and its values for pictures whose width and height are exchanged.
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)

# Each thread holds a whole picture, before it is resized.
_MOST_THREADS = 8

_Read = TypeVar("_Read")


@dataclass(frozen=True, kw_only=True)
class PictureFiles:
    """The files of pictures in folders of classes.

    Attributes:
        folder: The folder of the folders.
        paths: Path of each picture.
        labels: Class index of each picture, shape (n,).
        classes: Names of the classes, in the order of the alphabet.
        splits: Indices of the pictures of each split that has a folder of its own; else of `train` alone.
    """

    folder: Path
    paths: tuple[Path, ...]
    labels: NDArray[np.int32]
    classes: tuple[str, ...]
    splits: dict[str, NDArray[np.int64]]


def find_pictures(folder: Path, *, expected: str) -> PictureFiles:
    """Find the pictures of each class, without opening them.

    Folders with the names of splits, such as `train` and `test`, hold the folders of classes of each split.

    Args:
        folder: The folder of the folders.
        expected: The expected content, in words.

    Raises:
        DataError: There are fewer than two classes, or one without a picture.
    """
    splits = _split_folders(folder)
    found = [
        (split, inner.name, path)
        for split, outer in splits.items()
        for inner in _folders(outer)
        for path in _pictures_below(inner)
    ]
    classes = tuple(sorted({inner.name for outer in splits.values() for inner in _folders(outer)}))
    numbers = {name: number for number, name in enumerate(classes)}
    if len(classes) < 2:
        n_own = sum(path.suffix.lower() in SUFFIXES for path in folder.iterdir() if path.is_file())
        inner = f"1 folder, {classes[0]}," if classes else "no folders"
        seen = f"{inner} and {n_own} picture{'' if n_own == 1 else 's'}"
        advice = "Point dataset.path at the folder whose folders are the classes; there must be at least two."
        raise data_error(folder, found=seen, expected=expected, advice=advice)
    empty = sorted({*classes} - {name for _, name, _ in found})
    if empty:
        advice = "Add pictures, or remove the folder. Convert other formats to PNG."
        seen = f"no PNG or JPEG file in the folder {empty[0]}"
        raise data_error(folder, found=seen, expected=expected, advice=advice)
    return PictureFiles(
        folder=folder,
        paths=tuple(path for _, _, path in found),
        labels=np.asarray([numbers[name] for _, name, _ in found], np.int32),
        classes=classes,
        splits={split: np.flatnonzero([each == split for each, _, _ in found]) for split in splits},
    )


def common_size(files: PictureFiles) -> tuple[int, int]:
    """Return the height and width that all pictures have.

    Args:
        files: The pictures.

    Raises:
        DataError: Their sizes differ, or some cannot be read.
    """
    sizes: dict[tuple[int, int], Path] = {}
    for paths, found in _read_in_chunks(files, _size_of, per_chunk=_HEADERS_AT_ONCE):
        for path, size in zip(paths, found, strict=True):
            sizes.setdefault(size, path)
    if len(sizes) > 1:
        told = [f"{size[0]} x {size[1]} ({path.name})" for size, path in list(sizes.items())[:2]]
        advice = "Set dataset.size, such as dataset.size=64 or dataset.size=[48,64] (height and width)."
        raise data_error(
            files.folder,
            found=f"pictures of {len(sizes)} sizes, such as {' and '.join(told)}",
            expected="one size (height x width) for dataset.size=null",
            advice=advice,
        )
    return next(iter(sizes))


def decode(files: PictureFiles, shape: ImageShape) -> Iterator[NDArray[np.uint8]]:
    """Decode and resize pictures, in their order and in arrays of many pictures each.

    Args:
        files: The pictures.
        shape: Height, width and channels.

    Yields:
        Pixels, shape (n, height, width, channels).

    Raises:
        DataError: Some pictures cannot be read. It is raised after the last picture, and names the first bad ones.
    """
    per_chunk = max(1, _CHUNK_BYTES // math.prod(shape))
    for _, pictures in _read_in_chunks(files, partial(_pixels_of, shape=shape), per_chunk=per_chunk):
        if pictures:
            yield np.stack(pictures)


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split, or the folder itself for the training split if it has classes in it."""
    names = {inner.name.lower(): inner for inner in _folders(folder)}
    found = {split: names[name] for split, spellings in _SPLITS.items() for name in spellings if name in names}
    return found if "train" in found and len(found) == len(names) else {"train": folder}


def _folders(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))


def _pictures_below(folder: Path) -> list[Path]:
    """Return the pictures in a folder and the folders in it, in the order of their paths."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return sorted(found)


def _read_in_chunks(
    files: PictureFiles, read: Callable[[Path], _Read], *, per_chunk: int
) -> Iterator[tuple[Sequence[Path], list[_Read]]]:
    """Yield paths with what was read of them, without those that cannot be read; these are refused at the end."""
    bad: list[str] = []

    def attempt(path: Path) -> list[_Read]:
        try:
            return [read(path)]
        except Exception as error:  # a damaged file can make a decoder fail in any way
            refuse_out_of_memory(error, f"reading {path}")
            bad.append(f"{path.relative_to(files.folder)} ({str(error) or type(error).__name__})")
            return []

    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:  # decoders let other threads run
        for start in range(0, len(files.paths), per_chunk):
            paths = files.paths[start : start + per_chunk]
            found = list(pool.map(attempt, paths))
            good = [path for path, each in zip(paths, found, strict=True) if each]
            yield good, [value for each in found for value in each]
    if bad:
        named = "; ".join(sorted(bad)[:_NAMED_FILES]) + ("; ..." if len(bad) > _NAMED_FILES else "")
        count = "1 picture" if len(bad) == 1 else f"{len(bad)} pictures"
        raise DataError(
            f"{files.folder}: {count} of {len(files.paths)} cannot be read: {named}. Replace or remove the files."
        )


def _size_of(path: Path) -> tuple[int, int]:
    """Return height and width of an upright picture; only the head of the file is read."""
    with Image.open(path) as picture:
        width, height = picture.size
        return (width, height) if picture.getexif().get(_ORIENTATION, 1) in _LYING else (height, width)


def _pixels_of(path: Path, *, shape: ImageShape) -> NDArray[np.uint8]:
    """Return the pixels of an upright picture of a given size and number of channels."""
    height, width, n_channels = shape
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):  # 16 bits, of which Pillow would cut off all above 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    picture = picture.convert("L" if n_channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(shape)
