"""The card's own matrix product, and the versions of everything that takes part in a measurement."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from typing import Any

from benchmarks.gpu_rows.card import MeasuredCard
from study.core.machine import n_cores, processor

# Settings of `jax_default_matmul_precision`. On an NVIDIA card, XLA computes a product of float32 in TF32 unless the
# setting is `float32` (also called `highest`); cards before Ampere have no TF32. The relative error shows which of
# them computed: about 1e-7 for float32, 3e-4 for TF32, 3e-3 for bfloat16.
_SETTINGS = {"default": None, "float32": "float32", "tf32": "tensorfloat32"}
_PLUGINS = tuple(f"jax-cuda{n}-{part}" for n in (12, 13) for part in ("plugin", "pjrt"))
_PACKAGES = ("jax", "jaxlib", *_PLUGINS, "keras", "numpy", "optimizer-study", "nvidia-ml-py")
# The same for a product whose error is measured, whatever the size of those that are timed.
_ERROR_SIDE = 512


def measure_machine(card: MeasuredCard | None, *, keras_s: float) -> dict[str, Any]:
    """Return the card, the driver, the machine and the versions.

    Args:
        card: The card as the driver describes it; None on a CPU.
        keras_s: Time from the start of this process until Keras was imported, in seconds.
    """
    import jax

    from study.training.environment import environment

    device = jax.local_devices()[0]
    memory = device.memory_stats() or {}
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "card": device.device_kind if device.platform == "gpu" else None,
        "compute_capability": getattr(device, "compute_capability", None),
        "n_devices": len(jax.local_devices()),
        "platform_version": " ".join(device.client.platform_version.split()),
        # The limit of JAX's allocator, which is less than the card's memory.
        "bytes_limit": memory.get("bytes_limit"),
        **({} if card is None else card.facts()),
        "versions": versions,
        "python": platform.python_version(),
        "git_commit": environment().get("git_commit"),
        "processor": processor(),
        "n_cores": n_cores(),
        "system": platform.platform(terse=True),
        "keras_s": keras_s,
        "load": round(os.getloadavg()[0], 2),
    }


def measure_product(*, miniature: bool) -> dict[str, Any]:
    """Return for each precision the sustained rate of the product of two matrices in GFLOP/s, and its relative error.

    The rate is the one of the quickest size. `default` is JAX's own setting, with which a study trains. `auto_gflops`
    is the rate that `trainer=auto` takes for the machine's.

    Args:
        miniature: Multiply small matrices for a short time.
    """
    import jax
    import jax.numpy as jnp

    from study.training.devices import matrix_product_gflops

    sides, kept_up_s = ((64, 128), 0.02) if miniature else ((2048, 4096, 8192), 0.6)
    found: dict[str, Any] = {}
    for name, setting in _SETTINGS.items():
        # Without the context, the setting is the one of the environment, or JAX's own.
        with contextlib.nullcontext() if setting is None else jax.default_matmul_precision(setting):
            found |= _rate_and_error(name, jnp.float32, sides=sides, kept_up_s=kept_up_s)
    found |= _rate_and_error("bfloat16", jnp.bfloat16, sides=sides, kept_up_s=kept_up_s)
    found["default_setting"] = jax.config.jax_default_matmul_precision or "not set"
    return found | {"auto_gflops": matrix_product_gflops()}


def _rate_and_error(name: str, dtype: Any, *, sides: tuple[int, ...], kept_up_s: float) -> dict[str, float]:
    import jax
    import numpy as np

    product, rng = jax.jit(lambda a, b: a @ b), np.random.default_rng(0)
    rates = {}
    for side in sides:
        a, b = (jax.device_put(rng.standard_normal((side, side), dtype=np.float32)).astype(dtype) for _ in range(2))
        product(a, b).block_until_ready()
        n, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < kept_up_s:
            product(a, b).block_until_ready()
            n += 1
        rates[side] = 2 * side**3 * n / seconds / 1e9
    a, b = (rng.standard_normal((_ERROR_SIDE, _ERROR_SIDE), dtype=np.float32) for _ in range(2))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    computed = np.asarray(product(*(jax.device_put(m).astype(dtype) for m in (a, b))).astype(np.float32), np.float64)
    error = np.sqrt(np.mean((computed - exact) ** 2) / np.mean(exact**2))
    side = max(rates, key=lambda side: rates[side])
    return {f"{name}_gflops": rates[side], f"{name}_side": side, f"{name}_relative_error": float(error)}
