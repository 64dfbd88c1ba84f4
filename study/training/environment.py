"""The versions and the device that a training depends on."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from study.core.packages import PACKAGES, installed_version
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
        if (version := installed_version(package)) is not None:
            found[package] = version
    if commit := _git_commit(Path(__file__).parent):
        found["git_commit"] = commit
    return found


def _git_commit(folder: Path) -> str:
    """Return the commit of a checkout; empty for an installed package, and on a machine without git."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return described.stdout.strip() if described.returncode == 0 else ""
