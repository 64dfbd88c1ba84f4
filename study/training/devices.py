"""The devices of a backend: those of the loaded one, or those of another one, asked in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from study.core.errors import BackendError
from study.core.machine import n_cores, processor
from study.training.backend import loaded_backend, select_backend


def device() -> str:
    """Return the devices that the loaded backend computes on, since other hardware gives other last digits.

    They are its accelerators, such as `gpu: NVIDIA H100` or `tpu: TPU v4`; else the processor and the number of cores
    that may be used.
    """
    found = _accelerators(loaded_backend())
    if not found:
        return f"cpu: {processor()}, {n_cores()} cores"
    kind = found[0][0]
    return f"{kind}: {', '.join(name for _, name in found)}"


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
    # Libraries may print to standard output too, before or after the answer.
    answer = next(line for line in done.stdout.splitlines() if line.startswith("["))
    return tuple(json.loads(answer))


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


def _main(backend: str) -> None:
    """Import a backend and print the names of its GPUs."""
    select_backend(backend)
    sys.stdout.write(f"\n{json.dumps([name for kind, name in _accelerators(backend) if kind == 'gpu'])}\n")


if __name__ == "__main__":
    _main(sys.argv[1])
