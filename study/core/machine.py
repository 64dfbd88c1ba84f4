"""The machine: its processor, cores, cards and processes, without starting a backend."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path

import psutil

# This folder lists every card with an NVIDIA driver, even without a backend that can use the card.
NVIDIA_CARDS = Path("/proc/driver/nvidia/gpus")


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
    folders = sorted(NVIDIA_CARDS.iterdir()) if NVIDIA_CARDS.is_dir() else []
    names = [_card(folder / "information") for folder in folders]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(names)
    asked = [word.strip() for word in visible.split(",")]
    if any(not word.lstrip("-").isdecimal() for word in asked if word):
        return tuple(names)  # the variable names cards in another way than by number
    return tuple(names[int(word)] for word in asked if word and 0 <= int(word) < len(names))


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
