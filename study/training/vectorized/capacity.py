"""How many trials to train at once, and on how many devices."""

from __future__ import annotations

import jax
import psutil

# `capacity: auto` takes at most so many trials at once, and of the memory at most this share. On a CPU the state of
# more than 64 small nets leaves the caches: 256 took 40 ms a trial where 64 took 18.
_MOST_AT_ONCE = {"cpu": 64, "gpu": 256}
_SHARE_OF_MEMORY = {"cpu": 0.5, "gpu": 0.8}


def most_at_once() -> int:
    """Return how many trials `capacity: auto` takes at most."""
    return _MOST_AT_ONCE[_platform()]


def room() -> float:
    """Return the bytes that a program may take on each device."""
    known = jax.local_devices()[0].memory_stats() or {}
    memory = known.get("bytes_limit") or psutil.virtual_memory().total
    if _platform() == "cpu":
        memory /= jax.local_device_count()  # they are parts of one machine
    return float(memory) * _SHARE_OF_MEMORY[_platform()]


def n_devices(n_lanes: int) -> int:
    """Return how many of the local devices can have equal shares of the lanes."""
    return next(n for n in range(min(n_lanes, jax.local_device_count()), 0, -1) if n_lanes % n == 0)


def are_abreast() -> bool:
    """Tell whether all trials of a device take each step together, as on a GPU, or are trained one after the other.

    On a CPU nothing is gained together: an epoch of 64 trials of a small net took as long either way, one of 16 LSTMs
    8 s one by one and 13 s by eights, since their variables leave the cache; and one by one, a place that is free, or
    whose trial was stopped, costs nothing.
    """
    return _platform() != "cpu"


def shared_out(n_lanes: int, *, most: int) -> int:
    """Return a number of lanes that all local devices can have equal shares of, a few more, or the same."""
    more = -(-n_lanes // jax.local_device_count()) * jax.local_device_count()
    return more if more <= most else n_lanes


def _platform() -> str:
    return "cpu" if jax.local_devices()[0].platform == "cpu" else "gpu"
