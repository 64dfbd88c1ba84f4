"""Print where the time of a study of 10 trials goes, from the start of the process to its end.

    python -m benchmarks.startup [--trainer fit-jax ...] [--repeats 3] [--checkout PATH] [--against PATH]

A run is a whole command in a fresh process and a temporary home: `study run dataset=digits budget.n_trials=10`.
It runs twice in each home: at first nothing is cached, neither a store nor a compiled program; then both are. With
--against, the runs of two checkouts alternate, so that other load meets both; the tables show that checkout first.

A moment counts for the innermost row. So the time of SciPy counts for SciPy, whichever library asks for it, and a
module of no listed library counts for the library that asks for it. Processor seconds are those of all threads; a row
that waits for a thread has its time. `rest` is the time of no row. The shown run has the median of the processor
seconds, so the rows add up.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
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

from benchmarks.machine import ROOT, describe
from benchmarks.startup_spans import FUNCTIONS, GARBAGE, IMPORT, REST

_CHILD = Path(__file__).with_name("startup_spans.py")
TRAINERS = {
    "vectorized": ("trainer=vectorized",),
    "fit-tensorflow": ("trainer=fit", "trainer.backend=tensorflow"),
    "fit-jax": ("trainer=fit", "trainer.backend=jax"),
}
_STUDY = ("run", "dataset=digits", "optimizer=sgd", "budget.n_trials=10")
_STATES = ("nothing cached", "store and programs cached")
_QUICK = {"study --help": ("--help",), "study run --help": ("run", "--help"), "study list": ("list",)}
INTERPRETER, CHILDREN, OTHER_IMPORTS, WHOLE = "interpreter", "child processes", f"{IMPORT}of others", "whole command"
# An import below this share of the whole is not shown on its own.
_LEAST_SHARE = 0.01
# A ratio of less time says nothing, in seconds.
_LEAST_RATIO_OF_S = 0.02

# Seconds of wall time, and processor seconds.
Seconds = tuple[float, float]
Run = Mapping[str, Seconds]


@dataclass(frozen=True, kw_only=True)
class Home:
    """A temporary home of one checkout, with the folder that a study runs in.

    Attributes:
        folder: The home.
        checkout: The checkout whose `study` runs.
    """

    folder: Path
    checkout: Path

    def run(self, arguments: Sequence[str]) -> Run:
        """Run a command, and return its rows, which include `WHOLE`.

        Raises:
            SystemExit: The command failed.
        """
        result, work = self.folder / "rows.json", self.folder / "work"
        work.mkdir(exist_ok=True)
        with (self.folder / "output").open("w") as output:
            began = time.perf_counter()
            child = subprocess.Popen(
                [sys.executable, _CHILD, result, *arguments],
                cwd=work,
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(child.pid, 0)
            ended = time.perf_counter()
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"study {' '.join(arguments)} failed:\n{(self.folder / 'output').read_text()[-4000:]}")
        return rows_of(json.loads(result.read_text()), began=began, ended=ended, cpu_s=used.ru_utime + used.ru_stime)

    def _environment(self) -> dict[str, str]:
        dropped = ("JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "XDG_CACHE_HOME")
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        paths = [str(self.checkout / ".ci" / "editable"), str(self.checkout)]
        return {**kept, "HOME": str(self.folder), "PYTHONPATH": os.pathsep.join(paths)}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", nargs="+", choices=TRAINERS, default=["vectorized"])
    parser.add_argument("--repeats", type=int, default=3, help="homes of each checkout")
    parser.add_argument("--checkout", type=Path, default=ROOT)
    parser.add_argument("--against", type=Path, help="a checkout to compare with")
    options = parser.parse_args()
    checkouts = [path.resolve() for path in (options.against, options.checkout) if path is not None]
    for checkout in checkouts:
        compileall.compile_dir(checkout / "study", quiet=2)
    machine = describe()
    print(f"{machine['processor']}, {machine['n_cores']} cores, Python {machine['python']}, {machine['date']},")
    print(f"load {machine['load_before']} before. Homes of each checkout: {options.repeats}.")
    for trainer in options.trainer:
        found = measure(checkouts, trainer, repeats=options.repeats)
        medians = {title: [median_run(runs) for runs in columns] for title, columns in found.items()}
        for title in _STATES:
            print(f"\n### {trainer}, {title}\n\n{table(medians[title])}", flush=True)
        print(f"\n### Commands that only look\n\n{wholes({title: medians[title] for title in _QUICK})}", flush=True)


def measure(checkouts: Sequence[Path], trainer: str, *, repeats: int) -> dict[str, list[list[Run]]]:
    """Run the study of a trainer, and the commands that only look, alternating between checkouts.

    Args:
        checkouts: The checkouts.
        trainer: A name of `TRAINERS`.
        repeats: Number of homes of each checkout.

    Returns:
        The runs of each checkout, by the state in which they found their home.
    """
    titles = (*_STATES, *_QUICK)
    found: dict[str, list[list[Run]]] = {title: [[] for _ in checkouts] for title in titles}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            homes = [Home(folder=Path(folder) / str(i), checkout=path) for i, path in enumerate(checkouts)]
            for home in homes:
                home.folder.mkdir()
            for seed, title in enumerate(titles):
                arguments = _QUICK.get(title, (*_STUDY, *TRAINERS[trainer], f"study_seed={seed}"))
                for home, runs in zip(homes, found[title], strict=True):
                    runs.append(home.run(arguments))
    return found


def rows_of(told: Mapping[str, Any], *, began: float, ended: float, cpu_s: float) -> Run:
    """Return the rows of a run, which add up to its last one, `WHOLE`.

    Args:
        told: The file that the child wrote.
        began: The time at which the process was started, by the same clock as the child's.
        ended: The time at which it had ended.
        cpu_s: Processor seconds of the process and its own children.
    """
    inside = told["ended"][0] - told["began"][0]
    python_cpu = cpu_s - told["children_cpu"] - (told["ended"][1] - told["began"][1])
    rows = {name: (wall, cpu) for name, (wall, cpu) in told["rows"].items()}
    rows[INTERPRETER] = (ended - began - inside, python_cpu)
    rows[CHILDREN] = (0.0, told["children_cpu"])
    return {**rows, WHOLE: (ended - began, cpu_s)}


def median_run(runs: Sequence[Run]) -> Run:
    """Return the run with the median of the processor seconds, the lower one of two."""
    return sorted(runs, key=lambda run: run[WHOLE][1])[(len(runs) - 1) // 2]


def table(runs: Sequence[Run]) -> str:
    """Return a table in Markdown: seconds of one checkout, or of two with the ratio of their processor seconds."""
    shown = [_with_small_imports_together(run, runs) for run in runs]
    names = _order({name for run in shown for name in run}, shown[0])
    return _lines({name: [run.get(name, (0.0, 0.0)) for run in shown] for name in names})


def wholes(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a table in Markdown with the whole time of each command, of one checkout or of two."""
    return _lines({name: [run[WHOLE] for run in of_checkouts] for name, of_checkouts in runs.items()})


