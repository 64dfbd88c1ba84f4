"""Take the validation split from the training examples, and scale all three splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split
from study.datasets._argument_checks import choice_fault, integer_fault, refuse
from study.datasets._images import N_CLASSES, Images

VALIDATIONS = ("first", "random")
SCALINGS = ("unit", "standard")


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """The splits of a data set, and its scaling.

    Attributes:
        n_validation: Number of training examples that become the validation split, at least 1.
        validation: `first`: the first training examples; `random`: examples drawn by `split_seed`.
        scaling: `unit`: pixels from 0 to 1; `standard`: mean 0, standard deviation 1 per channel of the training
            split.
        split_seed: Seed of the draw, at least 0.

    Raises:
        ConfigError: Some arguments are invalid; the error has a fault for each.
    """

    n_validation: int
    validation: str
    scaling: str
    split_seed: int

    def __post_init__(self) -> None:
        refuse(
            integer_fault("dataset.n_validation", self.n_validation, minimum=1),
            choice_fault("dataset.validation", self.validation, VALIDATIONS),
            choice_fault("dataset.scaling", self.scaling, SCALINGS),
            integer_fault("split_seed", self.split_seed, minimum=0),
        )


def split_images(images: Images, plan: SplitPlan, *, name: str) -> Dataset:
    """Split and scale images; the training examples keep their order.

    Args:
        images: The published images.
        plan: The splits and the scaling.
        name: Name of the data set.

    Returns:
        A data set with x of shape (n, height, width, channels), float32, and y of shape (n,), int32.

    Raises:
        ConfigError: The validation split would leave no training example.
    """
    x, y = images.train
    held_out = _held_out(plan, n_train=len(x))
    train_x, shift, scale = _scaled_train(x[~held_out], plan, pixel_max=images.pixel_max)

    def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (_unit(pixels, images.pixel_max) - shift) / scale

    return Dataset(
        name=name,
        source=images.source,
        train=_split(train_x, y[~held_out]),
        validation=_split(scaled(x[held_out]), y[held_out]),
        test=_split(scaled(images.test[0]), images.test[1]),
        n_outputs=N_CLASSES,
    )


def _held_out(plan: SplitPlan, *, n_train: int) -> NDArray[np.bool_]:
    """Return a mask of the training examples that become the validation split, shape (n_train,)."""
    if plan.n_validation >= n_train:
        advice = f"Lower dataset.n_validation: there are {n_train} training examples in all."
        allowed = f"less than {n_train}"
        raise ConfigError([Fault(key="dataset.n_validation", value=plan.n_validation, allowed=allowed, advice=advice)])
    held_out = np.zeros(n_train, np.bool_)
    if plan.validation == "first":
        held_out[: plan.n_validation] = True
    else:
        drawn = np.random.default_rng(plan.split_seed).choice(n_train, plan.n_validation, replace=False)
        held_out[drawn] = True
    return held_out


def _scaled_train(
    pixels: NDArray[np.uint8], plan: SplitPlan, *, pixel_max: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Scale the train split and return it with the shift and scale that the other splits get, shape (channels,)."""
    x = _unit(pixels, pixel_max)
    n_channels = x.shape[-1]
    if plan.scaling == "unit":
        return x, np.zeros(n_channels, np.float32), np.ones(n_channels, np.float32)
    shift = x.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    x -= shift
    # In double precision without a copy of the images in double precision, which may be gigabytes.
    squares = np.einsum("nhwc,nhwc->c", x, x, dtype=np.float64)
    deviation = np.sqrt(squares / (x.size / n_channels))
    # A channel that never changes has nothing to scale.
    scale = np.where(deviation > 0, deviation, 1.0).astype(np.float32)
    x /= scale
    return x, shift, scale


def _unit(pixels: NDArray[np.uint8], pixel_max: int) -> NDArray[np.float32]:
    return np.divide(pixels, np.float32(pixel_max), dtype=np.float32)


def _split(x: NDArray[np.float32], y: NDArray[np.int32]) -> Split:
    return Split(x=np.ascontiguousarray(x), y=np.ascontiguousarray(y))
