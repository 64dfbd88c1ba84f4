"""Find published images: in a given place, Keras's cache or an installed package, or let Keras download them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.core.errors import DataError
from study.datasets import Whereabouts
from study.datasets._cifar import FOLDERS, find_batches, read_batches
from study.datasets._idx import find_idx, read_idx_folder
from study.datasets._images import Images, ImageShape, checked_pair, data_error
from study.datasets._npz_images import read_npz


@dataclass(frozen=True, kw_only=True)
class PublishedImages:
    """A published data set of images, and the places that may have it.

    Attributes:
        name: Name of the data set, which is also its module in `keras.datasets`.
        shape: Height, width and channels of its images.
        cached: Names of the data set below `datasets/` of Keras's home folder, older names last.
        formats: Allowed content of a folder given by the user, in words.
        package: A Debian package that has the data set, and the folder that the package installs. None (the default):
            there is no such package.
    """

    name: str
    shape: ImageShape
    cached: tuple[str, ...]
    formats: str
    package: tuple[str, str] | None = None


def find_images(published: PublishedImages, *, path: str | None) -> Images:
    """Read a data set from the first source that has it.

    Args:
        published: The data set.
        path: A folder or an NPZ file given by the user, the only place that is then tried. None: try all places.

    Raises:
        DataError: No source has the data set, the given place does not exist, or a file has other content than
            expected. A damaged file in a cache raises too: if it were skipped, the user would never see the damage.
    """
    if path is not None:
        place = Path(path).expanduser()
        if not place.exists():
            expected = f"a folder with {published.formats}, or one NPZ file"
            advice = "Correct dataset.path, or set dataset.path=null to search the usual places."
            raise data_error(f"dataset.path={path}", found="nothing there", expected=expected, advice=advice)
        return _read(place, published)
    places = list(_places(published))
    for place in places:
        if _is_complete(place):
            return _read_cached(place, published)
    return _download(published, places)


def look_up(published: PublishedImages) -> Whereabouts:
    """Return the place that a data set would be read from without `dataset.path`; nothing is read or downloaded.

    Args:
        published: The data set.
    """
    places = list(_places(published))
    place = next((str(place) for place in places if _is_complete(place)), None)
    return Whereabouts(place=place, ways=() if place else tuple(_ways(published, places)))


def _places(published: PublishedImages) -> Iterator[Path]:
    """Yield the local places of a data set in the order in which they are tried."""
    # Keras's own rule, written out here: importing Keras to look into the cache would take seconds.
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    for name in published.cached:
        yield home / "datasets" / name
    if published.package is not None:
        yield Path(published.package[1])


def _is_complete(place: Path) -> bool:
    """Return whether all files of a data set exist; an interrupted download leaves only some of them."""
    return place.is_file() or all(find_idx(place)) or all(find_batches(_batches_folder(place)))


def _read(place: Path, published: PublishedImages) -> Images:
    """Read the images of a place, in any of the formats."""
    if place.is_file():
        return read_npz(place, shape=published.shape)
    if any(find_idx(place)):
        return read_idx_folder(place, shape=published.shape)
    batches = _batches_folder(place)
    if any(find_batches(batches)):
        return read_batches(batches, shape=published.shape)
    archives = sorted(place.glob("*.npz"))
    named = [file for file in archives if file.name == f"{published.name}.npz"] or archives
    if len(named) != 1:
        found = f"{len(named)} NPZ files" if named else "none of these"
        advice = "Point dataset.path at the folder or the NPZ file itself."
        raise data_error(place, found=found, expected=f"{published.formats}, or one NPZ file", advice=advice)
    return read_npz(named[0], shape=published.shape)


def _read_cached(place: Path, published: PublishedImages) -> Images:
    """Read the images of a place that the user did not name; if it is damaged, say how to get it anew."""
    try:
        return _read(place, published)
    except DataError as error:
        raise DataError(
            f"{error} Or move {place} away: it is then looked for elsewhere, or downloaded again."
        ) from error


def _batches_folder(place: Path) -> Path:
    """Return the folder that CIFAR's archive unpacks to, or the place itself."""
    return next((place / name for name in FOLDERS if (place / name).is_dir()), place)


def _download(published: PublishedImages, places: list[Path]) -> Images:
    """Let Keras download a data set into its cache."""
    try:
        # Imported late: Keras takes seconds, and its backend must be chosen first.
        import keras

        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, published.name).load_data()
    except Exception as error:  # Keras raises a bare Exception if the network fails
        raise DataError(_not_found(published, places, error)) from error
    where = f"keras.datasets.{published.name}"
    return Images(
        source=where,
        train=checked_pair(x_train, y_train, x_file=where, y_file=where, shape=published.shape),
        test=checked_pair(x_test, y_test, x_file=where, y_file=where, shape=published.shape),
    )


def _not_found(published: PublishedImages, places: list[Path], error: Exception) -> str:
    """Return the message that names every way to get a data set."""
    return "\n".join(
        [
            f"dataset={published.name} was not found in {', '.join(map(str, places))}, "
            f"and Keras could not download it ({error}). Do one of these:",
            *(f"  - {way}" for way in _ways(published, places)),
            "Or choose dataset=digits, which needs no file.",
        ]
    )


def _ways(published: PublishedImages, places: list[Path]) -> list[str]:
    """Return every way to get a data set."""
    ways = [
        f"set dataset.path to a folder with {published.formats}, "
        "or to one NPZ file with x_train, y_train, x_test and y_test",
        f"put it into Keras's cache as {places[0]}",
        "run once with a network connection, so that Keras downloads it",
    ]
    if published.package is not None:
        ways.insert(2, f"install Debian's package: apt install {published.package[0]}")
    return ways
