"""`study doctor --measure`: train small studies of conf/ with every trainer and backend, and keep their costs."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from study.cli.actions.trainer_timing import measure, measure_speed
from study.cli.launch.compose import compose_jobs, prepare
from study.config.schema import BACKENDS
from study.core.errors import StudyError
from study.core.machine import cards, n_cores
from study.training.auto_costs import Cost, Device, Timing, keep_measured
from study.training.cost_fit import fit_cost
from study.training.devices import ask_for_gpus

# Studies of each kind. They differ in epochs, batch size and width, so that the terms of a cost can be separated.
_DIGITS, _WORDS = "dataset=digits", "dataset=zipf_words"
_WORKLOADS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "dense": (
        (_DIGITS, "model=mlp", "model.hidden=[64,64]", "budget.n_epochs=1"),
        (_DIGITS, "model=mlp", "model.hidden=[64,64]", "budget.n_epochs=8"),
        (_DIGITS, "model=mlp", "model.hidden=[384,384]", "trainer.batch_size=128", "budget.n_epochs=6"),
        (_DIGITS, "model=mlp", "model.hidden=[1024,1024]", "trainer.batch_size=16", "budget.n_epochs=1"),
        (_DIGITS, "model=mlp", "model.hidden=[1024,1024]", "trainer.batch_size=256", "budget.n_epochs=4"),
    ),
    "embedding": (
        (_WORDS, "model=word_embedding", "budget.n_epochs=1"),
        (_WORDS, "model=word_embedding", "budget.n_epochs=4"),
        (_WORDS, "model=word_embedding", "dataset.vocabulary=20000", "model.dimensions=64", "budget.n_epochs=1"),
        (_WORDS, "model=word_embedding", "dataset.vocabulary=5000", "trainer.batch_size=256", "budget.n_epochs=4"),
    ),
    "recurrent": (
        (_DIGITS, "model=lstm", "model.units=32", "budget.n_epochs=1"),
        (_DIGITS, "model=lstm", "model.units=32", "budget.n_epochs=6"),
        (_DIGITS, "model=lstm", "model.units=256", "trainer.batch_size=16", "budget.n_epochs=1"),
        (_DIGITS, "model=lstm", "model.units=256", "trainer.batch_size=256", "budget.n_epochs=2"),
    ),
    "convolutional": (
        (_DIGITS, "model=cnn_2c2d", "budget.n_epochs=1"),
        (_DIGITS, "model=cnn_2c2d", "trainer.batch_size=256", "budget.n_epochs=2"),
        (_DIGITS, "model=cnn_2c2d", "trainer.batch_size=16", "budget.n_epochs=1"),
        (_DIGITS, "model=resnet20", "trainer.batch_size=256", "budget.n_epochs=1"),
    ),
}
_COMMON = ("optimizer=adam", "optimizer.search_only=[learning_rate]", "budget.n_confirmations=0", "live=false")
_ONE_BY_ONE, _SIDE_BY_SIDE = 2, {"cpu": 16, "gpu": 64}
_FEW_SIDE_BY_SIDE = 4  # of a convolutional net on a CPU, of which each takes seconds


@dataclass(frozen=True, kw_only=True)
class _Contender:
    """A trainer with a backend, and the number of trials that it trains of each study."""

    trainer: str
    backend: str
    n_trials: int


def measure_all(*, timeout_s: float, stream: TextIO) -> dict[str, list[Cost]]:
    """Measure each kind of network with each trainer and backend, and keep the costs.

    Args:
        timeout_s: Time for each measurement, in seconds. A measurement that takes longer is reported and left out.
        stream: The stream that gets a line for each measurement.

    Returns:
        The costs, by kind of network.

    Raises:
        StudyError: JAX does not start, or the file of measurements cannot be written.
    """
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > n_cores() / 2:
        stream.write(
            f"This machine is busy (load {busy:.1f} on {n_cores()} cores), so times measured now are inaccurate.\n"
        )
    began = time.monotonic()
    device: Device = "gpu" if cards() and ask_for_gpus("jax", timeout_s=timeout_s) else "cpu"
    speed = measure_speed(timeout_s=timeout_s)
    stream.write(f"start-up of Keras on JAX {speed.start_s:.1f} s, matrix product {speed.gflops:.0f} GFLOP/s\n")
    costs: dict[str, list[Cost]] = {}
    starts: dict[str, list[float]] = {}
    for kind, workloads in _WORKLOADS.items():
        for contender in _contenders(kind, device):
            timings = list(_timings(kind, workloads, contender, timeout_s=timeout_s, stream=stream))
            if timings:
                cost = fit_cost(
                    contender.trainer,
                    contender.backend,
                    timings,
                    speed,
                    side_by_side=contender.trainer == "vectorized",
                    device=device,
                )
                costs.setdefault(kind, []).append(cost)
                starts.setdefault(contender.backend, []).extend(timing.start_s / speed.start_s for timing in timings)
    kept = keep_measured(device, speed, {name: sum(all_) / len(all_) for name, all_ in starts.items()}, costs)
    stream.write(f"Measured in {time.monotonic() - began:.0f} s and kept in {kept}.\n\n")
    return costs


def _timings(
    kind: str, workloads: Sequence[Sequence[str]], contender: _Contender, *, timeout_s: float, stream: TextIO
) -> Iterator[Timing]:
    """Time the studies of a kind with a contender; one that fails is reported and left out."""
    for workload in workloads:
        words = prepare(
            [
                *_COMMON,
                *workload,
                f"trainer={contender.trainer}",
                f"trainer.backend={contender.backend}",
                f"budget.n_trials={contender.n_trials}",
            ]
        )
        (job,) = compose_jobs(words, multirun=False)
        told = f"{kind}, {contender.trainer} on {contender.backend}, {' '.join(workload[1:])}"
        try:
            timing = measure(job.raw, timeout_s=timeout_s)
        except StudyError as error:
            stream.write(f"{told}: {error}\n")
            continue
        stream.write(
            f"{told}: {timing.start_s:.1f} s to start, {timing.compiling_s:.1f} s to compile, "
            f"{timing.training_s:.3f} s a training\n"
        )
        stream.flush()
        yield timing


def _contenders(kind: str, device: Device) -> Iterator[_Contender]:
    installed = [backend for backend in BACKENDS if importlib.util.find_spec(backend) is not None]
    for backend in installed:
        yield _Contender(trainer="fit", backend=backend, n_trials=_ONE_BY_ONE)
    if "jax" in installed:
        few = kind == "convolutional" and device == "cpu"
        n_trials = _FEW_SIDE_BY_SIDE if few else _SIDE_BY_SIDE[device]
        yield _Contender(trainer="vectorized", backend="jax", n_trials=n_trials)
