"""The card that is measured, as its driver describes it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from study.core.machine import VISIBLE_CARDS
from study.core.nvidia import Card, read_driver

# With less free memory, most rows would only measure how they run out of it.
LEAST_FREE = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class MeasuredCard:
    """The card that is measured.

    Attributes:
        card: The card.
        driver: The version of its driver. None: not known.
        source: `nvml` or `nvidia-smi`.
    """

    card: Card
    driver: str | None
    source: str

    def facts(self) -> dict[str, Any]:
        """Return the attributes for a row."""
        card = self.card
        return {
            "uuid": card.uuid,
            "name": card.name,
            "driver": self.driver,
            "memory_mib": _mib(card.total),
            "free_mib": _mib(card.free),
            "source": self.source,
            "processes": [{"pid": held.pid, "name": held.name, "mib": _mib(held.used)} for held in card.processes],
        }


class NoCardError(Exception):
    """Raised if the driver does not describe the card; the message says why."""


def find_card() -> MeasuredCard:
    """Return the first card that `CUDA_VISIBLE_DEVICES` leaves visible, in the order of the PCI bus.

    Raises:
        NoCardError: There is no such card, or neither NVML nor nvidia-smi describes it.
    """
    driver = read_driver()
    if driver is None:
        raise NoCardError("there is no NVIDIA driver")
    if driver.source == "proc":
        raise NoCardError(driver.fault or "neither nvidia-ml-py nor nvidia-smi is installed")
    if first_selector().startswith("MIG-"):
        raise NoCardError(f"{VISIBLE_CARDS} names a part of a card, and the driver describes whole cards")
    if not driver.visible_cards:
        raise NoCardError(f"{VISIBLE_CARDS} hides every card" if driver.cards else "the driver finds no card")
    return MeasuredCard(card=driver.visible_cards[0], driver=driver.version, source=driver.source)


def first_selector() -> str:
    """Return the first word of `CUDA_VISIBLE_DEVICES`, with which a process sees one card; `0` if it is not set."""
    return os.environ.get(VISIBLE_CARDS, "0").partition(",")[0].strip()


def refusal(measured: MeasuredCard) -> str | None:
    """Return the refusal of a card that other processes fill; None if enough memory is free.

    Args:
        measured: The card.
    """
    card = measured.card
    if card.free is None or card.free >= LEAST_FREE:
        return None
    holders = "" if card.processes else ", the rest is held by processes that the driver does not show"
    return (
        f"expected a card with at least {LEAST_FREE / 2**30:.1f} GiB of free memory, found {card}{holders}. "
        f"Wait for these processes or end them, or choose another card: {VISIBLE_CARDS}=1 python benchmarks/gpu.py"
    )


def _mib(n_bytes: int | None) -> float | None:
    return None if n_bytes is None else n_bytes / 2**20
