"""Check the arguments of this package's trainers while the config is checked, before any data is loaded.

The trainers use the same functions. A trainer of one's own checks its arguments itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from study.config.known_keys import correction
from study.config.schema import BACKENDS, StudyConfig
from study.core.errors import BackendError, Fault, StudyError, blamed, written

# Precisions of Keras's trainers, and of the trainer in NumPy.
PRECISIONS = ("float32", "bfloat16", "float64")
NUMPY_PRECISIONS = ("float64", "float32")
# Distributions of the draws of dropout in NumPy.
NUMPY_DRAWS = ("uniform", "normal")
# The trainer that computes in NumPy.
NUMPY_TRAINER = "study.training.numpy.NumpyTrainer"
# Trainers that train all layers with one optimizer.
ONE_OPTIMIZER = ("study.training.vectorized.VectorizedTrainer", NUMPY_TRAINER)
# Where the trainer of many trials in one program is.
_VECTORIZED = "study.training.vectorized."
# Devices that a study can ask for.
DEVICES = ("auto", "cpu", "gpu")
# Arguments in which all candidates of `trainer=auto` follow the section `trainer`.
SHARED_ARGUMENTS = ("batch_size", "device", "early_stopping", "eval_batch_size", "precision")


def is_vectorized(config: StudyConfig) -> bool:
    """Return whether a study trains many trials side by side in one program.

    Args:
        config: The study's config.
    """
    return str(config.trainer.section.get("_target_")).startswith(_VECTORIZED)


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
    if config.optimizer.exclude is not None and section.get("_target_") in ONE_OPTIMIZER:
        allowed = f"null for trainer={config.trainer.name}, which trains all layers with one optimizer"
        value = list(config.optimizer.exclude.layers)
        found.append(Fault(key="optimizer.exclude", value=value, allowed=allowed, advice="Use trainer=fit."))
    return found


def candidate_faults(trainer: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for every key and value of a candidate of `trainer=auto` that is not allowed.

    This imports no trainer, since one may load another backend than the study's. A trainer of one's own is checked
    when it is chosen.

    Args:
        trainer: The section `trainer`, with sections under `candidates`.
    """
    candidates: Mapping[str, Mapping[str, Any]] = trainer["candidates"]
    names = [f"trainer.candidates.{name}" for name, section in candidates.items() if "_target_" in section]
    faults: list[Fault] = []
    for name, section in candidates.items():
        key, target = f"trainer.candidates.{name}", section.get("_target_")
        if "_target_" not in section:
            advice = correction(key, names)
            faults.append(Fault(key=key, value=dict(section), allowed="a section with _target_", advice=advice))
        elif target in ARGUMENTS:
            faults += _candidate_faults(key, section, trainer)
        elif not isinstance(target, str) or target.startswith("study."):
            advice = f"Restore {key}._target_, or write the path of a trainer of your own."
            allowed = f"one of {', '.join(ARGUMENTS)}"
            faults.append(Fault(key=f"{key}._target_", value=target, allowed=allowed, advice=advice))
    return faults