def _lines(rows: Mapping[str, Sequence[Seconds]]) -> str:
    two = len(next(iter(rows.values()))) > 1
    heads = ["before: wall s", "CPU s", "after: wall s", "CPU s", "CPU ratio"] if two else ["wall s", "CPU s"]
    lines = [f"| {' | '.join(['', *heads])} |", f"|---|{'---:|' * len(heads)}"]
    for name, pairs in rows.items():
        cells = [f"{seconds:.2f}" for pair in pairs for seconds in pair]
        if two:
            cells.append(f"{pairs[1][1] / pairs[0][1]:.2f}" if pairs[0][1] >= _LEAST_RATIO_OF_S else "")
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _with_small_imports_together(run: Run, runs: Sequence[Run]) -> Run:
    def is_small(name: str) -> bool:
        return all(each.get(name, (0.0, 0.0))[1] < _LEAST_SHARE * each[WHOLE][1] for each in runs)

    small = [name for name in run if name.startswith(IMPORT) and is_small(name)]
    rows = {name: seconds for name, seconds in run.items() if name not in small}
    others = [run[name] for name in small] + [rows.get(OTHER_IMPORTS, (0.0, 0.0))]
    rows[OTHER_IMPORTS] = (sum(wall for wall, _ in others), sum(cpu for _, cpu in others))
    return rows


def _order(names: set[str], run: Run) -> list[str]:
    """Return the rows in the order of a command: imports by their time, then its phases, what is left, the sum."""
    imports = sorted((name for name in names if name.startswith(IMPORT) and name != OTHER_IMPORTS), key=str)
    imports.sort(key=lambda name: -run.get(name, (0.0, 0.0))[1])
    order = [INTERPRETER, *imports, OTHER_IMPORTS, *FUNCTIONS, GARBAGE, CHILDREN, REST, WHOLE]
    return [name for name in order if name in names]


if __name__ == "__main__":
    main()
