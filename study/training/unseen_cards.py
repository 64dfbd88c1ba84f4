"""The reason why a backend does not see this machine's GPU, from what is installed and from NVIDIA's driver."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.core.machine import VISIBLE_CARDS
from study.core.nvidia import Driver, card_room_advice, first_driver, has_card_without_driver, read_driver
from study.core.packages import installed_version

# This variable restricts JAX to some platforms.
JAX_PLATFORMS = "JAX_PLATFORMS"
_INSTALL = "pip install 'optimizer-study[cuda]'"
_REINSTALL = {
    "tensorflow": f"pip uninstall tensorflow-cpu, then {_INSTALL}.",
    "torch": "Install a build of PyTorch for CUDA (https://pytorch.org/get-started/locally).",
}
_ASK_FOR_ONE = (
    "Run it on a machine with one. A batch system must be asked for it (Slurm: --gpus=1), and a container must be "
    "started with it (docker run --gpus all, apptainer --nv)."
)
_NEWEST_FIRST = (13, 12)
# One of the packages in which TensorFlow finds CUDA; its extra `and-cuda` installs them.
_LIBRARIES_OF_TENSORFLOW = "nvidia-cudnn-cu12"
# Files through which programs reach a card: of Linux, of containers, of Windows's Linux. JAX looks for them too.
DEVICE_FILES = (Path("/dev/nvidia0"), Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """The reason why a backend sees no GPU.

    Attributes:
        reason: The reason, as a part of a sentence.
        advice: The next step, as sentences; empty if nothing can be done.
    """

    reason: str
    advice: str


def find_reason(backend: str) -> Unseen | None:
    """Return the first reason that shows without starting the backend; None without one.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
    """
    driver = read_driver()
    if driver is None or (driver.version is None and not driver.cards):
        return _without_driver(driver)
    if not driver.visible_cards:
        value = os.environ.get(VISIBLE_CARDS, "")
        if not driver.cards:
            return Unseen(
                reason=f"NVIDIA's driver {driver.version} finds no card",
                advice="Ask the batch system for one, or check it.",
            )
        hidden = f"{VISIBLE_CARDS}={value} hides all cards of this machine"
        return Unseen(reason=hidden, advice=f"Unset {VISIBLE_CARDS}, or ask the batch system for a GPU.")
    reasons = (_of_build(backend), _of_driver(driver, backend), *_of_cards(driver), _of_libraries(backend))
    return next(filter(None, reasons), None)


def _without_driver(driver: Driver | None) -> Unseen:
    if driver is not None:
        restart = "If the driver was updated, start the machine anew; else install NVIDIA's driver again."
        return Unseen(reason=f"NVIDIA's driver does not answer ({driver.fault})", advice=restart)
    if has_card_without_driver():
        oldest = ", ".join(f"{first_driver(cuda)} or newer for CUDA {cuda}" for cuda in _NEWEST_FIRST)
        return Unseen(reason="its NVIDIA card has no driver", advice=f"Install NVIDIA's driver: {oldest}.")
    return Unseen(reason="this machine has no NVIDIA card", advice=_ASK_FOR_ONE)


def _of_build(backend: str) -> Unseen | None:
    """Return the reason in the packages of the backend."""
    if backend == "jax":
        return _of_jax()
    if cuda_of(backend) is None:
        return Unseen(reason=f"{backend} is built without CUDA", advice=_REINSTALL[backend])
    return None


def _of_libraries(backend: str) -> Unseen | None:
    """Return the reason that remains for TensorFlow, which may also find libraries outside Python's packages."""
    if backend != "tensorflow" or installed_version(_LIBRARIES_OF_TENSORFLOW) is not None:
        return None
    missing = f"tensorflow finds no libraries of CUDA that fit, and {_LIBRARIES_OF_TENSORFLOW} is not installed"
    return Unseen(reason=missing, advice=f"{_INSTALL}.")


def _of_jax() -> Unseen | None:
    platforms = os.environ.get(JAX_PLATFORMS, "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return Unseen(reason=f"{JAX_PLATFORMS}={platforms} restricts JAX", advice=f"Unset {JAX_PLATFORMS}.")
    plugin = next(filter(None, map(_plugin, _NEWEST_FIRST)), None)
    if plugin is None:
        return Unseen(reason="JAX is installed without its CUDA plugin", advice=f"{_install_jax()}.")
    name, version = plugin
    of_jax = installed_version("jaxlib")
    if of_jax is not None and _release(version) != _release(of_jax):
        reason = f"{name} {version} does not fit jaxlib {of_jax}, so JAX does not use it"
        return Unseen(reason=reason, advice=f"Install equal versions: pip install '{name}=={of_jax}'.")
    return None


def _of_driver(driver: Driver, backend: str) -> Unseen | None:
    needed, supported = cuda_of(backend), driver.cuda_major
    if needed is None or supported is None or supported >= needed:
        return None
    first = first_driver(needed)
    oldest = "" if first is None else f" (driver {first} or newer)"
    reason = (
        f"NVIDIA's driver {driver.version} supports CUDA {driver.cuda or supported}, and {backend} needs CUDA "
        f"{needed}{oldest}"
    )
    older = f" Or install JAX for CUDA 12: {_install_jax()}." if backend == "jax" and supported == 12 else ""
    return Unseen(reason=reason, advice=f"Update the driver.{older}")


def _of_cards(driver: Driver) -> Iterator[Unseen]:
    if not any(path.exists() for path in DEVICE_FILES):
        reason = f"there is no {DEVICE_FILES[1]}, as in a container that was started without GPUs"
        yield Unseen(reason=reason, advice="Start the container with them (docker run --gpus all, apptainer --nv).")
    if all(card.is_full for card in driver.visible_cards):
        full = "; ".join(f"card {card.index} is full: {card}" for card in driver.visible_cards)
        yield Unseen(reason=full, advice=card_room_advice(driver))


def cuda_of(backend: str) -> int | None:
    """Return the major version of CUDA that an installed backend is built for; None without CUDA.

    Args:
        backend: `tensorflow`, `jax` or `torch`.
    """
    if backend == "jax":
        return next((major for major in _NEWEST_FIRST if _plugin(major)), None)
    found = importlib.util.find_spec(backend)
    if found is None or found.origin is None:
        return None
    # These files are written by the builds. Reading them takes no seconds, as an import does.
    files = {"tensorflow": "python/platform/build_info.py", "torch": "version.py"}
    try:
        text = (Path(found.origin).parent / files[backend]).read_text("utf-8")
    except OSError:
        return None
    version = re.search(r"""\bcuda(?:_version)?\b['"]?[^'"\n]*?[=,]\s*['"](\d+)""", text)
    return int(version[1]) if version else None


def _plugin(cuda_major: int) -> tuple[str, str] | None:
    """Return name and version of JAX's plugin for a version of CUDA, if it is installed."""
    name = f"jax-cuda{cuda_major}-plugin"
    version = installed_version(name)
    return None if version is None else (name, version)


def _install_jax() -> str:
    """Return the command that adds CUDA 12, which all supported drivers have, to the installed version of JAX."""
    version = installed_version("jaxlib")
    return f"pip install 'jax[cuda12]{'' if version is None else f'=={version}'}'"


def _release(version: str) -> str:
    """Return the numbers of a version, which JAX compares."""
    found = re.match(r"[\d.]+", version)
    return found[0].rstrip(".") if found else version
