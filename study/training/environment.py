"""The versions and the device that a training depends on."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from study.core.packages import PACKAGES, installed_version
from study.training.backend import loaded_backend
from study.training.devices import device


def environment() -> dict[str, str]:
    """Return versions by package, with `python`, `device` and, in a checkout, `git_commit`.

    The device is the one of the loaded backend; without a loaded backend, it is left out.
    """
    found = {"python": platform.python_version()}
    if loaded_backend() is not None:
        found["device"] = device()
    for package in PACKAGES:
        if (version := installed_version(package)) is not None:
            found[package] = version
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if described.returncode == 0:
        found["git_commit"] = described.stdout.strip()
    return found
