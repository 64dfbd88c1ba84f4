"""`study doctor --measure`: train small studies of conf/ with every trainer and backend, and keep the times."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from study.cli.launch.compose import compose_jobs, prepare
from study.config.schema import BACKENDS
from study.core.errors import StudyError
from study.core.machine import cards, n_cores
from study.training.auto_costs import Cost, keep_measured


@dataclass(frozen=True, kw_only=True)
class _Workload:
    """A small study of one kind of network, and its number of parallel trials on a CPU and on a GPU."""

    overrides: tuple[str, ...]
    n_at_once: tuple[int, int]


_WORKLOADS = {
    "dense": _Workload(overrides=("model=mlp", "budget.n_epochs=5"), n_at_once=(16, 64)),
    "recurrent": _Workload(overrides=("model=lstm", "budget.n_epochs=5"), n_at_once=(16, 64)),
    # Trials are long enough that the measured time is not only their start.
    "convolutional": _Workload(overrides=("model=cnn_2c2d", "budget.n_epochs=3"), n_at_once=(4, 64)),
}
_COMMON = ("dataset=digits", "optimizer=adam", "optimizer.search_only=[learning_rate]", "live=false")
_ONE_BY_ONE = 3


def measure_all(*, timeout_s: float, stream: TextIO) -> dict[str, list[Cost]]:
    """Measure each kind of network with each trainer and backend, and keep the measurements.

    Args:
        timeout_s: Time for each measurement, in seconds. A measurement that takes longer is reported and left out.
        stream: The stream that gets a line for each measurement.

    Returns:
        The costs, by kind of network.

    Raises:
        StudyError: The file of measurements cannot be written.
    """
    from study.cli.actions.trainer_timing import measure

    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > n_cores() / 2:
        stream.write(
            f"This machine is busy (load {busy:.1f} on {n_cores()} cores), so times measured now are inaccurate.\n"
        )
    began = time.monotonic()
    measured: dict[str, list[Cost]] = {}
    for kind, workload in _WORKLOADS.items():
        for trainer, backend, n_trials in _contenders(workload):
            overrides = (f"trainer={trainer}", f"trainer.backend={backend}", f"budget.n_trials={n_trials}")
            words = prepare([*_COMMON, *workload.overrides, *overrides])
            (job,) = compose_jobs(words, multirun=False)
            told = f"{kind}, {trainer} on {backend}"
            try:
                seconds = measure(job.raw, timeout_s=timeout_s)
            except StudyError as error:
                stream.write(f"{told}: {error}\n")
                continue
            cost = Cost(trainer=trainer, backend=backend, fixed_s=seconds.fixed_s, trial_s=seconds.trial_s)
            measured.setdefault(kind, []).append(cost)
            stream.write(f"{told}: {cost.fixed_s:.1f} s and {cost.trial_s:.3f} s a training\n")
            stream.flush()
    kept = keep_measured(measured)
    stream.write(f"Measured in {time.monotonic() - began:.0f} s and kept in {kept}.\n\n")
    return measured


def _contenders(workload: _Workload) -> Iterator[tuple[str, str, int]]:
    """Yield trainer, backend and number of trials."""
    installed = [backend for backend in BACKENDS if importlib.util.find_spec(backend) is not None]
    for backend in installed:
        yield "fit", backend, _ONE_BY_ONE
    if "jax" in installed:
        yield "vectorized", "jax", workload.n_at_once[bool(cards())]
