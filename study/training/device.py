"""Say what a training computes on, since other hardware gives other last digits."""

from __future__ import annotations

from study.machine import n_cores, processor
from study.training.backend import loaded_backend


def device() -> str:
    """Return the names of the loaded backend's GPUs, else the processor's name and how many cores it may use."""
    names = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus, "torch": _torch_gpus}
    backend = loaded_backend()
    gpus = names[backend]() if backend in names else []
    return f"gpu: {', '.join(gpus)}" if gpus else f"cpu: {processor()}, {n_cores()} cores"


def _tensorflow_gpus() -> list[str]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in gpus]


def _jax_gpus() -> list[str]:
    import jax

    return [str(found.device_kind) for found in jax.devices() if found.platform != "cpu"]


def _torch_gpus() -> list[str]:
    import torch

    return [str(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]
