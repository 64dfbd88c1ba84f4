"""The precision of models and of their training: global settings of Keras and of the backend."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from study.training.backend import use_keras_defaults
from study.training.keras_internals import keep_64_bits
from study.training.trainer_check import check_precision

# Keras's policy for layers, and the type of optimizers, losses and metrics.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "float32": ("float32", "float32"),
    "bfloat16": ("mixed_bfloat16", "float32"),
    "float64": ("float64", "float64"),
}


def use_precision(precision: str) -> None:
    """Set the precision of everything that is made and computed from now on.

    Every trainer sets its own precision before it builds or trains anything, since one process may run several
    studies.

    Args:
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.

    Raises:
        StudyError: The precision is unknown.
        BackendError: This version of Keras cannot compute in this precision.
    """
    check_precision(precision)
    use_keras_defaults()
    policy, floatx = _SETTINGS[precision]
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        keep_64_bits(floatx == "float64")
    if backend == "jax":
        import jax

        jax.config.update("jax_enable_x64", floatx == "float64")
