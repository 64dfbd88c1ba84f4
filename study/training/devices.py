"""The device that a backend computes on: the backend of this process, or another one in a fresh process."""

from __future__ import annotations

import time

from study.core.errors import BackendError, StudyError
from study.core.machine import n_cores, processor
from study.core.subprocess_call import call_in_subprocess
from study.training.backend import loaded_backend, select_backend

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
        return f"cpu: {processor()}, {n_cores()} cores"
    kind = found[0][0]
    return f"{kind}: {', '.join(name for _, name in found)}"


def ask_for_gpus(backend: str, *, timeout_s: float) -> tuple[str, ...]:
    """Start the backend in a child process, and return the names of the GPUs that it sees.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
        timeout_s: Time after which the child is ended, in seconds.

    Raises:
        BackendError: The backend cannot be imported, or does not answer in time.
    """
    try:
        found: tuple[str, ...] = call_in_subprocess(
            "study.training.devices:gpus",
            backend,
            timeout_s=timeout_s,
            environment={"TF_CPP_MIN_LOG_LEVEL": "3"},
            quiet=True,
        )
    except TimeoutError:
        raise BackendError(f"{backend}: no answer within {timeout_s:g} s. Try again when less runs here.") from None
    except StudyError as error:
        raise BackendError(f"{backend}: it cannot be imported ({error}). Install it anew.") from error
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

        found = [device for kind in ("GPU", "TPU") for device in tf.config.list_physical_devices(kind)]
        details = tf.config.experimental.get_device_details
        return [(device.device_type.lower(), str(details(device).get("device_name", device.name))) for device in found]
    if backend == "jax":
        import jax

        return [(device.platform, str(device.device_kind)) for device in jax.devices() if device.platform != "cpu"]
    if backend == "torch":
        import torch

        return [("gpu", str(torch.cuda.get_device_name(index))) for index in range(torch.cuda.device_count())]
    return []
