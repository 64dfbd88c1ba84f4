"""The reasons why JAX sees no GPU, each with the next step."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu_rows.card import Card, first_visible

# The kernel module of NVIDIA's driver tells its version here.
DRIVER_FILE = Path("/proc/driver/nvidia/version")
# Oldest driver on Linux for the CUDA that JAX's plugin is built with: docs.jax.dev/en/latest/installation.html.
OLDEST_DRIVER = {12: 525, 13: 580}
# With less free memory, most rows would only measure how they run out of it.
LEAST_FREE_MIB = 4096


def reasons(card: Card | None, no_card: str, said: str) -> list[str]:
    """Return the reasons why JAX sees no GPU, the most certain first.

    Args:
        card: The card as the driver describes it; None if it shows none.
        no_card: The reason why it shows none.
        said: The message of JAX.
    """
    return [*_reasons(card, no_card), f"JAX said: {' '.join(said.split()) or 'nothing'}"]


def filled(card: Card) -> str | None:
    """Return the refusal of a card that other processes fill; None if enough memory is free.

    Args:
        card: The card.
    """
    if card.free_mib >= LEAST_FREE_MIB:
        return None
    holders = ", ".join(
        f"process {process.pid} ({process.name}{'' if process.mib is None else f', {process.mib:.0f} MiB'})"
        for process in card.processes
    )
    return (
        f"{card.name}: expected at least {LEAST_FREE_MIB} MiB of free memory, found {card.free_mib:.0f} of "
        f"{card.memory_mib:.0f} MiB; the rest is taken by {holders or 'a process that the driver does not show'}. "
        "Wait for it or end it, or choose another card: CUDA_VISIBLE_DEVICES=1 python benchmarks/gpu.py"
    )


def _reasons(card: Card | None, no_card: str) -> Iterator[str]:
    if first_visible() is None:
        visible = os.environ["CUDA_VISIBLE_DEVICES"]
        yield f"CUDA_VISIBLE_DEVICES={visible!r} hides every card. Unset it, or name a card: CUDA_VISIBLE_DEVICES=0"
    if (jax := _version("jax")) is None:
        yield 'JAX is not installed. Install it with CUDA: pip install "jax[cuda12]"'
        return
    plugins = [cuda for cuda in OLDEST_DRIVER if _version(f"jax-cuda{cuda}-plugin")]
    if not plugins:
        yield f'JAX {jax} has no CUDA plugin. Install it: pip install "jax[cuda12]=={jax}"'
    driver = card.driver if card is not None else _driver()
    if driver is None:
        yield (
            f"no NVIDIA driver was found ({no_card}). Run this on a node with a GPU; in a batch system ask for one "
            "(Slurm: --gpus=1), in a container pass it on (--gpus all)"
        )
        return
    for cuda in plugins:
        if not _serves(driver, cuda):
            older = [other for other in OLDEST_DRIVER if other < cuda and _serves(driver, other)]
            install = f'Install a plugin for an older CUDA: pip install "jax[cuda{older[-1]}]=={jax}"' if older else ""
            yield (
                f"the driver is {driver}, and JAX's plugin for CUDA {cuda} needs {OLDEST_DRIVER[cuda]} or newer. "
                f"{install or 'Use a node with a newer driver'}"
            )


def _serves(driver: str, cuda: int) -> bool:
    major = driver.split(".")[0]
    return not major.isdecimal() or int(major) >= OLDEST_DRIVER[cuda]


def _driver() -> str | None:
    found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", DRIVER_FILE.read_text()) if DRIVER_FILE.exists() else None
    return found[1] if found else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
