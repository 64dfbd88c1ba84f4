"""Check the arguments of this package's trainers while the config is checked, before any data is loaded.

The trainers use the same functions. A trainer of one's own checks its arguments itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from study.config.schema import StudyConfig
from study.core.errors import BackendError, Fault, StudyError, blamed

# Precisions of Keras's trainers, and of the trainer in NumPy.
PRECISIONS = ("float32", "bfloat16", "float64")
NUMPY_PRECISIONS = ("float64", "float32")
# Distributions of the draws of dropout in NumPy.
NUMPY_DRAWS = ("uniform", "normal")


def trainer_faults(config: StudyConfig) -> list[Fault]:
    """Return a fault for every argument of the trainer that is not allowed.

    Args:
        config: The study's config.
    """
    section = config.trainer.section
    found = []
    for name, check in _CHECKS.get(str(section.get("_target_")), {}).items():
        try:
            check(section.get(name))
        except StudyError as error:
            found.append(blamed("trainer", section, error, name=config.trainer.name))
    return found


def check_choice(key: str, value: object, *, allowed: Collection[Any], advice: str = "Choose one of them.") -> None:
    """Refuse a value that is not one of a few.

    Args:
        key: The dotted key.
        value: The value, as the config has it.
        allowed: The allowed values.
        advice: The next step. Default: to choose one.

    Raises:
        StudyError: The value is not allowed.
    """
    if not any(value == each and type(value) is type(each) for each in allowed):
        shown = ", ".join(str(each).lower() if isinstance(each, bool) else str(each) for each in allowed)
        raise StudyError(f"{key}={value!s}: expected one of {shown}. {advice}")


def check_precision(precision: object) -> None:
    """Refuse an unknown precision of a trainer that computes with Keras.

    Args:
        precision: The precision, as the config has it.

    Raises:
        StudyError: The precision is unknown.
    """
    advice = "Set trainer.precision=float32, which is the quickest on most machines."
    check_choice("trainer.precision", precision, allowed=PRECISIONS, advice=advice)


def check_numpy_precision(precision: object) -> None:
    """Refuse a precision that the trainer in NumPy does not have.

    Args:
        precision: The precision, as the config has it.

    Raises:
        StudyError: The precision is unknown.
    """
    check_choice("trainer.precision", precision, allowed=NUMPY_PRECISIONS)


def check_dropout_draw(draw: object) -> None:
    """Refuse an unknown distribution of the draws of dropout.

    Args:
        draw: Its name, as the config has it.

    Raises:
        StudyError: The distribution is unknown.
    """
    check_choice("trainer.dropout_draw", draw, allowed=NUMPY_DRAWS)


def check_jit_compile(jit_compile: object) -> None:
    """Refuse a value of which `keras.Model.compile` would only ask whether it is true.

    Args:
        jit_compile: The value, as the config has it.

    Raises:
        StudyError: The value is not allowed.
    """
    check_choice("trainer.jit_compile", jit_compile, allowed=(True, False, "auto"))


def check_checkpoint_interval(n: object) -> None:
    """Refuse a number of epochs between checkpoints that is not a whole number of at least 1.

    Args:
        n: The number of epochs, as the config has it; None for no checkpoints.

    Raises:
        StudyError: The number is not allowed.
    """
    if n is not None and not _is_count(n):
        raise StudyError(
            f"trainer.checkpoint_every_n_epochs={n!s}: expected a whole number of at least 1, or null for none. "
            "Set it to null, or to how many epochs may be lost when a process is killed."
        )


def check_capacity(capacity: object) -> None:
    """Refuse a number of trials at once that is neither `auto` nor a whole number of at least 1.

    Args:
        capacity: The number, as the config has it.

    Raises:
        StudyError: The number is not allowed.
    """
    if capacity != "auto" and not _is_count(capacity):
        raise StudyError(
            f"trainer.capacity={capacity!s}: expected a whole number of at least 1, or auto. "
            "Set trainer.capacity=auto to fill the memory, or to a whole number."
        )


def check_is_jax(backend: object) -> None:
    """Refuse a backend that cannot train many trials in one program.

    Args:
        backend: The backend, as the config has it.

    Raises:
        BackendError: The backend is not JAX.
    """
    if backend != "jax":
        raise BackendError(
            f"trainer.backend={backend}: expected jax, the only one that can train many trials in one program. "
            f"Set trainer.backend=jax, or use trainer=fit trainer.backend={backend}."
        )


def _is_count(n: object) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 1


_KERAS = {"precision": check_precision, "checkpoint_every_n_epochs": check_checkpoint_interval}
_CHECKS: Mapping[str, Mapping[str, Callable[[object], None]]] = {
    "study.training.fit.FitTrainer": {**_KERAS, "jit_compile": check_jit_compile},
    "study.training.vectorized.VectorizedTrainer": {**_KERAS, "backend": check_is_jax, "capacity": check_capacity},
    "study.training.numpy.NumpyTrainer": {"precision": check_numpy_precision, "dropout_draw": check_dropout_draw},
}
