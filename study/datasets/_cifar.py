"""Read the batches of CIFAR-10: the Python version (pickles) and the binary version (`.bin`)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.datasets._images import Images, ImageShape, Pair, checked_pair, data_error

FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_SHAPE = (3, 32, 32)
_N_PIXELS = 3072
_ADVICE = "Replace the file by an intact copy; its download or unpacking may have been cut off."

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_batches(folder: Path, *, shape: ImageShape) -> Images:
    """Read five training batches and the test batch, of either version.

    Args:
        folder: Path of the folder.
        shape: Height, width and channels that the images should have.

    Raises:
        DataError: A file is missing or damaged, or the training batches differ in length.
    """
    files = find_batches(folder)
    missing = [name for name, file in zip((*_TRAIN, _TEST), files, strict=True) if file is None]
    if missing:
        advice = "Unpack the archive again, or point dataset.path at the folder with all of them."
        found = "no " + ", no ".join(missing)
        raise data_error(folder, found=found, expected="five data batches and test_batch", advice=advice)
    *train, test = [(file, _read_batch(file)) for file in files if file is not None]
    lengths = [len(y) for _, (_, y) in train]
    if len(set(lengths)) > 1:
        short = train[int(np.argmin(lengths))][0]
        expected = f"{max(lengths)}, as in the other training batches"
        raise data_error(short, found=f"{min(lengths)} examples", expected=expected, advice=_ADVICE)
    return Images(
        source=str(folder),
        train=_joined([batch for _, batch in train], file=folder, shape=shape),
        test=_joined([test[1]], file=test[0], shape=shape),
    )


def find_batches(folder: Path) -> list[Path | None]:
    """Return the paths of the five training batches and the test batch; None for each that is missing.

    Args:
        folder: Path of the folder.
    """
    candidates = ([folder / name, folder / f"{name}.bin"] for name in (*_TRAIN, _TEST))
    return [next((file for file in pair if file.is_file()), None) for pair in candidates]


def _read_batch(file: Path) -> Batch:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise data_error(
            file, found=str(error), expected="a readable file", advice="Check its permissions."
        ) from error
    return _read_binary(content, file) if file.suffix == ".bin" else _read_pickle(content, file)


def _read_binary(content: bytes, file: Path) -> Batch:
    """Read records of one label and 3072 pixels: 32 rows of red, then of green, then of blue."""
    n_record = 1 + _N_PIXELS
    if not content or len(content) % n_record:
        expected = f"a multiple of {n_record}, one label and {_N_PIXELS} pixels an example"
        raise data_error(file, found=f"{len(content)} bytes", expected=expected, advice=_ADVICE)
    records = np.frombuffer(content, np.uint8).reshape(-1, n_record)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _read_pickle(content: bytes, file: Path) -> Batch:
    try:
        held = _SafeUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged pickles raise nearly any exception, even MemoryError
        found = f"something that cannot be unpickled ({type(error).__name__}: {error})"
        expected = "a pickled dictionary of NumPy arrays, lists and bytes"
        raise data_error(file, found=found, expected=expected, advice=_ADVICE) from error
    values = {_text(key): value for key, value in held.items()} if isinstance(held, dict) else {}
    x, labels = values.get("data"), values.get("labels")
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != _N_PIXELS or not len(x):
        found = f"data of shape {x.shape} and type {x.dtype}" if isinstance(x, np.ndarray) else "no array 'data'"
        raise data_error(file, found=found, expected=f"'data' of shape (n, {_N_PIXELS}), uint8", advice=_ADVICE)
    if not isinstance(labels, list) or len(labels) != len(x) or not all(type(label) is int for label in labels):
        found = f"{len(labels)} labels" if isinstance(labels, list) else "no list 'labels'"
        raise data_error(file, found=found, expected=f"{len(x)} whole numbers, one an image", advice=_ADVICE)
    return x, np.array(labels)


def _joined(batches: list[Batch], *, file: Path, shape: ImageShape) -> Pair:
    """Join batches and move the channels last."""
    x = np.concatenate([x for x, _ in batches]).reshape(-1, *_SHAPE).transpose(0, 2, 3, 1)
    return checked_pair(x, np.concatenate([y for _, y in batches]), x_file=file, y_file=file, shape=shape)


def _text(key: object) -> object:
    return key.decode("latin-1") if isinstance(key, bytes) else key


class _SafeUnpickler(pickle.Unpickler):
    """Unpickler of NumPy arrays and built-in containers; anything else that a pickle names is refused, never imported.

    Python documents an override of `find_class` for this purpose.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few constructors in pickles of arrays and bytes."""
        # NumPy 2 moved numpy.core to numpy._core; published pickles have the old name.
        allowed = _constructors().get((module.replace("numpy._core", "numpy.core"), name))
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")
        return allowed


def _constructors() -> dict[tuple[str, str], Callable[..., Any]]:
    """Return the functions that rebuild arrays, by their names in pickles; found by pickling an array."""
    empty = np.empty(0, np.uint8)
    return {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _callable(empty.__reduce__()),
        ("numpy.core.numeric", "_frombuffer"): _callable(empty.__reduce_ex__(5)),
        ("_codecs", "encode"): _encode,
    }


def _callable(reduced: Any) -> Callable[..., Any]:
    return reduced[0]  # type: ignore[no-any-return]


def _encode(text: str, encoding: str) -> bytes:
    """Rebuild bytes that Python 3 wrote in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin-1")
