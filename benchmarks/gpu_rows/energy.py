"""The energy that a card takes: by its counter, else by its power, sampled and integrated."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.gpu_rows.card import MeasuredCard
from study.core.nvidia import NoAnswerError, open_nvml, query_smi

_STOPPING_S = 10.0
_SAMPLE_S = 0.1


class EnergyMeter:
    """Meter of the energy that a card takes.

    It reads the card's counter. Without one, it samples the power and integrates it.

    Args:
        card: The card. None: the driver describes no card.
        no_card: The reason for None. Default: empty.
    """

    def __init__(self, card: MeasuredCard | None, *, no_card: str = "") -> None:
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
        except NoAnswerError as error:
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
            else f"{self._card.source} gives neither energy nor power of {self._card.card.name}"
        )


def _sources(measured: MeasuredCard) -> tuple[Callable[[], float], Callable[[], float] | None]:
    """Return a function that reads the power in watts, and one that reads the energy counter in joules, if any.

    Raises:
        NoAnswerError: NVML described the card and cannot be started again.
    """
    index = measured.card.index
    if measured.source == "nvidia-smi":
        return lambda: _power_by_smi(index), None
    nvml = open_nvml()
    if nvml is None:
        raise NoAnswerError("NVML: it described the card, and is gone")

    def counter() -> float:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByIndex(index))) / 1e3

    def power() -> float:
        return float(nvml.nvmlDeviceGetPowerUsage(nvml.nvmlDeviceGetHandleByIndex(index))) / 1e3

    try:
        counter()
    except nvml.NVMLError:  # cards before Volta have none
        return power, None
    return power, counter


def _power_by_smi(index: int) -> float:
    rows = query_smi("--query-gpu=power.draw", "-i", str(index))
    if not rows:
        raise NoAnswerError("nvidia-smi: no power")
    return float(rows[0]["power.draw"])


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
        thread.join(_STOPPING_S)


def _integral(samples: list[tuple[float, float]]) -> float | None:
    """Return the integral of pairs of time and power by the trapezoidal rule; None for fewer than two."""
    pairs = list(itertools.pairwise(samples))
    return sum((t1 - t0) * (p0 + p1) / 2 for (t0, p0), (t1, p1) in pairs) if pairs else None
