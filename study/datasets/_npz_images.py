"""Read an NPZ file with `x_train`, `y_train`, `x_test` and `y_test`, Keras's format of MNIST."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from study.datasets._images import Images, ImageShape, checked_pair, data_error

_NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_npz(file: Path, *, shape: ImageShape) -> Images:
    """Read one NPZ file; nothing in it is unpickled.

    Args:
        file: Path of the file.
        shape: Height, width and channels that the images should have.

    Raises:
        DataError: The file is no NPZ file, is damaged, or lacks an array; or an array is not allowed.
    """
    advice = "Give an NPZ file written by numpy.savez with these four arrays."
    expected = f"an NPZ file with {', '.join(_NAMES)}"
    try:
        # A single array or a pickle is no archive, and numpy.load would treat each in another way.
        with zipfile.ZipFile(file) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
        missing = [name for name in _NAMES if name not in held]
        if missing:
            raise data_error(file, found=f"no {', no '.join(missing)}", expected=expected, advice=advice)
        with np.load(file, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in _NAMES)
    # RuntimeError: zipfile raises it for encryption, and a subclass for an unknown compression method.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        found = f"something that cannot be read ({error})"
        raise data_error(file, found=found, expected=expected, advice=advice) from error
    return Images(
        source=str(file),
        train=checked_pair(x_train, y_train, x_file=f"{file}[x_train]", y_file=f"{file}[y_train]", shape=shape),
        test=checked_pair(x_test, y_test, x_file=f"{file}[x_test]", y_file=f"{file}[y_test]", shape=shape),
    )
