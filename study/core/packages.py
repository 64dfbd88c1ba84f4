"""The packages that take part in a study, by their names as distributions."""

from __future__ import annotations

import contextlib
import importlib.metadata

PROJECT = "optimizer-study"
# Packages that compute a training, by backend. With another version of one of them, the training is another one.
COMPUTING = {
    "tensorflow": ("keras", "numpy", "tensorflow"),
    "jax": ("keras", "numpy", "jax", "jaxlib"),
    "torch": ("keras", "numpy", "torch"),
}
# Packages whose versions a study records, in the order in which they are shown.
PACKAGES = ("keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "optuna", "mlflow", PROJECT)
# Tags of a study that hold versions.
VERSIONS = ("python", *PACKAGES)
# Packages with the modules and the version of another one, which may be installed in its place.
_IN_PLACE = {"mlflow": "mlflow-skinny"}


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or of the one in its place; None if neither is installed."""
    for name in (package, _IN_PLACE.get(package)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if name is not None:
                return importlib.metadata.version(name)
    return None
