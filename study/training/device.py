"""Say what a training computes on, since other hardware gives other last digits."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from study.training.backend import loaded_backend


def device() -> str:
    """Return the names of the loaded backend's GPUs, else the processor's name and how many cores it may use."""
    names = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus, "torch": _torch_gpus}
    backend = loaded_backend()
    gpus = names[backend]() if backend in names else []
    return f"gpu: {', '.join(gpus)}" if gpus else f"cpu: {_processor()}, {_n_cores()} cores"


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


def _processor() -> str:
    """Return the processor's model; only Linux has it in a file, elsewhere the platform's word must do."""
    listed = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text(), re.MULTILINE) if listed.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _n_cores() -> int:
    # Kernels split their sums by the number of threads, which is that of the cores allowed.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
