"""Measure the cost of a study besides training, and the growth of its memory.

Run whole studies as a user starts them. Assign every second of wall time to the innermost of: training (everything
inside the trainer, validation included), search (Optuna), tracking (MLflow), data, start-up (imports, checks, opening
the stores) and the rest. Print shares of the wall time without start-up, and the resident memory after trial 10 and
after the last one. Write nothing outside a temporary folder.

    python benchmarks/overhead.py                 # both workloads, about ten minutes on two cores
    python benchmarks/overhead.py digits-mlp --n-trials 50
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

WORKLOADS = {
    "fashion_mnist-mlp": ["dataset=fashion_mnist", "model=mlp", "budget.n_trials=10", "budget.n_epochs=5"],
    "digits-mlp": ["dataset=digits", "model=mlp", "budget.n_trials=200", "budget.n_epochs=10"],
}
COMMON = ["budget.n_confirmations=1", "live=false"]


class Ledger:
    """Assigns wall time to the innermost name on a stack."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.memory_mib: dict[int, float] = {}
        self._stack = ["start-up"]
        self._since = time.perf_counter()

    @contextmanager
    def account(self, name: str) -> Iterator[None]:
        """Assign the time inside to a name."""
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def started(self) -> None:
        """From now on, assign time outside all other names to closing the study, no longer to opening it."""
        self._switch()
        self._stack[0] = "closing"

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return a function whose time is assigned to a name."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.account(name):
                return function(*args, **kwargs)

        return call


class Proxy:
    """Stands in for an object and assigns the time of every call of its methods."""

    def __init__(self, subject: Any, ledger: Ledger, name: str) -> None:
        self._subject, self._ledger, self._name = subject, ledger, name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._subject, attribute)
        return self._ledger.timed(found, self._name) if callable(found) else found


def measure(overrides: list[str]) -> dict[str, Any]:
    """Run one study in this process and return its costs."""
    ledger = Ledger()
    import psutil

    from study import run
    from study.cli.launch.compose import compose_jobs
    from study.pipeline import start
    from study.pipeline.preflight import load_config

    process = psutil.Process()
    (job,) = compose_jobs(overrides, multirun=False)
    config = load_config(job.raw)
    context, search = start.StudyContext, run.search
    ended = 0

    def account_context(**members: Any) -> Any:
        ledger.started()
        names = {"search": "search", "tracker": "tracking", "trainer": "training", "view": "view"}
        return context(**{key: Proxy(m, ledger, names[key]) if key in names else m for key, m in members.items()})

    def tell_and_weigh(subject: Any) -> Callable[..., Any]:
        tell_all = subject.tell_all

        def call(results: Any) -> None:
            nonlocal ended
            tell_all(results)
            ended += len(results)
            ledger.memory_mib[ended] = process.memory_info().rss / 2**20

        return call

    def searching(members: Any, **words: Any) -> Any:
        members.search._subject.tell_all = tell_and_weigh(members.search._subject)
        with ledger.account("rest"):
            return search(members, **words)

    start.StudyContext = account_context  # type: ignore[misc, assignment]
    run.search = searching
    run.confirm = ledger.timed(run.confirm, "rest")
    start.load_dataset = ledger.timed(start.load_dataset, "data")
    run.run_study(dataclasses.replace(config, live=False))
    with ledger.account("closing"):
        pass
    return {
        "seconds": dict(ledger.seconds),
        "memory_mib": ledger.memory_mib,
        "n_trials": config.n_trials,
    }


def report(name: str, measured: dict[str, Any]) -> None:
    """Print the shares and the memory of one workload."""
    seconds = measured["seconds"]
    start_up = seconds.pop("start-up")
    total = sum(seconds.values())
    memory = {int(number): mib for number, mib in measured["memory_mib"].items()}
    last = max(memory)
    print(f"\n{name}: {measured['n_trials']} trials, {total:.1f} s after {start_up:.1f} s of start-up")
    for part, value in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"  {part:<10} {value:8.2f} s  {100 * value / total:6.2f} %")
    print(f"  not training: {100 * (1 - seconds['training'] / total):.2f} % of the wall time without start-up")
    early = min(10, last)
    growth = 100 * (memory[last] / memory[early] - 1)
    later = f", after trial {last}: {memory[last]:.0f} ({growth:+.1f} %)" if last > early else ""
    print(f"  memory after trial {early}: {memory[early]:.0f} MiB{later}")


def main() -> None:
    """Measure the chosen workloads, each in its own process and folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--n-trials", type=int, help="instead of the workload's own number")
    parser.add_argument("--backend", default="tensorflow", help="tensorflow or jax")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with open(options.child, "w") as answer:
            json.dump(measure(options.workloads), answer)
        return
    print(f"{os.cpu_count()} cores, trainer=fit, trainer.backend={options.backend}")
    for name in options.workloads or WORKLOADS:
        overrides = [*WORKLOADS[name], *COMMON, "trainer=fit", f"trainer.backend={options.backend}"]
        overrides += [f"budget.n_trials={options.n_trials}"] if options.n_trials else []
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "answer.json"
            command = [sys.executable, __file__, "--child", str(answer), *overrides]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            report(name, json.loads(answer.read_text()))


if __name__ == "__main__":
    main()
