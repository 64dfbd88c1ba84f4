"""Measure the idle time of the workers of one study with trials of unequal length, beside a sweeper's batches.

Real processes share a real study with a stub trainer that sleeps, so only the sharing is measured. For comparison, the
idle time of a sweeper is computed from the same lengths. The sweeper asks for as many trials as there are workers, and
waits for the slowest of each batch before it asks again. A worker is idle while it trains nothing, between its joining
and the end of the last trial.

    python -m benchmarks.workers [--workers 4] [--trials 120] [--mean-s 3.0] [--optuna-url postgresql+psycopg://...]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from tests.faults.crew import Crew, Program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--mean-s", type=float, default=3.0, help="mean of the log-normal lengths, sigma 0.7")
    parser.add_argument("--optuna-url", help="a database; without one, the journal")
    options = parser.parse_args()
    drawn = np.random.default_rng(0).lognormal(0.0, 0.7, options.trials)
    seconds = drawn / drawn.mean() * options.mean_s
    spans = share(seconds, options)
    print(f"{options.trials} trials of {seconds.min():.2f} to {seconds.max():.2f} s, {options.workers} workers")
    print(f"workers of one study: {idle_share(spans):.1%} idle")
    print(f"  of which {tail_share(spans):.1%} after a worker's last trial")
    print(f"  {mean_gap(spans) * 1000:.0f} ms from trial to trial")
    print(f"batches of a sweeper: {idle_share_of_batches(seconds, options.workers):.1%} idle")


def share(seconds: np.ndarray, options: argparse.Namespace) -> dict[int, list[tuple[float, float]]]:
    """Return the start and end of each training in seconds, by process."""
    program = Program()
    with tempfile.TemporaryDirectory() as folder:
        crew = Crew(program, Path(folder))
        order = {"n_trials": len(seconds), "n_confirmations": 0, "seconds_of": list(seconds)}
        crew.start(1, **{**order, "n_trials": 1, "seconds_of": [0.0]}, optuna_url=options.optuna_url)
        crew.join()  # makes the stores
        (crew.folder / "trained.txt").unlink()
        crew.start(options.workers, **order, optuna_url=options.optuna_url)
        crew.join()
        spans: dict[int, list[tuple[float, float]]] = {}
        began: dict[str, float] = {}
        for at, what, name, pid in crew.told():
            if what == "began":
                began[name] = at
            else:
                spans.setdefault(pid, []).append((began[name], at))
        time.sleep(0.1)
    program.close()
    return spans


def idle_share(spans: dict[int, list[tuple[float, float]]]) -> float:
    """Return the idle part of the time from each worker's first trial to the end of the last trial of all."""
    end = max(ended for worker in spans.values() for _, ended in worker)
    there = sum(end - worker[0][0] for worker in spans.values())
    return 1 - sum(ended - began for worker in spans.values() for began, ended in worker) / there


def tail_share(spans: dict[int, list[tuple[float, float]]]) -> float:
    """Return the part of the time in which workers wait for others' last trials."""
    end = max(ended for worker in spans.values() for _, ended in worker)
    return sum(end - worker[-1][1] for worker in spans.values()) / sum(end - w[0][0] for w in spans.values())


def mean_gap(spans: dict[int, list[tuple[float, float]]]) -> float:
    """Return the mean seconds between two trials of a worker: to record one and to ask for another."""
    gaps = [b[0] - a[1] for worker in spans.values() for a, b in itertools.pairwise(worker)]
    return float(np.mean(gaps))


def idle_share_of_batches(seconds: np.ndarray, n_workers: int) -> float:
    """Return the idle part of the time if each batch of trials ends with its slowest."""
    batches = [seconds[first : first + n_workers] for first in range(0, len(seconds), n_workers)]
    return 1 - seconds.sum() / (n_workers * sum(batch.max() for batch in batches))


if __name__ == "__main__":
    main()
