"""The cost of `trainer=auto` beside the best trainer in hindsight, over a grid of workloads and budgets.

    python benchmarks/auto.py                                      # about half an hour on two quiet cores
    python benchmarks/auto.py --workloads digits-mlp zipf_words
    python benchmarks/auto.py --out benchmarks/results/auto-cpu.json

Each trainer runs whole commands in a fresh process: start, search, confirmations and records. Caches hold what any
command leaves there, but no compiled programs. The time of a number of trials comes from two commands of different
length, as a straight line; all trainers are run in turn. `auto` is run too, at the shorter length: what it takes there
beyond its trainer, such as finding the size of the model, is added to the time of the trainer that it takes at other
lengths. A command that takes longer than the limit counts with the time at which it was ended, which is less than its
real time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks import machine

OPTIONS = (("fit", "tensorflow"), ("fit", "jax"), ("vectorized", "jax"))
_COMMON = ("live=false", "optimizer=adam", "budget.n_confirmations=5")
_LIMIT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model and data, with the lengths of training and the numbers of trials that count.

    Attributes:
        overrides: Words of `study run`.
        n_epochs: Epochs of a training, each a workload of its own.
        n_trials: Numbers of trials of the studies.
        measured: The two numbers of trials that are run.
    """

    overrides: tuple[str, ...]
    n_epochs: tuple[int, ...]
    n_trials: tuple[int, ...] = (1, 10, 100, 1000)
    measured: tuple[int, int] = (1, 24)


WORKLOADS = {
    "digits-mlp": Workload(overrides=("dataset=digits", "model=mlp"), n_epochs=(1, 10, 50)),
    "digits-mlp-wide": Workload(
        overrides=("dataset=digits", "model=mlp", "model.hidden=[512,512]", "trainer.batch_size=64"), n_epochs=(2, 10)
    ),
    "digits-linear": Workload(
        overrides=("dataset=digits", "model=linear", "trainer.batch_size=8"), n_epochs=(1, 20)
    ),
    "fashion_mnist-mlp": Workload(
        overrides=("dataset=fashion_mnist", "model=mlp", "model.hidden=[300,100]", "trainer.batch_size=128"),
        n_epochs=(1, 3),
        measured=(1, 8),
    ),
    "digits-lstm": Workload(overrides=("dataset=digits", "model=lstm"), n_epochs=(1, 10)),
    "digits-lstm-wide": Workload(
        overrides=("dataset=digits", "model=lstm", "model.units=128", "trainer.batch_size=64"), n_epochs=(5,)
    ),
    "sunspots-lstm": Workload(overrides=("dataset=sunspots", "model=lstm_forecaster"), n_epochs=(5, 20)),
    "zipf_words": Workload(overrides=("dataset=zipf_words", "model=word_embedding"), n_epochs=(1, 10)),
    "zipf_words-wide": Workload(
        overrides=(
            "dataset=zipf_words", "model=word_embedding", "dataset.vocabulary=10000", "model.dimensions=32"
        ),
        n_epochs=(3,),
        measured=(1, 12),
    ),
    "digits-cnn_2c2d": Workload(
        overrides=("dataset=digits", "model=cnn_2c2d"), n_epochs=(1, 3), measured=(1, 5)
    ),
    "digits-resnet20": Workload(
        overrides=("dataset=digits", "model=resnet20", "trainer.batch_size=128"), n_epochs=(1,), measured=(1, 3)
    ),
}  # fmt: skip


def measure(workload: Workload, n_epochs: int, *, home: Path) -> dict[str, Any]:
    """Run all trainers and `auto` on a workload; return their seconds and the regret of each budget."""
    words = (*_COMMON, *workload.overrides, f"budget.n_epochs={n_epochs}")
    seconds: dict[tuple[str, str], list[float]] = {option: [] for option in OPTIONS}
    for n in workload.measured:
        for option in OPTIONS:
            trainer, backend = option
            if seconds[option] and seconds[option][0] >= _LIMIT_S:
                seconds[option].append(_LIMIT_S)
                continue
            chosen = (f"trainer={trainer}", f"trainer.backend={backend}")
            seconds[option].append(timed([*words, *chosen, f"budget.n_trials={n}"], home=home))
    shortest = workload.measured[0]
    by_auto = timed([*words, "trainer=auto", f"budget.n_trials={shortest}"], home=home)
    taken = choices([*words, "trainer=auto"], (*workload.n_trials, shortest), home=home)
    overhead = max(0.0, by_auto - seconds[taken[shortest]][0])
    rows = []
    for n in workload.n_trials:
        at_n = {option: line(workload.measured, times, n) for option, times in seconds.items()}
        best = min(at_n, key=at_n.__getitem__)
        cost = at_n[taken[n]] + overhead
        rows.append(
            {
                "n_trials": n,
                "auto": " on ".join(taken[n]),
                "auto_s": cost,
                "best": " on ".join(best),
                "best_s": at_n[best],
                "worst_s": max(at_n.values()),
                "ratio": cost / at_n[best],
            }
        )
    told = {" on ".join(option): times for option, times in seconds.items()}
    return {"measured": list(workload.measured), "seconds": told, "auto_s": by_auto, "rows": rows}


