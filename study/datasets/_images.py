"""Labeled images as they are stored, checked against the data set's shape and classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import DataError

N_CLASSES = 10

ImageShape = tuple[int, int, int]
Pair = tuple[NDArray[np.uint8], NDArray[np.int32]]


@dataclass(frozen=True, kw_only=True)
class Images:
    """The published training and test images of a data set, unscaled.

    Attributes:
        source: Origin of the images, in words or as a path.
        train: Pixels, shape (n_train, height, width, channels), and class indices, shape (n_train,).
        test: Pixels, shape (n_test, height, width, channels), and class indices, shape (n_test,).
        pixel_max: The largest possible value of a pixel. Default 255.
    """

    source: str
    train: Pair
    test: Pair
    pixel_max: int = 255


def data_error(file: Path | str, *, found: object, expected: str, advice: str) -> DataError:
    """Return the error for a file with other content than expected.

    Args:
        file: Path of the file, or its name in messages.
        found: The content found, in words.
        expected: The expected content, in words.
        advice: The next step, as a sentence.
    """
    return DataError(f"{file}: found {found}, expected {expected}. {advice}")


def checked_pair(
    x: NDArray[Any], y: NDArray[Any], *, x_file: Path | str, y_file: Path | str, shape: ImageShape
) -> Pair:
    """Check images and their labels, and return them in one form.

    Args:
        x: Pixels, shape (n, height, width, channels), or (n, height, width) for a single channel.
        y: Class indices, shape (n,) or (n, 1).
        x_file: Name of the pixels' place in messages.
        y_file: Name of the labels' place in messages.
        shape: Height, width and channels that the images should have.

    Raises:
        DataError: A shape, a type, a number of examples or a label is not allowed.
    """
    advice = f"Give files whose images are {' x '.join(map(str, shape))}, or choose the data set that they belong to."
    if x.ndim == 3 and shape[2] == 1:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.shape[1:] != shape or len(x) == 0:
        raise data_error(x_file, found=f"an array of shape {x.shape}", expected=f"(n, {str(shape)[1:]}", advice=advice)
    if not np.issubdtype(x.dtype, np.integer) or (x.dtype != np.uint8 and (x.min() < 0 or x.max() > 255)):
        allowed = "whole numbers from 0 to 255"
        advice = "Store unscaled pixels as uint8; dataset.scaling does the scaling."
        raise data_error(x_file, found=f"pixels of type {x.dtype}", expected=allowed, advice=advice)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (len(x),):
        expected = f"{len(x)}, one for each image of {x_file}"
        raise data_error(y_file, found=f"labels of shape {y.shape}", expected=expected, advice="Give matching files.")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= N_CLASSES:
        found = f"labels of type {y.dtype} from {y.min()} to {y.max()}"
        expected = f"whole numbers from 0 to {N_CLASSES - 1}"
        raise data_error(y_file, found=found, expected=expected, advice="Replace the file by an intact copy.")
    return x.astype(np.uint8, copy=False), y.astype(np.int32)
