"""The GPUs that a backend sees, asked in a process of its own: one process is to hold one backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from study.errors import BackendError
from study.training.backend import select_backend


def ask_for_gpus(backend: str, *, timeout_s: float) -> tuple[str, ...]:
    """Start the backend in a child process and return the names of the GPUs it sees.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
        timeout_s: Seconds after which the child is ended.

    Raises:
        BackendError: The backend cannot be imported, or does not answer in time.
    """
    command = [sys.executable, "-m", "study.training.devices", backend]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{backend}: no answer within {timeout_s:g} s. Try again when less runs here.") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise BackendError(f"{backend}: it cannot be imported ({last}). Install it anew.")
    # Libraries print to standard output as well, before or after.
    answer = next(line for line in done.stdout.splitlines() if line.startswith("["))
    return tuple(json.loads(answer))


def _gpus(backend: str) -> list[str]:
    """Import the backend and list its GPUs."""
    select_backend(backend)
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(_gpus(sys.argv[1]))}\n")
