"""Read IDX files, MNIST's original format, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.datasets._images import Images, ImageShape, Pair, checked_pair, data_error

_STEMS = ("train-images{}idx3-ubyte", "train-labels{}idx1-ubyte", "t10k-images{}idx3-ubyte", "t10k-labels{}idx1-ubyte")
_UNSIGNED_BYTES = 8
_ADVICE = "Replace the file by an intact copy; its download may have been cut off."


def read_idx_folder(folder: Path, *, shape: ImageShape) -> Images:
    """Read the four files of a data set in MNIST's format.

    Args:
        folder: Path of the folder.
        shape: Height, width and channels that the images should have.

    Raises:
        DataError: A file is missing, or has other content than expected.
    """
    files = find_idx(folder)
    missing = [stem.format("-") for stem, file in zip(_STEMS, files, strict=True) if file is None]
    if missing:
        advice = "Add them, plain or gzipped (.gz)."
        raise data_error(folder, found="no " + ", no ".join(missing), expected="all four IDX files", advice=advice)
    x_train, y_train, x_test, y_test = (file for file in files if file is not None)
    return Images(
        source=str(folder),
        train=_read_pair(x_train, y_train, shape),
        test=_read_pair(x_test, y_test, shape),
    )


def find_idx(folder: Path) -> list[Path | None]:
    """Return the paths of training images and labels, test images and labels; None for each that is missing.

    Args:
        folder: Path of the folder.
    """
    return [_find(folder, stem) for stem in _STEMS]


def read_idx(file: Path, *, n_dimensions: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as four bytes, high byte
    first; the values follow.

    Args:
        file: Path of the file.
        n_dimensions: Number of dimensions that the array should have.

    Raises:
        DataError: The file cannot be read or unpacked, or its header or length is wrong.
    """
    content = _content(file)
    n_header = 4 + 4 * n_dimensions
    magic = bytes((0, 0, _UNSIGNED_BYTES, n_dimensions))
    if content[:4] != magic:
        found = f"the first bytes {content[:4].hex(' ') or '(none)'}"
        expected = f"{magic.hex(' ')}, an IDX file of unsigned bytes in {n_dimensions} dimension(s)"
        raise data_error(file, found=found, expected=expected, advice="Give an IDX file of this kind.")
    if len(content) < n_header:
        expected = f"a header of {n_header} bytes"
        raise data_error(file, found=f"{len(content)} bytes", expected=expected, advice=_ADVICE)
    sizes = struct.unpack(f">{n_dimensions}I", content[4:n_header])
    n_values = len(content) - n_header
    if n_values != math.prod(sizes):
        expected = f"{math.prod(sizes)}, as its header says ({' x '.join(map(str, sizes))})"
        raise data_error(file, found=f"{n_values} values", expected=expected, advice=_ADVICE)
    return np.frombuffer(content, np.uint8, offset=n_header).reshape(sizes)


def _find(folder: Path, stem: str) -> Path | None:
    names = [stem.format(separator) + ending for ending in ("", ".gz") for separator in ("-", ".")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_pair(x_file: Path, y_file: Path, shape: ImageShape) -> Pair:
    x, y = read_idx(x_file, n_dimensions=3), read_idx(y_file, n_dimensions=1)
    return checked_pair(x, y, x_file=x_file, y_file=y_file, shape=shape)


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        # By content, not by name: browsers unpack .gz files on the way without renaming them.
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        found = f"something that cannot be read ({error})"
        raise data_error(file, found=found, expected="an intact IDX file", advice=_ADVICE) from error
