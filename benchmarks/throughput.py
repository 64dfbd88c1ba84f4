"""Trials per minute: this project's `vectorized` and `fit` beside a plain Optuna + Keras loop and other tuners.

Every contender runs in a fresh process, an empty folder and an empty home (so all caches are cold), started as a user
starts it. In each round all contenders run in turn. Of each number, the median over the rounds counts. Contenders that
train one by one run few trials. Their time for a study is their start-up plus the number of trials times their time
for one trial, both computed from two runs of different length. `vectorized` runs whole studies, each twice: with
nothing compiled yet, which is the time that counts, and with the compiled programs that JAX has cached. This project's
times include the confirmations and their records.

    python benchmarks/throughput.py                                     # every workload, hours on two cores
    python benchmarks/throughput.py --workloads digits-mlp --rounds 1   # about ten minutes
    python benchmarks/throughput.py --contenders vectorized plain-jax --n-trials 512 2048
    python benchmarks/throughput.py --out benchmarks/results/throughput-cpu.json

Run it in a checkout that is installed with `pip install -e .`. Keras Tuner and Ray Tune are not dependencies. To add
them: `pip install --no-deps --target PEERS keras-tuner kt-legacy tensorboard tensorboard-data-server ray fsspec
pyarrow tensorboardX`, then the packages that pip names as missing, and set PYTHONPATH=PEERS. Tuners that are not
installed are left out, and the output names them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks import machine
from benchmarks.contenders import CONTENDERS, fit
from benchmarks.tables import throughput_notes, throughput_table
from benchmarks.workloads import WORKLOADS, Workload

# The measurements of a run, by contender and the number of trials.
Runs = dict[tuple[str, int], list[dict[str, float]]]


class NoSlopeError(Exception):
    """Raised if the longer of two runs was not the slower one."""


def measure(
    name: str, contenders: list[str], n_trials: list[int], *, n_slow: tuple[int, int] | None, rounds: int
) -> dict[str, Any]:
    """Run all contenders on a workload and return the medians, by number of trials and contender."""
    workload, cold, warm = WORKLOADS[name], defaultdict(list), defaultdict(list)
    two_runs = {contender: n_slow or _two_runs(contender, workload) for contender in contenders}
    described, work = machine.describe(), machine.ask("gigaflops", name)["gigaflops"]
    rates = []
    for index in range(rounds):
        rates.append(machine.ask("multiply"))
        for contender in contenders:
            one_by_one = CONTENDERS[contender].one_by_one
            for n in two_runs[contender] if one_by_one else n_trials:
                with tempfile.TemporaryDirectory() as home:
                    cold[contender, n].append(timed(contender, name, n, Path(home)))
                    if not one_by_one:
                        warm[contender, n].append(timed(contender, name, n, Path(home)))
                        rates.append(machine.ask("multiply"))  # after the work that it is compared with, too
                last = cold[contender, n][-1]
                print(f"  round {index + 1}, {contender}, {n} trials: {last['seconds']:.1f} s", flush=True)
    rate = statistics.median(rate["gflops"] for rate in rates)
    studies: dict[str, dict[str, Any]] = {}
    without: set[str] = set()
    for n in n_trials:
        rows = studies[str(n)] = {}
        for contender in contenders:
            if not CONTENDERS[contender].one_by_one:
                rows[contender] = whole(cold[contender, n], n, workload, work=work)
                rows[f"{contender}, again"] = whole(warm[contender, n], n, workload, work=work)
                continue
            try:
                rows[contender] = extrapolate(cold, contender, two_runs[contender], n, work=work)
            except NoSlopeError as error:
                without.add(str(error))
    load = round(os.getloadavg()[0], 2)
    described |= {**rates[-1], "gflops": rate, "load_after": load, "rounds": rounds}
    if bursts := [rate["burst"] for rate in rates if "burst" in rate]:
        described["burst"] = max(bursts)
    return {"machine": described, "gigaflops_a_trial": work, "studies": studies, "no_slope": sorted(without)}


def _two_runs(contender: str, workload: Workload) -> tuple[int, int]:
    is_fit = CONTENDERS[contender].run is fit
    return workload.n_slow_fit if is_fit and workload.n_slow_fit else workload.n_slow


def timed(contender: str, workload: str, n_trials: int, home: Path) -> dict[str, float]:
    """Run a contender in a fresh process; return seconds, peak memory, and the numbers that it sent."""
    environment = machine.child_environment(home=home, backend=CONTENDERS[contender].backend)
    script = Path(__file__).with_name("contenders.py")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(script), contender, workload, str(n_trials)]
        ended = machine.run(command, folder=Path(folder), environment=environment)
    told = dict(ended.told)
    if "first_step_at" in told:
        told["after_first_step"] = ended.ended_at - told.pop("first_step_at")
    return {"seconds": ended.seconds, "peak_mib": ended.peak_mib, **told}


def extrapolate(runs: Runs, contender: str, n_slow: tuple[int, int], n: int, *, work: float) -> dict[str, float]:
    """Return the numbers of a study of `n` trials from those of two runs of different length.

    Raises:
        NoSlopeError: The longer one was not the slower one.
    """
    few, more = (medians(runs[contender, count]) for count in n_slow)

    def line(key: str) -> tuple[float, float]:
        slope = (more[key] - few[key]) / (n_slow[1] - n_slow[0])
        return few[key] + slope * (n - n_slow[0]), slope

    (seconds, slope), peak = line("seconds"), max(few["peak_mib"], more["peak_mib"])
    if slope <= 0:
        raise NoSlopeError(
            f"{contender}: the median of {n_slow[1]} trials was quicker than that of {n_slow[0]}. Run it on an idle "
            "machine, with more --rounds, or with --n-slow further apart."
        )
    row = {"seconds": seconds, "a_trial": slope, "peak_mib": peak, "gflops": work / slope}
    return row | ({"compile": line("compile")[0]} if "compile" in few else {})


def whole(runs: list[dict[str, float]], n: int, workload: Workload, *, work: float) -> dict[str, float]:
    """Return the numbers of a study that was run in full, its confirmations counted as work."""
    middle = medians(runs)
    trained = n + 2 * workload.n_confirmations
    return middle | {"a_trial": middle["compute"] / trained, "gflops": work * trained / middle["compute"]}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each number over the rounds."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    """Measure, print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, help="default: all but tiny")
    parser.add_argument("--n-trials", nargs="+", type=int, help="default: the workload's own numbers")
    parser.add_argument(
        "--n-slow", nargs=2, type=int, help="trials of the two runs of a contender that trains one by one"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, help="JSON file; its results of the same workloads are replaced")
    options = parser.parse_args()
    if os.getloadavg()[0] > 0.5:
        print(f"load {os.getloadavg()[0]:.1f}: other programs compute here, so these results are not reliable")
    there = {name: all(map(importlib.util.find_spec, CONTENDERS[name].needs)) for name in options.contenders}
    missing = [name for name, is_there in there.items() if not is_there]
    print(f"not installed: {', '.join(missing) or 'none'}")
    for name, workload in WORKLOADS.items():
        if name not in options.workloads if options.workloads else not workload.published:
            continue
        n_trials = options.n_trials or list(workload.n_trials)
        print(f"\n{name}, {n_trials} trials, load {os.getloadavg()[0]:.1f}", flush=True)
        chosen = [contender for contender in options.contenders if there[contender]]
        n_slow = tuple(options.n_slow) if options.n_slow else None
        found = measure(name, chosen, n_trials, n_slow=n_slow, rounds=options.rounds)
        found["not_installed"] = missing
        for n in n_trials:
            print(f"\n{throughput_table(found, n)}\n{throughput_notes(found, n)}", flush=True)
        if options.out:
            kept = json.loads(options.out.read_text()) if options.out.exists() else {}
            machine.keep(options.out, {**kept, name: found})


if __name__ == "__main__":
    main()
