"""CIFAR-10: 60 000 color photographs of 32x32 pixels, ten classes.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, University of
Toronto, 2009.
"""

from __future__ import annotations

from study.datasets import Dataset, Whereabouts
from study.datasets._sources import PublishedImages, find_images, look_up
from study.datasets._split import SplitPlan, split_images

_PUBLISHED = PublishedImages(
    name="cifar10",
    shape=(32, 32, 3),
    cached=("cifar-10-batches-py-target", "cifar-10-batches-py"),
    formats="the batches of the Python or the binary version (data_batch_1, ... or data_batch_1.bin, ...)",
)


def load(
    *, path: str | None = None, n_validation: int, validation: str, scaling: str = "unit", split_seed: int
) -> Dataset:
    """Load CIFAR-10.

    Args:
        path: A folder with the batches of the Python or the binary version, or an NPZ file with `x_train`, `y_train`,
            `x_test` and `y_test`. None (the default): Keras's cache, then Keras's download.
        n_validation: Number of training examples that become the validation split, at least 1.
        validation: `first`: the first training examples; `random`: examples drawn by `split_seed`.
        scaling: `unit`: pixels from 0 to 1; `standard`: mean 0 and standard deviation 1 per channel over the training
            split. Default `unit`.
        split_seed: Seed of the draw, at least 0.

    Returns:
        A data set with x of shape (n, 32, 32, 3), float32, and y of shape (n,), int32.

    Raises:
        ConfigError: An argument is invalid.
        DataError: No source has the data set, or a file has other content than expected.
    """
    plan = SplitPlan(n_validation=n_validation, validation=validation, scaling=scaling, split_seed=split_seed)
    return split_images(find_images(_PUBLISHED, path=path), plan, name="cifar10")


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return look_up(_PUBLISHED)