def _candidate_faults(key: str, section: Mapping[str, Any], trainer: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of a candidate that is a trainer of this package."""
    target = section["_target_"]
    known = ARGUMENTS[target]
    for name, value in section.items():
        if name in ("name", "requires", "_target_"):
            continue
        dotted = f"{key}.{name}"
        if name not in known:
            allowed, advice = f"an argument of {target}: {', '.join(known)}", correction(dotted, (), known)
            yield Fault(key=dotted, value=value, allowed=allowed, advice=advice)
        elif name in SHARED_ARGUMENTS:
            if name in trainer and value != trainer[name]:
                advice = f"Set trainer.{name}, which all candidates take."
                yield Fault(key=dotted, value=value, allowed=f"{trainer[name]}, as trainer.{name}", advice=advice)
        else:
            try:
                known[name](value)
            except StudyError as error:
                fault = blamed(key, section, error, name=key)
                yield replace(fault, key=dotted, value=value, advice=fault.advice.replace(f"trainer.{name}", dotted))


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
        raise StudyError(f"{key}={value!s}: expected one of {', '.join(map(written, allowed))}. {advice}")


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


def check_device(device: object) -> None:
    """Refuse an unknown device.

    Args:
        device: The device, as the config has it; None, as before this argument existed, is `auto`.

    Raises:
        StudyError: The device is unknown.
    """
    advice = "Set trainer.device=auto, which takes a GPU if the backend sees one."
    check_choice("trainer.device", "auto" if device is None else device, allowed=DEVICES, advice=advice)


def check_numpy_device(device: object) -> None:
    """Refuse a device on which NumPy does not compute.

    Args:
        device: The device, as the config has it; None, as before this argument existed, is `cpu`.

    Raises:
        StudyError: The device is not the CPU.
    """
    if device not in (None, "cpu"):
        raise StudyError(
            f"trainer.device={device!s}: expected cpu, since NumPy computes on the CPU alone. "
            "Leave it out, or use trainer=fit."
        )


def check_backend(backend: object) -> None:
    """Refuse an unknown backend.

    Args:
        backend: The backend, as the config has it.

    Raises:
        StudyError: The backend is unknown.
    """
    check_choice("trainer.backend", backend, allowed=BACKENDS)


def check_batch_size(batch_size: object) -> None:
    """Refuse a number of examples at once that is not a whole number of at least 1.

    Args:
        batch_size: The number, as the config has it.

    Raises:
        StudyError: The number is not allowed.
    """
    if not _is_count(batch_size):
        raise StudyError(f"trainer.batch_size={batch_size!s}: expected a whole number of at least 1. Set it to one.")


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


def check_no_callbacks(callbacks: object) -> None:
    """Refuse callbacks, which act on one model after each of its steps or epochs.

    Args:
        callbacks: The list of callbacks, as the config has it; None, as before this argument existed, is empty.

    Raises:
        StudyError: There are callbacks.
    """
    if callbacks:
        names = [str(each.get("_target_")) if isinstance(each, Mapping) else str(each) for each in _listed(callbacks)]
        raise StudyError(
            f"trainer.callbacks={', '.join(names)}: expected none for trainer=vectorized: a callback acts on one "
            "model, and many train side by side in one program here. Use trainer=fit; early stopping is "
            "trainer.early_stopping, and a rate that falls on a plateau is schedule=plateau."
        )


def read_by_the_config(_: object) -> None:
    """Accept any value: the reader of the config has checked it."""


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _is_count(n: object) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 1


_SIZES = {"batch_size": check_batch_size, "eval_batch_size": check_batch_size}
_KERAS = {
    "device": check_device,
    "precision": check_precision,
    "checkpoint_every_n_epochs": check_checkpoint_interval,
    "early_stopping": read_by_the_config,
}
_CHECKS: Mapping[str, Mapping[str, Callable[[object], None]]] = {
    "study.training.fit.FitTrainer": {
        **_KERAS,
        "jit_compile": check_jit_compile,
        "callbacks": read_by_the_config,
    },
    "study.training.vectorized.VectorizedTrainer": {
        **_KERAS,
        "backend": check_is_jax,
        "capacity": check_capacity,
        "callbacks": check_no_callbacks,
    },
    NUMPY_TRAINER: {
        "device": check_numpy_device,
        "precision": check_numpy_precision,
        "dropout_draw": check_dropout_draw,
    },
}
# All arguments that the config gives to a trainer of this package, each with its check. The reader of the config
# checks backend and sizes of the trainer that is chosen.
ARGUMENTS: Mapping[str, Mapping[str, Callable[[object], None]]] = {
    target: {"backend": check_backend, **_SIZES, **checks} for target, checks in _CHECKS.items()
}
