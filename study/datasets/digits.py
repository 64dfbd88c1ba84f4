"""Handwritten digits from scikit-learn: 1797 images of 8x8 pixels with 17 levels of grey, ten classes.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
1998; scikit-learn bundles the test part, so nothing is downloaded.
"""

from __future__ import annotations

import numpy as np

from study.datasets import Dataset, Whereabouts
from study.datasets._images import Images
from study.datasets._split import SplitPlan, split_images

_PIXEL_MAX = 16
# The last fifth. The test split does not depend on a seed, so all studies have the same one.
_N_TEST = 360


def load(*, n_validation: int, validation: str, scaling: str = "unit", split_seed: int) -> Dataset:
    """Load the digits; the last 360 examples are the test split, for any seed.

    Args:
        n_validation: Number of the other 1437 examples that become the validation split, at least 1.
        validation: `first`: the first of these examples; `random`: examples drawn by `split_seed`.
        scaling: `unit`: pixels from 0 to 1; `standard`: mean 0 and standard deviation 1 over the training split.
            Default `unit`.
        split_seed: Seed of the draw, at least 0.

    Returns:
        A data set with x of shape (n, 8, 8, 1), float32, and y of shape (n,), int32.

    Raises:
        ConfigError: An argument is invalid.
    """
    plan = SplitPlan(n_validation=n_validation, validation=validation, scaling=scaling, split_seed=split_seed)
    # Imported late: scikit-learn takes a second, and no other data set needs it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = digits.images.astype(np.uint8)[..., np.newaxis]
    y = digits.target.astype(np.int32)
    images = Images(
        source="scikit-learn's load_digits",
        train=(x[:-_N_TEST], y[:-_N_TEST]),
        test=(x[-_N_TEST:], y[-_N_TEST:]),
        pixel_max=_PIXEL_MAX,
    )
    return split_images(images, plan, name="digits")


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="scikit-learn's load_digits")
