"""Measure the time of `study compare`, and the size of its page.

Fill a store with made-up studies (by default 8 optimizers, 200 trials of 50 epochs, 10 confirmations). Then run the
command as a user does, in its own process. Print seconds of wall time and of processor time, and megabytes.

    python benchmarks/report.py
    python benchmarks/report.py --n-trials 1000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from study.core.database_address import sqlite_address
from study.tracking.connection import connect

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam")
RANGES = {
    "learning_rate": (1e-5, 1.0, "log"),
    "beta_1": (0.5, 0.99, "one_minus_log"),
    "beta_2": (0.9, 0.9999, "one_minus_log"),
}


def fill(uri: str, artifacts: Path, *, n_trials: int, n_epochs: int, n_confirmations: int) -> None:
    """Write the studies."""
    client = connect(uri, create=True, artifacts=artifacts)
    experiment = client.create_experiment("made-up")
    for index, name in enumerate(OPTIMIZERS):
        rng = np.random.default_rng(index)
        budget = {"n_trials": n_trials, "n_epochs": n_epochs, "n_confirmations": n_confirmations}
        parent = _study(client, experiment, name, budget=budget)
        points = [_point(rng) for _ in range(n_trials)]
        scores = [0.9 - 0.03 * (np.log10(point["learning_rate"]) + 2) ** 2 for point in points]
        best = points[int(np.argmax(scores))]
        for number, (point, score) in enumerate(zip(points, scores, strict=True)):
            _run(client, experiment, parent, "trial", number, point, score, n_epochs=n_epochs, rng=rng)
        for number in range(n_confirmations):
            score = 0.9 + 0.002 * index + 0.005 * rng.standard_normal()
            _run(client, experiment, parent, "best", number, best, score, n_epochs=n_epochs, rng=rng)
            _run(client, experiment, parent, "default", number, {}, score - 0.02, n_epochs=n_epochs, rng=rng)
        client.set_terminated(parent)


def _study(client: MlflowClient, experiment: str, name: str, *, budget: dict[str, int]) -> str:
    tags = {"role": "study", "optimizer": name, "dataset": "made", "model": "up", "study_name": name, "study_id": name}
    tags |= {key: str(budget[key]) for key in ("n_trials", "n_confirmations")}
    run_id = client.create_run(experiment, tags=tags, run_name=name).info.run_id
    params = {
        "optimizer": name,
        "study_seed": "0",
        "objective.metric": "val_accuracy",
        "objective.direction": "auto",
        "objective.target": "0.85",
        "sampler.name": "random",
        "pruner.name": "none",
        "budget.n_epochs": str(budget["n_epochs"]),
    }
    for argument, (low, high, scale) in RANGES.items():
        own = f"optimizer.search.{argument}"
        params |= {f"{own}.low": str(low), f"{own}.high": str(high), f"{own}.scale": scale}
    client.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])
    return str(run_id)


def _point(rng: np.random.Generator) -> dict[str, float]:
    return {
        "learning_rate": 10 ** rng.uniform(-5, 0),
        "beta_1": 1 - 10 ** rng.uniform(-2, np.log10(0.5)),
        "beta_2": 1 - 10 ** rng.uniform(-4, -1),
    }


def _run(
    client: MlflowClient,
    experiment: str,
    parent: str,
    kind: str,
    number: int,
    point: dict[str, float],
    score: float,
    *,
    n_epochs: int,
    rng: np.random.Generator,
) -> None:
    tags = {
        "role": "trial" if kind == "trial" else "confirmation",
        "number": str(number),
        "mlflow.parentRunId": parent,
    }
    if kind != "trial":
        tags["config"] = kind
    run_id = client.create_run(experiment, tags=tags).info.run_id
    seeds = {"trial_number": number, "run_seed": number, "order_seed": number}
    curve = score * (1 - np.exp(-np.arange(1, n_epochs + 1) / 5)) + 0.002 * rng.standard_normal(n_epochs)
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    metrics = [Metric(key, float(value), 0, step + 1) for step, value in enumerate(curve) for key in names]
    ends = {"objective": score, "seconds_train": 60.0, "n_steps": 430.0 * n_epochs, "optimizer_state_bytes": 2e6}
    ends |= {} if kind == "trial" else {"test_accuracy": score}
    metrics += [Metric(key, value, 0, 0) for key, value in ends.items()]
    params = [Param(key, str(value)) for key, value in (point | seeds).items()]
    client.log_batch(run_id, metrics=metrics, params=params, tags=[RunTag("state", "complete")])
    client.set_terminated(run_id)


def main() -> None:
    """Fill a store in a temporary folder and compare its studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-trials", type=int, default=200)
    parser.add_argument("--n-epochs", type=int, default=50)
    parser.add_argument("--n-confirmations", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "mlruns" / "mlflow.db"
        database.parent.mkdir()
        began = time.perf_counter()
        fill(sqlite_address(database), folder / "mlruns" / "artifacts", **vars(options))
        print(f"{os.cpu_count()} cores; the store took {time.perf_counter() - began:.0f} s to fill")
        for extra in ([], ["--no-log"]):
            command = [sys.executable, "-c", "import sys; from study.cli import main; sys.exit(main())"]
            began, before = time.perf_counter(), os.times()
            subprocess.run([*command, "compare", "made-up", "--output", "page.html", *extra], cwd=folder, check=True)
            wall, after = time.perf_counter() - began, os.times()
            busy = sum(getattr(after, key) - getattr(before, key) for key in ("children_user", "children_system"))
            size = (folder / "page.html").stat().st_size / 1e6
            print(f"study compare {' '.join(extra)}: {wall:.1f} s ({busy:.1f} s of processor), page {size:.2f} MB")


if __name__ == "__main__":
    main()
