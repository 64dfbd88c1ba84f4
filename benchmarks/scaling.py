"""Measure the growth of a trial's cost with the number trained at once, and with the number in the store.

`capacity`: studies of digits-mlp with `trainer=vectorized` at capacity 1 ... 2048, each in a fresh process, with as
many trials (at least 64) and one confirmation. Three times per trial: of the compiled programs; of the study from its
first step on; of the whole process, start-up and compilation included.

`store`: the real search and the real records around a trainer that returns at once, up to 10 000 trials. The cost of a
trial at that number, run alone and in a batch of 50, and the resident memory, for random, quasi-random and TPE search.

    python benchmarks/scaling.py                                         # both, about 15 minutes on two cores
    python benchmarks/scaling.py store --samplers random --most 1000
    python benchmarks/scaling.py --out benchmarks/results/scaling-cpu.json

Run it in a checkout that is installed with `pip install -e .`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks import machine
from benchmarks.tables import capacity_table, machine_line, store_notes, store_table
from benchmarks.workloads import WORKLOADS

MARKS = (30, 100, 300, 1000, 3000, 10_000)
SAMPLERS = ("random", "qmc", "tpe")
_LEAST_TRIALS = 64


def capacity(number: int, workload: str) -> dict[str, float]:
    """Measure studies at a capacity."""
    n_trials = max(number, _LEAST_TRIALS)
    ended = child("capacity", str(number), workload, str(n_trials), backend="jax")
    told = ended.told
    return {
        "capacity": number,
        "n_trials": n_trials,
        "program_ms": 1e3 * told["compute"] / (n_trials + 2),
        "study_ms": 1e3 * (ended.ended_at - told["first_step_at"]) / n_trials,
        "whole_ms": 1e3 * ended.seconds / n_trials,
        "compile": told["compile"],
        "peak_mib": ended.peak_mib,
    }


def store(sampler: str, most: int) -> list[dict[str, float]]:
    """Measure a search with a sampler."""
    marks = sorted({mark for mark in MARKS if mark < most} | {most})
    rows: list[dict[str, float]] = child("store", sampler, *map(str, marks), backend="tensorflow").told["rows"]
    return rows


def child(*arguments: str, backend: str) -> machine.Ended:
    """Run a part of this script in a fresh process, an empty folder and an empty home."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        environment = machine.child_environment(home=Path(home), backend=backend)
        command = [sys.executable, __file__, "--child", *arguments]
        return machine.run(command, folder=Path(folder), environment=environment)


def answer(part: str, *arguments: str) -> None:
    """Run a part in this process, and send the result."""
    if part == "capacity":
        from benchmarks.contenders import vectorized

        number, workload, n_trials = arguments
        words = (f"trainer.capacity={number}", "budget.n_confirmations=1")
        machine.tell(**vectorized(WORKLOADS[workload], int(n_trials), *words))
    else:
        from benchmarks.zero_cost_trainer import measure

        sampler, *marks = arguments
        machine.tell(rows=measure(sampler, marks=[int(mark) for mark in marks], folder=Path.cwd()))


def main() -> None:
    """Measure, print and save the results."""
    if sys.argv[1:2] == ["--child"]:
        answer(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="capacity or store (default: both)")
    parser.add_argument("--capacities", nargs="+", type=int, default=[2**power for power in range(12)])
    parser.add_argument("--workload", choices=WORKLOADS, default="digits-mlp", help="of the part capacity")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--most", type=int, default=MARKS[-1], help="trials in the store at the end")
    parser.add_argument("--out", type=Path, help="JSON file; its results of the same part are replaced")
    options = parser.parse_args()
    if unknown := set(options.parts) - {"capacity", "store"}:
        parser.error(f"unknown part {unknown.pop()}: choose capacity or store")
    described, device = machine.describe(), machine.ask("multiply")
    found: dict[str, Any] = {}
    if "capacity" in (options.parts or ["capacity"]):
        rows = []
        for number in options.capacities:
            rows.append(capacity(number, options.workload))
            print(f"capacity {number}: {rows[-1]['program_ms']:.2f} ms a trial in the program", flush=True)
        print(f"{capacity_table(rows)}\n", flush=True)
        found["capacity"] = {"rows": rows, "workload": options.workload}
    if "store" in (options.parts or ["store"]):
        samplers = {sampler: store(sampler, options.most) for sampler in options.samplers}
        print(f"{store_table(samplers)}\n\n{store_notes(samplers)}\n", flush=True)
        found["store"] = {"samplers": samplers}
    described |= {**device, "load_after": round(os.getloadavg()[0], 2)}
    print(f"- {machine_line(described)}")
    if options.out:
        kept = json.loads(options.out.read_text()) if options.out.exists() else {}
        machine.keep(options.out, kept | {part: {**values, "machine": described} for part, values in found.items()})


if __name__ == "__main__":
    main()
