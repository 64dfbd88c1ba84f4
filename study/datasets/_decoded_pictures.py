"""Decoded pictures on disk, read in pieces: more of them than fit into memory."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray

from study.core.errors import StoreError, limit_errors
from study.datasets._images import ImageShape
from study.datasets._picture_files import PictureFiles, decode

# Version of the decoded values; to be raised when `decode` gives other ones.
_VERSION = 1
_PIXEL_MAX = 255
_PIXELS, _DIGEST = "pixels.npy", "digest"


@dataclass(frozen=True, kw_only=True)
class DecodedPictures:
    """Decoded pictures in a file.

    Attributes:
        pixels: Their values, shape (n, height, width, channels), mapped from the file.
        digest: Hexadecimal digits of the SHA-256 of all values.
    """

    pixels: NDArray[np.uint8]
    digest: str


class ScaledPictures:
    """Some decoded pictures as float32 from 0 to 1, scaled when they are read; a `study.datasets.LazyArray`.

    Args:
        decoded: The decoded pictures.
        chosen: Indices of the pictures, shape (n,).
    """

    def __init__(self, decoded: DecodedPictures, chosen: NDArray[np.integer[Any]]) -> None:
        self._decoded = decoded
        self._chosen = np.asarray(chosen, np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the number of pictures first."""
        return (len(self._chosen), *self._decoded.pixels.shape[1:])

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the values."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, chosen: slice | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        return scaled_to_unit(self._decoded.pixels[self._chosen[chosen]])

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digits of a digest of all values, without reading them."""
        return hashlib.sha256(self._decoded.digest.encode() + self._chosen.tobytes()).hexdigest()


def scaled_to_unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels from 0 to 1.

    Args:
        pixels: Values from 0 to 255, of any shape.
    """
    return np.divide(pixels, np.float32(_PIXEL_MAX), dtype=np.float32)


def open_decoded(files: PictureFiles, shape: ImageShape, *, by_times: bool) -> DecodedPictures:
    """Return decoded pictures in the cache; decode them if it lacks them.

    Args:
        files: The pictures.
        shape: Height, width and channels.
        by_times: Recognize pictures by name, size and time of the last change, and not by their contents.

    Raises:
        DataError: Some pictures cannot be read.
        StoreError: The cache cannot be written.
    """
    cache = cache_folder()
    place = cache / f"pictures-{_key(files, shape, by_times=by_times)}"
    if (found := _opened(place, n=len(files.paths), shape=shape)) is not None:
        return found
    try:
        with limit_errors(f"decoding pictures into {cache}, which XDG_CACHE_HOME moves,"):
            return _decoded_once(place, files, shape)
    except OSError as error:
        advice = "Set XDG_CACHE_HOME to a folder that can be written to."
        raise StoreError(f"{cache}: decoded pictures cannot be written there ({error}). {advice}") from error


def cache_folder() -> Path:
    """Return the folder of decoded pictures."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "optimizer-study"


def _decoded_once(place: Path, files: PictureFiles, shape: ImageShape) -> DecodedPictures:
    """Decode pictures into a folder unless it is there; one of several processes decodes, the others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if (found := _opened(place, n=len(files.paths), shape=shape)) is None:
            _write(place, files, shape)
            found = _opened(place, n=len(files.paths), shape=shape)
    if found is None:
        raise OSError(f"{place} was written, and cannot be read")
    return found


def _opened(place: Path, *, n: int, shape: ImageShape) -> DecodedPictures | None:
    """Return the decoded pictures of a folder; None if it is not there or damaged."""
    try:
        pixels = np.load(place / _PIXELS, mmap_mode="r")
        digest = (place / _DIGEST).read_text("ascii")
    except (OSError, ValueError, EOFError):
        return None
    return DecodedPictures(pixels=pixels, digest=digest) if pixels.shape == (n, *shape) else None


def _write(place: Path, files: PictureFiles, shape: ImageShape) -> None:
    """Decode pictures into a folder, which appears when it is complete."""
    partial = place.with_name(f"{place.name}.partial")
    for left in (partial, place):  # of a process that was killed, or damaged
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir()
    sha = hashlib.sha256(repr(shape).encode())
    try:
        # Written, and not mapped: a full disk is then an error, where a mapped file would end the process.
        with (partial / _PIXELS).open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(files.paths), *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for pixels in decode(files, shape):
                sha.update(pixels.data)
                file.write(pixels.data)
            file.flush()
            os.fsync(file.fileno())
        (partial / _DIGEST).write_text(sha.hexdigest(), "ascii")
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _key(files: PictureFiles, shape: ImageShape, *, by_times: bool) -> str:
    """Return what names decoded pictures: digits of a digest of the pictures and of the way of decoding."""
    sha = hashlib.sha256(repr((_VERSION, PIL.__version__, shape, by_times)).encode())
    for part in _by_times(files) if by_times else _by_contents(files):
        sha.update(part)
    return sha.hexdigest()[:32]


def _by_times(files: PictureFiles) -> Iterator[bytes]:
    for path in files.paths:
        state = path.stat()
        yield repr((os.fspath(path), state.st_size, state.st_mtime_ns)).encode()


def _by_contents(files: PictureFiles) -> Iterator[bytes]:
    with ThreadPoolExecutor() as pool:
        yield from pool.map(_content_digest, files.paths)


def _content_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
