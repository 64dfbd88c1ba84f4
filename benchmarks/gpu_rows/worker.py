"""The child process of benchmarks/gpu.py, which measures the rows that its parent asks for, one after the other.

A request is a line of JSON with `row`, `part` and `miniature`. For each, it sends lines of values as they are known,
and at last a line with `ended`: `measured` or `error`. The error of a worker that sees no GPU has `no_gpu`: the reason
and the next step, empty if no reason shows.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import Any

import psutil

from benchmarks.compiling import CompileClock
from benchmarks.gpu_rows.card import MeasuredCard, NoCardError, find_card
from benchmarks.gpu_rows.energy import EnergyMeter
from benchmarks.gpu_rows.product import measure_machine, measure_product
from benchmarks.gpu_rows.rows import ROWS, WORKLOADS, miniature
from benchmarks.machine import tell
from study.core.child_signals import end_with_parent
from study.training.backend import start_backend
from study.training.unseen_cards import find_reason


class NoGpuError(Exception):
    """Raised if JAX computes on another device than a GPU, and a GPU is asked for."""


def serve(card: MeasuredCard | None, *, no_card: str) -> None:
    """Answer requests until the parent closes the pipe.

    Args:
        card: The card as the driver describes it; None on a CPU, or if the driver does not describe it.
        no_card: The reason for None.
    """
    meter = EnergyMeter(card, no_card=no_card)
    clock: CompileClock | None = None
    keras_s = 0.0
    started = psutil.Process().create_time()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            start_backend("jax")  # sets the flags of XLA, so before JAX starts
            keras_s = keras_s or time.time() - started
            _check_device(miniature=request["miniature"])
            clock = clock or CompileClock("jax")
            if request["row"] == "machine":
                tell(**measure_machine(card, keras_s=keras_s))
            elif request["row"] == "product":
                tell(**measure_product(miniature=request["miniature"]))
            else:
                _train(request, meter, started=started, clock=clock)
        except Exception as error:  # a row that fails must not stop the next one
            told = {"error": f"{type(error).__name__}: {error}"[:2000], "traceback": traceback.format_exc()[-4000:]}
            tell(**told, **({"no_gpu": _why_no_gpu()} if isinstance(error, NoGpuError) else {}), ended="error")
        else:
            tell(ended="measured")
        started = time.time()


def _check_device(*, miniature: bool) -> None:
    import jax

    try:
        platform = jax.local_devices()[0].platform
    except RuntimeError as error:
        raise NoGpuError(str(error)) from error
    if platform != ("cpu" if miniature else "gpu"):
        raise NoGpuError(f"JAX computes on {platform}")


def _why_no_gpu() -> str:
    """Return the reason why JAX sees no GPU with the next step; empty if none shows."""
    found = find_reason("jax")
    return "" if found is None else f"{found.reason}. {found.advice}".strip()


def _train(request: dict[str, Any], meter: EnergyMeter, *, started: float, clock: CompileClock) -> None:
    row, small = next(row for row in ROWS if row.name == request["row"]), request["miniature"]
    from benchmarks.gpu_rows.training import Measurement, forget_compiled, side_by_side

    workload = WORKLOADS[row.workload]
    if small:
        row, workload = row.miniature(), miniature(workload)
    forget_compiled()
    # The row's own conf/ is written into the working directory.
    with tempfile.TemporaryDirectory() as name, chdir(name), side_by_side() if small else nullcontext():
        measurement = Measurement(row, workload, folder=Path(name), started=started, compiling=clock, tell=tell)
        if request["part"] == "first":
            measurement.first(meter, repeats=not small)
        else:
            measurement.again()


def main() -> None:
    """Serve the parent process. The arguments are its id, and `gpu` or `cpu`: the device to measure."""
    end_with_parent(int(sys.argv[1]))
    card, no_card = None, "no GPU"
    if sys.argv[2] == "gpu":
        try:
            card = find_card()
        except NoCardError as error:
            no_card = str(error)
    serve(card, no_card=no_card)


if __name__ == "__main__":
    main()
