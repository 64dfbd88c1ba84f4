"""Data sets for the benchmarks only, cut or generated at a size that keeps a benchmark short."""

from __future__ import annotations

import numpy as np

from study.datasets import Dataset, Split, fashion_mnist


def first_images(*, n_train: int, n_validation: int, split_seed: int) -> Dataset:
    """Load the first images of Fashion-MNIST: the validation split, then the train split; the test split is whole.

    Args:
        n_train: Examples to train on.
        n_validation: Examples before these, to validate on.
        split_seed: Ignored, since nothing is drawn.
    """
    whole = fashion_mnist.load(n_validation=n_validation, validation="first", split_seed=split_seed)
    train = Split(x=whole.train.x[:n_train], y=whole.train.y[:n_train])
    return Dataset(
        name="first_images",
        source=f"the first {n_train} of {whole.source}",
        train=train,
        validation=whole.validation,
        test=whole.test,
        n_outputs=whole.n_outputs,
    )


def cifar_shaped(*, n_train: int, n_validation: int, side: int = 32, split_seed: int) -> Dataset:
    """Make images of CIFAR-10's shape: noise around one picture for each of ten classes.

    Args:
        n_train: Examples to train on.
        n_validation: Examples to validate on, and as many to test on.
        side: Height and width of an image. Default 32.
        split_seed: Seed of the noise.
    """
    rng = np.random.default_rng(split_seed)
    pictures = rng.standard_normal((10, side, side, 3), dtype=np.float32)

    def split(n: int) -> Split:
        y = rng.permutation(np.arange(n, dtype=np.int32) % 10)  # even a few examples have each class
        return Split(x=pictures[y] + 3 * rng.standard_normal((n, side, side, 3), dtype=np.float32), y=y)

    parts = {"train": split(n_train), "validation": split(n_validation), "test": split(n_validation)}
    return Dataset(name="cifar_shaped", source="random numbers", n_outputs=10, **parts)


def fashion_shaped(*, n_train: int, n_validation: int, side: int = 28, split_seed: int) -> Dataset:
    """Make images of Fashion-MNIST's shape: random pixels, from 0 to 1 as that data set is read.

    Args:
        n_train: Examples to train on.
        n_validation: Examples to validate on, and as many to test on.
        side: Height and width of an image. Default 28.
        split_seed: Seed of the pixels and of the classes.
    """
    rng = np.random.default_rng(split_seed)

    def split(n: int) -> Split:
        pixels = rng.integers(256, size=(n, side, side, 1), dtype=np.uint8)
        return Split(x=pixels / np.float32(255), y=rng.permutation(np.arange(n, dtype=np.int32) % 10))

    parts = {"train": split(n_train), "validation": split(n_validation), "test": split(n_validation)}
    return Dataset(name="fashion_shaped", source="random numbers", n_outputs=10, **parts)