def timed(words: Sequence[str], *, home: Path) -> float:
    """Return the seconds of a whole command in an empty folder; at most the limit."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as programs:
        environment = machine.child_environment(home=home, backend="") | {"JAX_COMPILATION_CACHE_DIR": programs}
        del environment["KERAS_BACKEND"]
        command = [sys.executable, "-c", "from study.cli import command_line; command_line()", "run", *words]
        began = time.perf_counter()
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return _LIMIT_S
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-4000:]}")
        return time.perf_counter() - began


def choices(words: Sequence[str], n_trials: Sequence[int], *, home: Path) -> dict[int, tuple[str, str]]:
    """Return the trainer and the backend that `auto` takes for each number of trials, in a process of its own."""
    program = (
        "import sys; from pathlib import Path\n"
        "from study.cli.launch.compose import compose_jobs, prepare\n"
        "from study.pipeline.choose_trainers import choose_trainers\n"
        "from benchmarks import machine\n"
        "taken = {}\n"
        "for n in sys.argv[1].split(','):\n"
        "    words = prepare([*sys.argv[2:], f'budget.n_trials={n}'])\n"
        "    (job,) = compose_jobs(words, multirun=False)\n"
        "    (found,) = choose_trainers([job.raw], folder=Path.cwd(), helpers=job.helpers).choices\n"
        "    taken[n] = [*found.option]\n"
        "machine.tell(taken=taken)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = machine.child_environment(home=home, backend="")
        del environment["KERAS_BACKEND"]
        command = [sys.executable, "-c", program, ",".join(map(str, n_trials)), *words]
        taken = machine.run(command, folder=Path(folder), environment=environment).told["taken"]
    return {int(n): (trainer, backend) for n, (trainer, backend) in taken.items()}


def line(measured: tuple[int, int], seconds: Sequence[float], n: int) -> float:
    """Return the seconds of n trials by the straight line through two measured commands, at least the first one."""
    (first, second), (short, long) = measured, seconds
    slope = max(0.0, (long - short) / (second - first))
    return max(short + (n - first) * slope, min(seconds))


def summary(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of all budgets, and the median and the largest ratio to the best trainer in hindsight."""
    lines = ["| workload | epochs | trials | auto takes | s | best in hindsight | s | auto costs |"]
    lines.append("|---|--:|--:|---|--:|---|--:|--:|")
    ratios = []
    for name, by_epochs in found.items():
        for n_epochs, cell in by_epochs.items():
            for row in cell["rows"]:
                ratios.append(row["ratio"])
                lines.append(
                    f"| {name} | {n_epochs} | {row['n_trials']} | {row['auto']} | {row['auto_s']:.1f} | {row['best']} "
                    f"| {row['best_s']:.1f} | {row['ratio'] - 1:+.0%} |"
                )
    told = f"{len(ratios)} workloads and budgets: auto costs {statistics.median(ratios) - 1:+.1%} in the median"
    return "\n".join([*lines, "", f"{told}, {max(ratios) - 1:+.1%} at worst."])


def main() -> None:
    """Measure, print the table, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--out", type=Path, help="file for the results")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    described = machine.describe()
    with tempfile.TemporaryDirectory() as home:
        timed([*_COMMON, "budget=smoke", "trainer=fit"], home=Path(home))  # fills the caches
        for name in options.workloads:
            for n_epochs in WORKLOADS[name].n_epochs:
                cell = measure(WORKLOADS[name], n_epochs, home=Path(home))
                found.setdefault(name, {})[str(n_epochs)] = cell
                told = ", ".join(
                    f"{option} {times[0]:.1f}/{times[1]:.1f}" for option, times in cell["seconds"].items()
                )
                print(f"{name}, epochs: {n_epochs}: {told}, auto {cell['auto_s']:.1f} s", flush=True)
                if options.out:
                    load = {"load_after": machine.describe()["load_before"]}
                    machine.keep(options.out, {"machine": described | load, "grid": found})
    print(f"\n{summary(found)}")


if __name__ == "__main__":
    main()
