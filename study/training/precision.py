"""In how many bits models compute, and what is trained with them: Keras's and the backend's global settings."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

from study.core.errors import StudyError

# Keras's policy for layers, and the type of everything else that is made: optimizers, losses, metrics.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "float32": ("float32", "float32"),
    "bfloat16": ("mixed_bfloat16", "float32"),
    "float64": ("float64", "float64"),
}


def use_precision(precision: str) -> None:
    """Let what is made and computed from now on have a precision.

    Every trainer says its own before it builds or trains anything, since one process may run several studies.

    Args:
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.

    Raises:
        StudyError: There is no such precision.
    """
    check_precision(precision)
    policy, floatx = _SETTINGS[precision]
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        # Keras makes 32 bits of 64 in many functions, such as a quotient or a mean, on every backend but TensorFlow.
        # There is no public way to keep them.
        BIT64_TO_BIT32_DTYPE["float64"] = floatx
    if backend == "jax":
        import jax

        jax.config.update("jax_enable_x64", floatx == "float64")


def check_precision(precision: object) -> None:
    """Refuse a precision that there is not.

    Raises:
        StudyError: It is none.
    """
    if precision not in _SETTINGS:
        raise StudyError(
            f"trainer.precision={precision!s}: expected one of {', '.join(_SETTINGS)}. "
            "Set trainer.precision=float32, which is the quickest on most machines."
        )
