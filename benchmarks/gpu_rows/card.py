"""The card as its driver describes it: memory, processes, energy.

NVML describes it if nvidia-ml-py is installed, else the program nvidia-smi.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

_ANSWER_S = 10.0
_SAMPLE_S = 0.1
_FIELDS = ("uuid", "name", "driver_version", "memory.total", "memory.free")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that computes on a card."""

    pid: int
    name: str
    mib: float | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card.

    Attributes:
        uuid: The driver's name for it, the same in every tool.
        name: Its model.
        driver: Version of the driver.
        memory_mib: Its memory.
        free_mib: Memory that no process has taken.
        source: `nvml` or `nvidia-smi`.
        processes: The processes that compute on it, as far as the driver shows them.
    """

    uuid: str
    name: str
    driver: str
    memory_mib: float
    free_mib: float
    source: str
    processes: tuple[Process, ...] = field(default=())

    def facts(self) -> dict[str, Any]:
        """Return the attributes for a row."""
        return asdict(self) | {"processes": [asdict(process) for process in self.processes]}


class NoCardError(Exception):
    """Raised if the driver shows no card; the message says why."""


def find_card(selector: str) -> Card:
    """Return a card.

    Args:
        selector: Its index in the order of the PCI bus, or its UUID.

    Raises:
        NoCardError: There is no such card, or neither NVML nor nvidia-smi answers.
    """
    reasons = []
    for look in (_by_nvml, _by_nvidia_smi):
        try:
            return look(selector)
        except NoCardError as error:
            reasons.append(str(error))
    raise NoCardError("; ".join(reasons))


def first_visible() -> str | None:
    """Return the selector of the first card that `CUDA_VISIBLE_DEVICES` leaves visible; None: it hides all."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "0"
    first = visible.split(",")[0].strip()
    return None if first in ("", "NoDevFiles") or first.startswith("-") else first


class EnergyMeter:
    """Meter of the energy that a card takes.

    It reads the card's counter. Without one, it samples the power and integrates it.

    Args:
        card: The card. None: the driver describes no card.
        no_card: The reason for None. Default: empty.
    """

    def __init__(self, card: Card | None, *, no_card: str = "") -> None:
        self._card, self._no_card = card, no_card

    @contextlib.contextmanager
    def measured(self) -> Iterator[dict[str, Any]]:
        """Measure the energy of a block. Yield a dictionary that holds the result after the block.

        Its keys are `joules`, a number or None, and `joules_by`: the source, or the reason for None.
        """
        found: dict[str, Any] = {"joules": None, "joules_by": self._no_card}
        if self._card is None:
            yield found
            return
        try:
            power, counter = _sources(self._card)
        except NoCardError as error:
            yield found
            found["joules_by"] = str(error)
            return
        if counter is not None:
            before = counter()
            yield found
            found |= {"joules": counter() - before, "joules_by": f"{self._card.source}, energy counter"}
            return
        with _sampled(power) as samples:
            yield found
        joules = _integral(samples)
        found["joules"] = joules
        found["joules_by"] = (
            f"{self._card.source}, power sampled {len(samples)} times"
            if joules is not None
            else f"{self._card.source} gives neither energy nor power of {self._card.name}"
        )


def _sources(card: Card) -> tuple[Callable[[], float], Callable[[], float] | None]:
    """Return a function that reads the power in watts, and one that reads the energy counter in joules, if any."""
    if card.source == "nvidia-smi":
        return lambda: float(_nvidia_smi("--query-gpu=power.draw", card.uuid)[0][0]), None
    nvml = _nvml()
    with _nvml_errors(nvml):
        handle = nvml.nvmlDeviceGetHandleByUUID(card.uuid)

    def counter() -> float:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3

    try:
        counter()
    except nvml.NVMLError:
        return lambda: float(nvml.nvmlDeviceGetPowerUsage(handle)) / 1e3, None
    return lambda: float(nvml.nvmlDeviceGetPowerUsage(handle)) / 1e3, counter


@contextlib.contextmanager
def _sampled(power: Callable[[], float]) -> Iterator[list[tuple[float, float]]]:
    """Sample the power in a thread; yield the list of pairs of time and watts."""
    samples: list[tuple[float, float]] = []
    stop = threading.Event()

    def sample() -> None:
        while True:
            try:
                samples.append((time.perf_counter(), power()))
            except Exception:  # not supported by this card; too few samples say so
                return
            if stop.is_set():  # the last sample is at the end of the block
                return
            stop.wait(_SAMPLE_S)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join(_ANSWER_S)


def _integral(samples: list[tuple[float, float]]) -> float | None:
    """Return the integral of pairs of time and power by the trapezoidal rule; None for fewer than two."""
    pairs = list(itertools.pairwise(samples))
    return sum((t1 - t0) * (p0 + p1) / 2 for (t0, p0), (t1, p1) in pairs) if pairs else None


def _nvml() -> Any:
    try:
        import pynvml
    except ImportError:
        raise NoCardError("nvidia-ml-py is not installed") from None
    with _nvml_errors(pynvml):
        pynvml.nvmlInit()
    return pynvml


@contextlib.contextmanager
def _nvml_errors(nvml: Any) -> Iterator[None]:
    try:
        yield
    except nvml.NVMLError as error:
        raise NoCardError(f"NVML: {error}") from error


def _by_nvml(selector: str) -> Card:
    nvml = _nvml()
    with _nvml_errors(nvml):
        by_index = selector.isdecimal()
        find = nvml.nvmlDeviceGetHandleByIndex if by_index else nvml.nvmlDeviceGetHandleByUUID
        handle = find(int(selector) if by_index else selector)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return Card(
            uuid=nvml.nvmlDeviceGetUUID(handle),
            name=nvml.nvmlDeviceGetName(handle),
            driver=nvml.nvmlSystemGetDriverVersion(),
            memory_mib=memory.total / 2**20,
            free_mib=memory.free / 2**20,
            source="nvml",
            processes=tuple(
                Process(
                    pid=process.pid,
                    name=_name_of(process.pid),
                    mib=None if process.usedGpuMemory is None else process.usedGpuMemory / 2**20,
                )
                for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            ),
        )


def _name_of(pid: int) -> str:
    import psutil

    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:  # in another container
        return "unknown"


def _by_nvidia_smi(selector: str) -> Card:
    uuid, name, driver, total, free = _nvidia_smi(f"--query-gpu={','.join(_FIELDS)}", selector)[0]
    listed = _nvidia_smi("--query-compute-apps=pid,process_name,used_memory", selector, may_be_empty=True)
    processes = tuple(Process(pid=int(pid), name=name, mib=_number(used)) for pid, name, used in listed)
    return Card(
        uuid=uuid,
        name=name,
        driver=driver,
        memory_mib=float(total),
        free_mib=float(free),
        source="nvidia-smi",
        processes=processes,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A]
        return None


def _nvidia_smi(query: str, selector: str, *, may_be_empty: bool = False) -> list[list[str]]:
    """Return the cells of nvidia-smi's answer.

    Raises:
        NoCardError: It is not there, fails, or answers nothing.
    """
    if (program := shutil.which("nvidia-smi")) is None:
        raise NoCardError("nvidia-smi is not on PATH")
    command = [program, query, "--format=csv,noheader,nounits", "-i", selector]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCardError(f"nvidia-smi: {error}") from error
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    if ended.returncode != 0 or not (lines or may_be_empty):
        said = " ".join((ended.stdout + ended.stderr).split()) or "no answer"
        raise NoCardError(f"nvidia-smi: {said} (exit status {ended.returncode})")
    return [[cell.strip() for cell in line.split(",")] for line in lines]
