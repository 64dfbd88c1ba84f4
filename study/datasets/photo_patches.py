"""Square patches of two photographs that scikit-learn bundles: the task is to name the photograph of a patch.

The splits come from strips of the photographs that have no pixel in common; within a strip, patches overlap. Each
patch can be normalized by itself, so that neither brightness nor contrast identifies the photograph.

Source: scikit-learn's load_sample_images: china.jpg, "Summer Palace" by S. Tarkowski, and flower.jpg by dany13, both
of 427 x 640 pixels, CC BY 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split, Whereabouts

SCALINGS = ("patch", "unit")
# Vertical strips of each photograph, from the left, so that the edges and the middle are in several splits.
STRIPS: Mapping[str, tuple[int, ...]] = {"train": (0, 2, 4), "validation": (1,), "test": (3,)}
_N_STRIPS = 5
_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_PIXEL_MAX = 255
# Mean of a normalized patch, the middle of a pixel's range, and a deviation that keeps nearly all values in the range.
_MEAN, _DEVIATION = 0.5, 0.25


def load(
    *,
    n_train: int = 259,
    n_validation: int = 100,
    n_test: int = 200,
    side: int = 64,
    scaling: str = "patch",
    split_seed: int,
) -> Dataset:
    """Cut patches at random places, equally many from both photographs.

    Args:
        n_train: Number of patches of the training split. Default 259.
        n_validation: Number of patches of the validation split. Default 100.
        n_test: Number of patches of the test split, which does not depend on the seed. Default 200.
        side: Side of a patch, in pixels. Default 64.
        scaling: `patch`: each patch has mean 0.5 and standard deviation 0.25; `unit`: pixels from 0 to 1. Default
            `patch`.
        split_seed: Seed of the places of the training and validation patches.

    Returns:
        A data set with x of shape (n, side, side, 3), float32, and y of shape (n,), int32: 0 is China, 1 the flower.

    Raises:
        ConfigError: An argument is invalid.
    """
    # Imported late: scikit-learn takes a second, and most other data sets do not need it.
    from sklearn.datasets import load_sample_image

    photographs = [np.asarray(load_sample_image(name)) for name in _PHOTOGRAPHS]
    height, width = photographs[0].shape[:2]
    largest = min(height, width // _N_STRIPS)
    _check({"n_train": n_train, "n_validation": n_validation, "n_test": n_test}, side, largest, scaling, split_seed)
    splits = {}
    for number, (split, n) in enumerate({"train": n_train, "validation": n_validation, "test": n_test}.items()):
        generator = np.random.default_rng([0 if split == "test" else split_seed, number])
        splits[split] = _cut(photographs, n, side=side, strips=STRIPS[split], scaling=scaling, generator=generator)
    return Dataset(
        name="photo_patches",
        source=whereabouts().place or "",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        n_outputs=1,
    )


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="scikit-learn's load_sample_images")


def _cut(
    photographs: list[NDArray[np.uint8]],
    n: int,
    *,
    side: int,
    strips: tuple[int, ...],
    scaling: str,
    generator: np.random.Generator,
) -> Split:
    """Cut n patches, from the photographs in turn, each within one strip."""
    height, width = photographs[0].shape[:2]
    strip_width = width // _N_STRIPS
    y = (np.arange(n) % len(photographs)).astype(np.int32)
    lefts = strip_width * generator.choice(strips, n) + generator.integers(0, strip_width - side + 1, n)
    tops = generator.integers(0, height - side + 1, n)
    patches = [
        photographs[photograph][top : top + side, left : left + side]
        for photograph, top, left in zip(y, tops, lefts, strict=True)
    ]
    x = np.stack(patches) / _PIXEL_MAX
    if scaling == "patch":
        axes = (1, 2, 3)
        deviation = x.std(axis=axes, keepdims=True)
        # A patch of a single color has nothing to scale.
        x = _MEAN + _DEVIATION * (x - x.mean(axis=axes, keepdims=True)) / np.where(deviation > 0, deviation, 1)
    return Split(x=x.astype(np.float32), y=y)


def _check(counts: Mapping[str, Any], side: Any, largest: int, scaling: str, split_seed: Any) -> None:
    whole = {**{f"dataset.{key}": (n, 2, None) for key, n in counts.items()}, "dataset.side": (side, 1, largest)}
    faults = [
        Fault(
            key=key,
            value=value,
            allowed=f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}"),
            advice=f"Set {key} to {least} or more." if most is None else f"A strip of a photograph has {most} pixels.",
        )
        for key, (value, least, most) in {**whole, "split_seed": (split_seed, 0, None)}.items()
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most)
    ]
    if scaling not in SCALINGS:
        allowed = f"one of {', '.join(SCALINGS)}"
        faults.append(Fault(key="dataset.scaling", value=scaling, allowed=allowed, advice="Choose one of them."))
    if faults:
        raise ConfigError(faults)
