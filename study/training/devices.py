"""The device that a backend computes on: the backend of this process, or another one in a fresh process."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from study.config.schema import StudyConfig
from study.core.errors import BackendError, Fault, StudyError
from study.core.machine import cards, may_have_gpu, n_cores, processor
from study.core.subprocess_call import ProcessDiedError, call_in_subprocess
from study.training.backend import loaded_backend, select_backend
from study.training.keras_internals import torch_device, use_torch_on_cpu
from study.training.trainer_check import DEVICES, NUMPY_TRAINER
from study.training.unseen_cards import JAX_PLATFORMS, Unseen, find_reason

_TIMEOUT_S = 120.0
_CPU = "cpu"

# Side of the matrices of the product, and the time for which products are taken, in seconds.
_SIDE, _KEPT_UP_S = 1024, 1.0


def device() -> str:
    """Return the device that the loaded backend computes on, since other hardware gives other last digits.

    The text names the accelerators, such as `gpu: NVIDIA H100` or `tpu: TPU v4`; without any, the processor and the
    number
    of its usable cores.
    """
    found = _accelerators(loaded_backend())
    if not found:
        return cpu_text()
    kind = found[0][0]
    return f"{kind}: {', '.join(name for _, name in found)}"


def cpu_text() -> str:
    """Return the processor and the number of its usable cores, as a device is recorded."""
    return f"cpu: {processor()}, {n_cores()} cores"


def computes_in_numpy(config: StudyConfig) -> bool:
    """Return whether a study computes in NumPy, on the CPU whatever its backend does.

    Args:
        config: The study's config.
    """
    return bool(config.trainer.section.get("_target_") == NUMPY_TRAINER)


def asked_device(config: StudyConfig) -> str:
    """Return the device that a study asks its backend for: `cpu`, `gpu`, or `auto`.

    Args:
        config: The study's config.
    """
    if computes_in_numpy(config):
        return "auto"
    # Configs of earlier versions and trainers of one's own have no device.
    asked = str(config.trainer.section.get("device", "auto"))
    return asked if asked in DEVICES else "auto"


def select_device(backend: str, asked: str) -> None:
    """Compute on the device that a study asks for: hide the GPUs from the loaded backend, or check that it has them.

    Args:
        backend: The loaded backend: `tensorflow`, `jax` or `torch`.
        asked: `cpu`, `gpu` or `auto`.

    Raises:
        BackendError: This process has begun to compute on another device, and cannot change.
        StudyError: JAX cannot start on the platforms of the user's environment, in this process or another.
    """
    if asked != _CPU and backend == "jax" and os.environ.get(JAX_PLATFORMS):
        _accelerators(backend)  # else JAX's error would pass for one of the optimizer
    if asked == _CPU:
        _hide_gpus(backend)
        if _accelerators(backend):
            raise _in_use(asked, backend, device())
    elif _are_hidden(backend) and (asked == "gpu" or may_have_gpu()):
        raise _in_use(asked, backend, "the CPU, as trainer.device=cpu or code of yours asked")


def try_select_device(backend: str, asked: str) -> bool:
    """Compute on the device that a study asks for if this process still can, and return whether it does.

    Args:
        backend: The loaded backend.
        asked: `cpu`, `gpu` or `auto`.
    """
    try:
        select_device(backend, asked)
    except BackendError:
        return False
    return True


def device_faults(config: StudyConfig) -> list[Fault]:
    """Return the fault of a study that asks for a GPU where its backend sees none.

    Args:
        config: The study's config.

    Raises:
        BackendError: The backend cannot be imported, or does not answer in time.
    """
    if asked_device(config) != "gpu":
        return []
    backend = config.backend
    if loaded_backend() == backend and try_select_device(backend, "gpu"):
        seen = tuple(name for kind, name in _accelerators(backend) if kind == "gpu")
    else:
        seen = _gpus_elsewhere(backend)
    if seen:
        return []
    unseen = why_unseen(backend)
    allowed = f"a device that {backend} sees, and it sees no GPU: {unseen.reason}"
    advice = f"{unseen.advice} To compute on the CPU, set trainer.device=cpu.".strip()
    return [Fault(key="trainer.device", value="gpu", allowed=allowed, advice=advice)]


def device_message(config: StudyConfig) -> str:
    """Return a line for a study that computes on the CPU of a machine with a card; empty if it asked for that.

    Args:
        config: The study's config, whose backend this process has loaded.
    """
    if asked_device(config) != "auto" or computes_in_numpy(config) or not cards() or _accelerators(config.backend):
        return ""
    unseen = why_unseen(config.backend)
    return (
        f"trainer.device=auto: this study computes on the CPU, since {config.backend} does not see "
        f"{', '.join(cards())}: {unseen.reason}. {unseen.advice} Or set trainer.device=cpu."
    )


def ask_for_gpus(backend: str, *, timeout_s: float) -> tuple[str, ...]:
    """Start the backend in a child process, and return the names of the GPUs that it sees.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
        timeout_s: Time after which the child is ended, in seconds.

    Raises:
        BackendError: The backend cannot be imported, or does not answer in time.
    """
    found: tuple[str, ...] = _ask("gpus", backend, timeout_s=timeout_s)
    return found


def gpus(backend: str) -> tuple[str, ...]:
    """Start a backend in this process, and return the names of the GPUs that it sees.

    Args:
        backend: `tensorflow`, `jax` or `torch`.

    Raises:
        BackendError: The backend is unknown or not installed.
    """
    select_backend(backend)
    return tuple(name for kind, name in _accelerators(backend) if kind == "gpu")


def why_unseen(backend: str, *, timeout_s: float = _TIMEOUT_S) -> Unseen:
    """Return the reason why a backend sees no GPU, and the next step; without a visible reason, the backend's own.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
        timeout_s: Time after which a child process with the backend is ended, in seconds. Default 120.
    """
    if (found := find_reason(backend)) is not None:
        return found
    try:
        told: str = _ask("warnings_of_start", backend, timeout_s=timeout_s)
    except BackendError as error:
        told = str(error)
    told = " ".join(told.split()).rstrip(".") or "it gives no reason"
    return Unseen(reason=told, advice="For the backend's whole log, set TF_CPP_MIN_LOG_LEVEL=0.")


def warnings_of_start(backend: str) -> str:
    """Start a backend in this process, and return its warnings.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
    """
    with _warnings_of(backend) as told:
        gpus(backend)
    return " ".join(told)


@functools.cache  # a child process takes seconds, and the cards of a machine stay
def _gpus_elsewhere(backend: str) -> tuple[str, ...]:
    return ask_for_gpus(backend, timeout_s=_TIMEOUT_S)


def _ask(question: str, backend: str, *, timeout_s: float) -> Any:
    """Call a function of this module in a child process that starts the backend."""
    try:
        return call_in_subprocess(
            f"study.training.devices:{question}",
            backend,
            timeout_s=timeout_s,
            environment={"TF_CPP_MIN_LOG_LEVEL": "3"},
            quiet=True,
        )
    except TimeoutError:
        raise BackendError(f"{backend}: no answer within {timeout_s:g} s. Try again when less runs here.") from None
    except ProcessDiedError as error:
        raise BackendError(f"{backend}: it cannot be imported ({error}). Install it anew.") from error
    except StudyError as error:  # it has its own next step
        raise BackendError(str(error)) from error


def matrix_product_gflops() -> float:
    """Return the rate of the product of two float32 matrices on JAX, sustained for a second, in GFLOP/s."""
    import jax

    matrix = jax.random.normal(jax.random.key(0), (_SIDE, _SIDE))
    product = jax.jit(lambda a: a @ a)
    jax.block_until_ready(product(matrix))
    began, n = time.perf_counter(), 0
    while time.perf_counter() < began + _KEPT_UP_S:
        jax.block_until_ready(product(matrix))
        n += 1
    return n * 2 * _SIDE**3 / (time.perf_counter() - began) / 1e9


def _accelerators(backend: str | None) -> list[tuple[str, str]]:
    """Return the kind, `gpu` or `tpu`, and the name of each accelerator that a backend sees."""
    if backend == "tensorflow":
        import tensorflow as tf

        found = [device for kind in ("GPU", "TPU") for device in tf.config.get_visible_devices(kind)]
        details = tf.config.experimental.get_device_details
        return [(device.device_type.lower(), str(details(device).get("device_name", device.name))) for device in found]
    if backend == "jax":
        return [(device.platform, str(device.device_kind)) for device in _jax_devices() if device.platform != "cpu"]
    if backend == "torch":
        import torch

        if torch_device() == _CPU:
            return []
        return [("gpu", str(torch.cuda.get_device_name(index))) for index in range(torch.cuda.device_count())]
    return []


def _jax_devices() -> list[Any]:
    import jax

    try:
        return list(jax.devices())
    except (RuntimeError, AssertionError) as error:  # JAX asserts that one of the platforms has started
        platforms = os.environ.get(JAX_PLATFORMS)
        if not platforms:
            raise
        reason = str(error).partition(" (set JAX_PLATFORMS")[0] or "none of them is here"
        raise StudyError(
            f"{JAX_PLATFORMS}={platforms}: JAX cannot start on these platforms ({reason}). Unset {JAX_PLATFORMS}, so "
            "that JAX takes the platform that works, or set trainer.device=cpu."
        ) from error


def _hide_gpus(backend: str) -> None:
    """Hide the GPUs from a backend, unless it has begun to compute on one."""
    if backend == "jax":
        import jax

        before = jax.config.jax_platforms
        jax.config.update("jax_platforms", _CPU)
        if _accelerators(backend):
            jax.config.update("jax_platforms", before)
    elif backend == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:  # it has begun: the caller sees the GPUs
            return
    elif backend == "torch":
        use_torch_on_cpu()


def _are_hidden(backend: str) -> bool:
    """Return whether the GPUs were hidden from a backend in this process; the user's environment does not count."""
    if backend == "jax":
        import jax

        return bool(jax.config.jax_platforms == _CPU and os.environ.get(JAX_PLATFORMS) != _CPU)
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU") and not tf.config.get_visible_devices("GPU"))
    if backend == "torch":
        import torch

        return bool(torch.cuda.is_available() and torch_device() == _CPU != os.environ.get("KERAS_TORCH_DEVICE"))
    return False


def _in_use(asked: str, backend: str, used: str) -> BackendError:
    return BackendError(
        f"trainer.device={asked}: in this process, {backend} computes on {used}, and cannot change. Start a new "
        "process (`study run` does it by itself), or leave trainer.device as it is."
    )


@contextmanager
def _warnings_of(library: str) -> Iterator[list[str]]:
    """Collect the warnings that a library logs in the block, with the errors that they were logged for."""
    told: list[str] = []

    def keep(record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        told.append(record.getMessage() if error is None else f"{record.getMessage()}: {error}")

    handler = logging.Handler(logging.WARNING)
    handler.emit = keep  # type: ignore[method-assign]
    logger = logging.getLogger(library)
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
