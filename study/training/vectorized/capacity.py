"""The number of trials to train at once, and the number of devices to divide them among."""

from __future__ import annotations

import jax
import psutil

# Largest number of trials at once under `capacity: auto`, and largest share of the memory. On a CPU, the state of more
# than 64 small networks does not fit into the caches: 256 networks took 40 ms for each trial, 64 networks 18 ms.
_MOST_AT_ONCE = {"cpu": 64, "gpu": 256}
_SHARE_OF_MEMORY = {"cpu": 0.5, "gpu": 0.8}


def most_at_once() -> int:
    """Return the largest number of trials at once under `capacity: auto`."""
    return _MOST_AT_ONCE[_platform()]


def room() -> float:
    """Return the memory that a program may take on each device, in bytes."""
    known = jax.local_devices()[0].memory_stats() or {}
    memory = known.get("bytes_limit") or psutil.virtual_memory().total
    if _platform() == "cpu":
        memory /= jax.local_device_count()  # the devices of a CPU share one memory
    return float(memory) * _SHARE_OF_MEMORY[_platform()]


def n_devices(n_lanes: int) -> int:
    """Return the largest number of local devices that can have equal shares of the lanes.

    Args:
        n_lanes: Number of lanes.
    """
    return next(n for n in range(min(n_lanes, jax.local_device_count()), 0, -1) if n_lanes % n == 0)


def are_abreast() -> bool:
    """Return whether all trials of a device take each step together, as on a GPU; otherwise one after the other.

    On a CPU, stepping together saves nothing. An epoch of 64 small networks took as long either way. An epoch of 16
    LSTMs
    took 8 s one by one and 13 s in groups of eight, whose variables do not fit into the cache. Also, when trials train
    one by one, a free place costs nothing.
    """
    return _platform() != "cpu"


def shared_out(n_lanes: int, *, most: int) -> int:
    """Round a number of lanes up to a multiple of the local devices; return it unchanged if that exceeds a limit.

    Args:
        n_lanes: Number of lanes.
        most: The limit.
    """
    more = -(-n_lanes // jax.local_device_count()) * jax.local_device_count()
    return more if more <= most else n_lanes


def _platform() -> str:
    return "cpu" if jax.local_devices()[0].platform == "cpu" else "gpu"
