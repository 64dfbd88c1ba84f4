"""Pictures of your own in folders: one folder for each class, with PNG or JPEG files.

More pictures than fit well into memory are decoded once, into a file that is read in pieces.

Source: the folder that `dataset.path` names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from study.core.errors import Fault
from study.datasets import Dataset, Split, Whereabouts
from study.datasets._argument_checks import choice_fault, existing_path, integer_fault, is_whole, refuse
from study.datasets._decoded_pictures import ScaledPictures, open_decoded, scaled_to_unit
from study.datasets._held_out import MOST_IN_MEMORY, Indices, assemble, hold_out_missing, refuse_unseen_classes
from study.datasets._images import ImageShape
from study.datasets._picture_files import PictureFiles, common_size, decode, find_pictures

IDENTIFICATIONS = ("contents", "times")
CHANNELS = {"rgb": 3, "grey": 1}
_BY_TIMES = (
    "Pictures that were decoded before are recognized by path, size and time of the last change, not by contents."
)
_EXPECTED = "a folder with a folder of PNG or JPEG files for each class"


def load(
    *,
    path: str | None = None,
    size: int | Sequence[int] | None = 64,
    color: str = "rgb",
    identify: str = "contents",
    validation: float | int | str | Mapping[str, Any] = 0.1,
    test: float | int | str | Mapping[str, Any] | None = 0.2,
    split_seed: int,
) -> Dataset:
    """Load pictures; the names of the folders are the classes, in the order of the alphabet.

    If the folder holds only folders named `train`, `validation` or `val`, and `test`, these hold the folders of the
    classes, and the rules `validation` and `test` are for the splits that are not there.

    Pictures are found in folders of any depth below that of their class. Their order is that of their paths. Other
    files, and names that begin with a dot, are passed over. A picture is turned as its camera's entry says, and an
    alpha channel is dropped.

    Pictures of together more than 512 MiB as float32 are decoded once into a file below `$XDG_CACHE_HOME` or
    `~/.cache`, in the folder `optimizer-study`, with a byte for each value. Values are scaled when they are read.

    Args:
        path: The folder.
        size: Height and width in pixels, or one number for both; pictures of another size are resized (bilinear).
            None: as they are, if they have one size. Default 64.
        color: `rgb`: three channels; `grey`: one. Default `rgb`.
        identify: Way to recognize pictures that are decoded already: by their `contents`, or by `times`, which is
            quicker: by their paths, sizes and times of the last change. Default `contents`.
        validation: Share of the pictures, number of first pictures, or a mapping such as `{share: 0.1, by:
            stratified}`. Default 0.1.
        test: The same for the test split, which is taken first; `none`: no test split. Default 0.2.
        split_seed: Seed of a validation split that is drawn, at least 0.

    Returns:
        A data set with x of shape (n, height, width, channels), float32 from 0 to 1, and y of shape (n,), int32.

    Raises:
        ConfigError: An argument is invalid.
        DataError: The folder is not there, a class has no picture, or some pictures cannot be read.
    """
    refuse(
        _size_fault(size),
        choice_fault("dataset.color", color, tuple(CHANNELS)),
        choice_fault("dataset.identify", identify, IDENTIFICATIONS),
        integer_fault("split_seed", split_seed, minimum=0),
    )
    folder = existing_path(path, expected=_EXPECTED, is_folder=True)
    files = find_pictures(folder, expected=_EXPECTED)
    train = files.splits["train"]
    held_out, remarks = hold_out_missing(
        len(train),
        present=files.splits,
        validation=validation,
        test=test,
        seed=split_seed,
        labels=files.labels[train],
    )
    rows = files.splits | {split: train[chosen] for split, chosen in held_out.items()}
    refuse_unseen_classes(files.classes, files.labels, rows, source=str(folder))
    height, width = common_size(files) if size is None else (size, size) if isinstance(size, int) else size
    shape = (height, width, CHANNELS[color])
    splits = _splits(files, rows, shape, by_times=identify == "times")
    source = str(folder)
    if identify == "times" and isinstance(splits["train"].x, ScaledPictures):
        source += ", identified by size and time"
        remarks += (_BY_TIMES,)
    return assemble(splits, source=source, n_outputs=len(files.classes), remarks=remarks)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="pictures of your own, in a folder for each class: dataset.path=FOLDER")


def _splits(
    files: PictureFiles, rows: Mapping[str, Indices], shape: ImageShape, *, by_times: bool
) -> dict[str, Split]:
    """Return the splits, with many pictures on disk."""
    n_bytes = len(files.paths) * math.prod(shape) * np.dtype(np.float32).itemsize
    if n_bytes <= MOST_IN_MEMORY:
        pixels = np.concatenate(list(decode(files, shape)))
        return {split: Split(x=scaled_to_unit(pixels[each]), y=files.labels[each]) for split, each in rows.items()}
    decoded = open_decoded(files, shape, by_times=by_times)
    return {split: Split(x=ScaledPictures(decoded, each), y=files.labels[each]) for split, each in rows.items()}


def _size_fault(size: Any) -> Fault | None:
    sides = size if isinstance(size, Sequence) and not isinstance(size, str) and len(size) == 2 else [size]
    if size is None or all(is_whole(side) and side >= 1 for side in sides):
        return None
    allowed = "a whole number of at least 1, two of them (height and width), or null"
    return Fault(key="dataset.size", value=size, allowed=allowed, advice="Set dataset.size=64, for example.")
