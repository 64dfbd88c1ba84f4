"""The machine: its description, its speed of multiplication, the memory of a process and its children."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from study.core.machine import n_cores, processor

ROOT = Path(__file__).parents[1]
TOLD = "benchmark result: "
_SIDES = (512, 1024, 2048)
_KEPT_UP_S = 1.0
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a child process: seconds of wall time, the time of its end, peak resident memory, and its result."""

    seconds: float
    ended_at: float
    peak_mib: float
    told: dict[str, Any]


def run(command: list[str], *, folder: Path, environment: dict[str, str]) -> Ended:
    """Run a child process to its end; add up the resident memory of it and its own children ten times a second.

    Raises:
        SystemExit: The child failed.
    """
    with (folder / "stdout").open("w+") as out, (folder / "stderr").open("w+") as err:
        began = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        peak, stop = [0.0], threading.Event()
        watch = threading.Thread(target=_watch, args=(child.pid, peak, stop))
        watch.start()
        child.wait()
        seconds, ended_at = time.perf_counter() - began, time.time()
        stop.set()
        watch.join()
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{err.read()[-4000:]}")
        told = [line for line in out if line.startswith(TOLD)]
    values = json.loads(told[-1].removeprefix(TOLD)) if told else {}
    return Ended(seconds=seconds, ended_at=ended_at, peak_mib=peak[0], told=values)


def child_environment(*, home: Path, backend: str) -> dict[str, str]:
    """Return the environment of a child that finds the data sets, but only the caches in `home`."""
    kept = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **kept,
        "HOME": str(home),
        "KERAS_HOME": os.environ.get("KERAS_HOME", str(Path.home() / ".keras")),
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def tell(**values: Any) -> None:
    """Send values to the process that runs this child."""
    print(f"\n{TOLD}{json.dumps(values)}", flush=True)


def describe() -> dict[str, Any]:
    """Describe the machine and its present load."""
    return {
        "processor": processor(),
        "n_cores": n_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def multiply() -> dict[str, Any]:
    """Return the rate of the product of two float32 matrices in GFLOP/s, by NumPy and by JAX, and JAX's device.

    The rate is the one sustained for a second at the quickest size, as a training needs. `burst` is the rate of the
    quickest single product.
    """
    import jax
    import numpy as np

    rng = np.random.default_rng(0)
    rates: dict[str, float] = {"numpy": 0.0, "jax": 0.0}
    burst = 0.0
    product = jax.jit(lambda a, b: a @ b)
    for side in _SIDES:
        a, b = (rng.standard_normal((side, side), dtype=np.float32) for _ in range(2))
        on_device = [jax.device_put(matrix) for matrix in (a, b)]
        for name, call in (("numpy", lambda a=a, b=b: a @ b), ("jax", lambda m=on_device: product(*m))):
            jax.block_until_ready(call())
            ends = [time.perf_counter()]
            while ends[-1] < ends[0] + _KEPT_UP_S:
                jax.block_until_ready(call())
                ends.append(time.perf_counter())
            once = 2 * side**3 / 1e9
            rates[name] = max(rates[name], once * (len(ends) - 1) / (ends[-1] - ends[0]))
            burst = max(burst, once / min(after - before for before, after in itertools.pairwise(ends)))
    device = jax.local_devices()[0]
    gpu = device.platform != "cpu"
    return {
        **{f"{name}_gflops": rate for name, rate in rates.items()},
        "burst": burst,
        "device": "gpu" if gpu else "cpu",
        "gpu": f"{len(jax.local_devices())} x {device.device_kind}" if gpu else None,
        # With a GPU, the processor's rate does not count.
        "gflops": rates["jax"] if gpu else max(rates.values()),
    }


def ask(name: str, *arguments: str, backend: str = "jax") -> dict[str, Any]:
    """Call `multiply`, or a workload's `gigaflops`, in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, name, *arguments]
        environment = child_environment(home=Path.home(), backend=backend)
        return run(command, folder=Path(folder), environment=environment).told


def keep(path: Path, found: Mapping[str, Any]) -> None:
    """Write the results as JSON, with five digits of each number."""

    def rounded(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: rounded(member) for key, member in value.items()}
        if isinstance(value, list):
            return [rounded(member) for member in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(found), indent=1) + "\n")


def _watch(pid: int, peak: list[float], stop: threading.Event) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while not stop.wait(_POLL_S):
            taken = 0
            for member in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    taken += member.memory_info().rss
            peak[0] = max(peak[0], taken / 2**20)


def main() -> None:
    """Answer `ask`."""
    if sys.argv[1] == "multiply":
        tell(**multiply())
    else:
        from benchmarks.workloads import WORKLOADS, gigaflops, write_conf

        write_conf(WORKLOADS[sys.argv[2]], Path.cwd())
        tell(gigaflops=gigaflops(WORKLOADS[sys.argv[2]]))


if __name__ == "__main__":
    main()
