"""MNIST: 70 000 handwritten digits of 28x28 pixels, ten classes.

Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

from study.datasets import Dataset, Whereabouts
from study.datasets._sources import PublishedImages, find_images, look_up
from study.datasets._split import SplitPlan, split_images

_PUBLISHED = PublishedImages(
    name="mnist",
    shape=(28, 28, 1),
    cached=("mnist.npz",),
    formats="four IDX files (train-images-idx3-ubyte and so on, .gz or not)",
)


def load(
    *, path: str | None = None, n_validation: int, validation: str, scaling: str = "unit", split_seed: int
) -> Dataset:
    """Load MNIST.

    Args:
        path: A folder with four IDX files, or an NPZ file with `x_train`, `y_train`, `x_test` and `y_test`. None (the
            default): Keras's cache, then Keras's download.
        n_validation: Number of training examples that become the validation split, at least 1.
        validation: `first`: the first training examples; `random`: examples drawn by `split_seed`.
        scaling: `unit`: pixels from 0 to 1; `standard`: mean 0 and standard deviation 1 over the training split.
            Default `unit`.
        split_seed: Seed of the draw, at least 0.

    Returns:
        A data set with x of shape (n, 28, 28, 1), float32, and y of shape (n,), int32.

    Raises:
        ConfigError: An argument is invalid.
        DataError: No source has the data set, or a file has other content than expected.
    """
    plan = SplitPlan(n_validation=n_validation, validation=validation, scaling=scaling, split_seed=split_seed)
    return split_images(find_images(_PUBLISHED, path=path), plan, name="mnist")


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return look_up(_PUBLISHED)
