"""The machine: its processor, cores, cards and processes, without starting a backend."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import psutil

# This folder lists every card with an NVIDIA driver, even without a backend that can use the card.
NVIDIA_CARDS = Path("/proc/driver/nvidia/gpus")
# This variable restricts a process to some of NVIDIA's cards.
VISIBLE_CARDS = "CUDA_VISIBLE_DEVICES"
# Files of cards that the folder above does not list: Windows's Linux, AMD.
_GPU_FILES = (Path("/dev/dxg"), Path("/dev/kfd"))


def machine() -> str:
    """Return the processor, its number of usable cores, and the usable cards, in one line."""
    return ", ".join((processor(), f"{n_cores()} cores", *cards()))


def processor() -> str:
    """Return the processor's model, from a file on Linux, else as the platform names it."""
    listed = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text(), re.MULTILINE) if listed.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    # Kernels split their sums by the number of threads, which is the number of allowed cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_folder() -> Path:
    """Return this user's folder for files that can be made again: compiled programs, empty stores, measurements."""
    return Path.home() / ".cache" / "optimizer-study"


def cards() -> tuple[str, ...]:
    """Return the names of NVIDIA's cards, without those that `CUDA_VISIBLE_DEVICES` hides by number."""
    names = all_cards()
    return tuple(names[index] for index in visible_cards([""] * len(names)))


def all_cards() -> tuple[str, ...]:
    """Return the names of all of NVIDIA's cards."""
    folders = sorted(NVIDIA_CARDS.iterdir()) if NVIDIA_CARDS.is_dir() else []
    return tuple(_card(folder / "information") for folder in folders)


def visible_cards(uuids: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of the cards that `CUDA_VISIBLE_DEVICES` leaves visible, in its order.

    CUDA ignores everything from the first word that names no card.

    Args:
        uuids: The identifier of each card, such as `GPU-8f2...`; the empty text if it is not known.
    """
    visible = os.environ.get(VISIBLE_CARDS)
    if visible is None:
        return tuple(range(len(uuids)))
    found: list[int] = []
    for word in map(str.strip, visible.split(",")):
        if word.startswith("MIG-") or (word.startswith("GPU-") and not all(uuids)):
            return tuple(range(len(uuids)))  # the variable names cards in a way that is not known here
        if word.startswith("GPU-"):
            named = [index for index, uuid in enumerate(uuids) if uuid.startswith(word)]
        else:
            named = [int(word)] if word.isdecimal() and int(word) < len(uuids) else []
        if not named:
            break
        found += named[:1]
    return tuple(found)


def may_have_gpu() -> bool:
    """Return whether this machine has a card, or a file through which programs reach one."""
    return bool(cards()) or any(path.exists() for path in _GPU_FILES)


def holder_text(path: Path) -> str:
    """Return `process 4711`, which has a file open, and whether it is stopped; `another process` if it is unknown.

    Args:
        path: Path of the file, such as a lock.
    """
    holders = [process for process in psutil.process_iter() if process.pid != os.getpid() and _has_open(process, path)]
    holders.sort(key=_is_stopped, reverse=True)
    return process_text(holders[0]) if holders else "another process"


def process_text(process: psutil.Process) -> str:
    """Return `process 4711`, and whether it is stopped.

    Args:
        process: A process of this machine.
    """
    pid = process.pid
    if _is_stopped(process):
        return f"process {pid} (stopped by a signal: kill -CONT {pid} lets it go on, kill -9 {pid} ends it)"
    return f"process {pid}"


def process_on(host: str, pid: int) -> str:
    """Return `process 4711 on node3`; on this machine also whether it is stopped.

    Args:
        host: Name of the machine.
        pid: Id of the process.
    """
    if host == platform.node():
        with contextlib.suppress(psutil.Error):
            return process_text(psutil.Process(pid))
    return f"process {pid} on {host}"


def _card(information: Path) -> str:
    found = re.search(r"^Model:\s*(.+)$", information.read_text(), re.MULTILINE) if information.exists() else None
    return found[1].strip() if found else "NVIDIA card"


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def _has_open(process: psutil.Process, path: Path) -> bool:
    try:
        return any(file.path == str(path) for file in process.open_files())
    except psutil.Error:  # it has ended, or is another user's
        return False
