"""The packages that take part in a study, by their names as distributions."""

from __future__ import annotations

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
