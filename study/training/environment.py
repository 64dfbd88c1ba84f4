"""The versions and the device that a training depends on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from study.core.packages import PACKAGES
from study.training.backend import loaded_backend
from study.training.devices import cpu_text, device


def environment(*, on_cpu: bool = False) -> dict[str, str]:
    """Return versions by package, with `python`, `device` and, in a checkout, `git_commit`.

    The device is the one of the loaded backend; without a loaded backend, it is left out.

    Args:
        on_cpu: The training computes on the CPU, whatever its backend does. Default False.
    """
    found = {"python": platform.python_version()}
    if loaded_backend() is not None:
        found["device"] = cpu_text() if on_cpu else device()
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if described.returncode == 0:
        found["git_commit"] = described.stdout.strip()
    return found
