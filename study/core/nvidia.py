"""NVIDIA's driver, its cards and their memory: from NVML, from nvidia-smi, or from /proc; no backend is started."""

from __future__ import annotations

import csv
import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from study.core import machine

# The displays and accelerators among the machine's devices, also those without a driver.
PCI_DEVICES = Path("/sys/bus/pci/devices")
_NVIDIA, _DISPLAYS = "0x10de", "0x03"
# First driver of each major version of CUDA, the newest first. JAX's installation page, section NVIDIA GPU:
# “the driver version must be >= 525 for CUDA 12 on Linux, and >= 580 for CUDA 13 on Linux”
# (https://docs.jax.dev/en/latest/installation.html). Its editions before CUDA 13 have 525.60.13 for CUDA 12.
_FIRST_DRIVERS = {13: 580, 12: 525}
_OLDEST_CUDA = 11
_GIB = 2**30
_NO_LIBRARY = 12  # NVML_ERROR_LIBRARY_NOT_FOUND: there is no driver
_SMI_TIMEOUT_S = 30
_CARD_COLUMNS = "index,name,uuid,memory.total,memory.free,driver_version"
_PROCESS_COLUMNS = "gpu_uuid,pid,used_memory,process_name"
# A card with less free memory has no room for a backend's start and a small network.
_LEAST_FREE = _GIB
_MOST_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class CardProcess:
    """A process that holds memory of a card.

    Attributes:
        pid: Its id; inside a container, the id outside.
        name: Its name; empty if it is not known.
        used: The memory in bytes. None: not known.
    """

    pid: int
    name: str
    used: int | None

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name else ""
        process = "this process" if self.pid == os.getpid() else f"process {self.pid}{name}"
        return f"{process} holds {'an unknown part' if self.used is None else _gib(self.used)}"


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card.

    Attributes:
        index: Its number, as NVIDIA's driver counts.
        name: Its model.
        uuid: Its identifier. Default: the empty text, it is not known.
        total: Its memory in bytes. None (the default): not known.
        free: The free part in bytes. None (the default): not known.
        processes: The processes that hold its memory, the largest first. Default: none are known.
    """

    index: int
    name: str
    uuid: str = ""
    total: int | None = None
    free: int | None = None
    processes: tuple[CardProcess, ...] = ()

    @property
    def is_full(self) -> bool:
        """True if too little memory is free for a small study."""
        return self.free is not None and self.free < _LEAST_FREE

    def __str__(self) -> str:
        memory = "" if self.total is None or self.free is None else f", {_gib(self.free)} of {_gib(self.total)} free"
        shown = [str(process) for process in self.processes[:_MOST_SHOWN]]
        if len(self.processes) > _MOST_SHOWN:
            shown.append(f"{len(self.processes) - _MOST_SHOWN} smaller ones")
        return "; ".join((f"{self.name}{memory}", *shown))


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver, as far as it answers.

    Attributes:
        version: Its version. None: it is not loaded.
        cuda: The newest version of CUDA that it supports. None: not known.
        cards: All cards, also those that `CUDA_VISIBLE_DEVICES` hides.
        source: `nvml`, `nvidia-smi`, or `proc`: its files, which do not have the memory.
        fault: The reason why it does not answer. Default: the empty text, it does.
    """

    version: str | None
    cuda: str | None
    cards: tuple[Card, ...]
    source: Literal["nvml", "nvidia-smi", "proc"]
    fault: str = ""

    @property
    def cuda_major(self) -> int | None:
        """The newest major version of CUDA that the driver supports; None if its version is not known."""
        if self.cuda is not None:
            return int(self.cuda.partition(".")[0])
        branch = re.match(r"\d+", self.version or "")
        if branch is None:
            return None
        return next((cuda for cuda, first in _FIRST_DRIVERS.items() if int(branch[0]) >= first), _OLDEST_CUDA)

    @property
    def visible_cards(self) -> tuple[Card, ...]:
        """The cards that `CUDA_VISIBLE_DEVICES` does not hide."""
        return tuple(self.cards[index] for index in machine.visible_cards([card.uuid for card in self.cards]))

    def __str__(self) -> str:
        if self.version is None:
            return f"not usable: {self.fault}"
        cuda = "" if self.cuda is None else f", supports CUDA up to {self.cuda}"
        return f"driver {self.version}{cuda}{f'; {self.fault}' if self.fault else ''}"


