"""How many trials to train at once, and on how many devices."""

from __future__ import annotations

import jax
import psutil

# `capacity: auto` takes at most so many trials at once, and of the memory at most this share. On a CPU the state of
# more than 64 small nets leaves the caches: 256 took 40 ms a trial where 64 took 18.
_MOST_AT_ONCE = {"cpu": 64, "gpu": 256}
_SHARE_OF_MEMORY = {"cpu": 0.5, "gpu": 0.8}
# Trials of a core that step together read and write all their variables at every step. An epoch of 64 lanes of 0.1 MB
# took as long one by one as 2 to 32 abreast, one of 16 LSTMs of 0.4 MB 8 s one by one and 13 s 8 abreast; 64 lanes of
# less than 0.01 MB took 17 ms one by one, and 8 ms 8 abreast or more.
_BYTES_ABREAST, _MOST_ABREAST = 2**18, 8


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


def n_abreast(n_local_lanes: int, bytes_per_lane: int) -> int:
    """Return how many of a device's trials should take a step together: on a GPU all, on a CPU what a cache holds."""
    if are_abreast():
        return n_local_lanes
    most = max(1, min(_MOST_ABREAST, _BYTES_ABREAST // max(1, bytes_per_lane)))
    return next(n for n in range(min(n_local_lanes, most), 0, -1) if n_local_lanes % n == 0)


def are_abreast() -> bool:
    """Tell whether all trials of a device step together, so that a place costs as much whether somebody is in it."""
    return _platform() != "cpu"


def shared_out(n_lanes: int, *, most: int) -> int:
    """Return a number of lanes that all local devices can have equal shares of, a few more, or the same."""
    more = -(-n_lanes // jax.local_device_count()) * jax.local_device_count()
    return more if more <= most else n_lanes


def _platform() -> str:
    return "cpu" if jax.local_devices()[0].platform == "cpu" else "gpu"