class NoAnswerError(Exception):
    """Raised if NVML or nvidia-smi is there and does not answer."""


def read_driver() -> Driver | None:
    """Return NVIDIA's driver; None if there is no sign of one."""
    faults = []
    for read in (_read_nvml, _read_smi):
        try:
            found = read()
        except NoAnswerError as error:
            faults.append(str(error))
            continue
        if found is not None:
            return found
    return _read_proc(fault=next(iter(faults), ""))


def open_nvml() -> Any | None:
    """Return NVML, started through the package nvidia-ml-py; None if it is not installed, or there is no driver.

    `nvmlShutdown` of the returned module ends it.

    Raises:
        NoAnswerError: It cannot be started.
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if getattr(error, "value", None) == _NO_LIBRARY:
            return None
        raise NoAnswerError(f"NVML: {error}") from error
    return nvml


def query_smi(query: str, *options: str) -> list[dict[str, str]] | None:
    """Return the rows that the program nvidia-smi answers, each by its columns; None if it is not installed.

    Args:
        query: A query and its columns, such as `--query-gpu=index,name`.
        options: Further options, such as `-i` and the index of a card.

    Raises:
        NoAnswerError: It fails, or its answer has other columns.
    """
    columns = query.partition("=")[2].split(",")
    output = _smi_output(query, "--format=csv,noheader,nounits", *options)
    if output is None:
        return None
    rows = [row for row in csv.reader(output.splitlines(), skipinitialspace=True) if row]
    if any(len(row) < len(columns) for row in rows):
        raise NoAnswerError(f"nvidia-smi: {' '.join(output.split())}")
    return [dict(zip(columns, row, strict=False)) for row in rows]


def first_driver(cuda_major: int) -> int | None:
    """Return the first driver that supports a major version of CUDA; None if it is not known.

    Args:
        cuda_major: The major version of CUDA.
    """
    return _FIRST_DRIVERS.get(cuda_major)


def has_card_without_driver() -> bool:
    """Return whether the machine has an NVIDIA card, by its list of devices, which needs no driver."""
    folders = PCI_DEVICES.iterdir() if PCI_DEVICES.is_dir() else ()
    return any(
        _content(folder / "vendor") == _NVIDIA and _content(folder / "class").startswith(_DISPLAYS)
        for folder in folders
    )


def memory_advice() -> str:
    """Return the state of the visible cards and the next step after their memory ran out; empty without a card."""
    driver = read_driver()
    if driver is None or not driver.visible_cards:
        return ""
    states = " ".join(f"Card {card.index}: {card}." for card in driver.visible_cards)
    return f"{states} {card_room_advice(driver)}"


def card_room_advice(driver: Driver) -> str:
    """Return the next step where the visible cards have too little free memory.

    Args:
        driver: The driver, with its cards.
    """
    visible = driver.visible_cards
    largest = next(iter(_largest_first([held for card in visible for held in card.processes])), None)
    steps = ["Lower the sizes of this study"]
    if largest is not None and largest.pid != os.getpid():
        steps = [f"Wait for process {largest.pid}, or end it"]
    others = [card for card in driver.cards if card not in visible and not card.is_full]
    if others:
        emptiest = max(others, key=lambda card: card.free or 0)
        steps.append(f"choose an emptier card ({machine.VISIBLE_CARDS}={emptiest.index})")
    return f"{', '.join(steps)}, or compute on the CPU (trainer.device=cpu)."


def _read_nvml() -> Driver | None:
    nvml = open_nvml()
    if nvml is None:
        return None
    try:
        number = nvml.nvmlSystemGetCudaDriverVersion_v2()
        return Driver(
            version=_text(nvml.nvmlSystemGetDriverVersion()),
            cuda=f"{number // 1000}.{number % 1000 // 10}",
            cards=tuple(_nvml_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount())),
            source="nvml",
        )
    except nvml.NVMLError as error:
        raise NoAnswerError(f"NVML: {error}") from error
    finally:
        nvml.nvmlShutdown()


def _nvml_card(nvml: Any, index: int) -> Card:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    total, free = None, None
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        total, free = int(memory.total), int(memory.free)
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:  # a card that shares the memory of the processor, or a virtual one
        running = []
    held = [CardProcess(pid=each.pid, name=_name_of(each.pid), used=each.usedGpuMemory) for each in running]
    return Card(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        total=total,
        free=free,
        processes=_largest_first(held),
    )


def _read_smi() -> Driver | None:
    rows = query_smi(f"--query-gpu={_CARD_COLUMNS}")
    if rows is None:
        return None
    held = _smi_processes() if rows else {}
    cards = tuple(
        Card(
            index=int(row["index"]),
            name=row["name"],
            uuid=row["uuid"],
            total=_mib(row["memory.total"]),
            free=_mib(row["memory.free"]),
            processes=_largest_first(held.get(row["uuid"], ())),
        )
        for row in rows
    )
    # The version of CUDA is no column; it stands above the table.
    shown = re.search(r"CUDA(?: UMD)? Version\s*:\s*([\d.]+)", _smi_output() or "")
    version = rows[0]["driver_version"] if rows else None
    return Driver(version=version, cuda=shown and shown[1], cards=cards, source="nvidia-smi")


def _smi_processes() -> dict[str, list[CardProcess]]:
    found: dict[str, list[CardProcess]] = {}
    for row in query_smi(f"--query-compute-apps={_PROCESS_COLUMNS}") or ():
        if not row["pid"].isdecimal():  # [N/A], or without the permission
            continue
        pid, path = int(row["pid"]), row["process_name"]
        process = CardProcess(pid=pid, name=_name_of(pid) or Path(path).name, used=_mib(row["used_memory"]))
        found.setdefault(row["gpu_uuid"], []).append(process)
    return found


def _smi_output(*options: str) -> str | None:
    """Return the text that nvidia-smi prints; None if it is not installed."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        ended = subprocess.run(
            [program, *options], capture_output=True, text=True, errors="replace", timeout=_SMI_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"nvidia-smi: no answer within {_SMI_TIMEOUT_S} s") from None
    except OSError as error:
        raise NoAnswerError(f"nvidia-smi: {error}") from error
    if ended.returncode != 0:
        told = " ".join((ended.stdout or ended.stderr).split()) or f"status {ended.returncode}"
        raise NoAnswerError(f"nvidia-smi: {told}")
    return ended.stdout


def _read_proc(*, fault: str) -> Driver | None:
    """Read the driver's files, which do not have the memory; None without any, unless another source is broken."""
    listed = machine.NVIDIA_CARDS.parent / "version"
    found = re.search(r"Module(?: for \S+)?\s+([\d.]+)", _content(listed))
    cards = tuple(Card(index=index, name=name) for index, name in enumerate(machine.all_cards()))
    if found is None and not cards and not fault:
        return None
    return Driver(version=found and found[1], cuda=None, cards=cards, source="proc", fault=fault)


def _largest_first(processes: Sequence[CardProcess]) -> tuple[CardProcess, ...]:
    return tuple(sorted(processes, key=lambda process: -(process.used or 0)))


def _name_of(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:  # it has ended, or a container hides it
        return ""


def _text(value: str | bytes) -> str:
    """Return a text of NVML, which older packages give as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _mib(text: str) -> int | None:
    """Return a number of MiB in bytes; None for `[N/A]`."""
    return int(text) * 2**20 if text.strip().isdecimal() else None


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / _GIB:.1f} GiB"
