"""Run the same commands at two commits, and compare every loss in MLflow bit by bit.

Use it to show that a refactoring changes no number. Each commit runs from its own files, in its own folder, with this
machine's Python and packages.

    python -m benchmarks.same_numbers BASE [--head HEAD] [COMMAND ...]

BASE and HEAD are commits. The default of --head is the checked-out commit. A COMMAND is a line of arguments to
`study run`. Without any, sgd and adam run on three trainers, and the experiment two_dimensions.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "-m optimizer=sgd,adam budget=smoke trainer=fit experiment_name=fit",
    "-m optimizer=sgd,adam budget=smoke trainer=fit trainer.backend=jax experiment_name=fit-jax",
    "-m optimizer=sgd,adam budget=smoke trainer=vectorized experiment_name=vectorized",
    "-m optimizer=sgd,adam budget=smoke trainer=numpy experiment_name=numpy",
    "-m experiment=two_dimensions",
)
METRICS = ("loss", "val_loss")
# The key of each value: the experiment, the study, the run's role in it, the metric and the step.
Key = tuple[str, str, str, str, int]

_VALUES = """
SELECT experiments.name, parent.value, COALESCE(config.value, role.value), COALESCE(number.value, ''),
       metrics.key, metrics.step, metrics.value, metrics.is_nan
FROM metrics
JOIN runs ON runs.run_uuid = metrics.run_uuid AND runs.lifecycle_stage = 'active'
JOIN experiments ON experiments.experiment_id = runs.experiment_id
JOIN tags AS role ON role.run_uuid = runs.run_uuid AND role.key = 'role'
JOIN tags AS parent ON parent.run_uuid = runs.run_uuid AND parent.key = 'study_name'
LEFT JOIN tags AS config ON config.run_uuid = runs.run_uuid AND config.key = 'config'
LEFT JOIN tags AS number ON number.run_uuid = runs.run_uuid AND number.key = 'number'
"""


def main() -> int:
    """Compare two commits; 0 if every value is equal, 1 if not, 2 if a command failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--head", default="HEAD")
    parser.add_argument("commands", nargs="*", metavar="COMMAND")
    options = parser.parse_args()
    commands = options.commands or COMMANDS
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for side, commit in (("base", options.base), ("head", options.head)):
            tree, work = Path(folder) / side / "tree", Path(folder) / side / "work"
            work.mkdir(parents=True)
            extract(commit, tree)
            for command in commands:
                print(f"{commit}: study run {command}", flush=True)
                status = run(tree, work, shlex.split(command))
                if status != 0:
                    print(f"{commit}: it ended with status {status}", file=sys.stderr)
                    return 2
            found.append(values_in(work / "mlruns" / "mlflow.db"))
    base, head = found
    different = differences(base, head)
    for line in different[:20]:
        print(line)
    print(f"{len(base)} values at {options.base}, {len(head)} at {options.head}: {len(different)} differ")
    return 1 if different or not base else 0


def extract(commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", f"{commit}^{{commit}}"], check=False, capture_output=True
    )
    if archive.returncode != 0:
        raise SystemExit(f"{commit}: expected a commit of this repository ({archive.stderr.decode().strip()})")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def run(tree: Path, work: Path, arguments: Sequence[str]) -> int:
    """Run `study run` from the files of a tree; return its status."""
    call = "import sys; from study.cli import command_line; sys.exit(command_line(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", call, "run", *arguments],
        cwd=work,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode


def values_in(database: Path) -> dict[Key, bytes]:
    """Return the bytes of every loss of a store, so that NaN equals NaN and -0 differs from 0."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(_VALUES).fetchall()
    return {
        (experiment, study, f"{part} {number}", metric, step): struct.pack("<d", float("nan") if is_nan else value)
        for experiment, study, part, number, metric, step, value, is_nan in rows
        if metric in METRICS
    }


def differences(base: dict[Key, bytes], head: dict[Key, bytes]) -> list[str]:
    """Name the values that one side lacks, and those that are not equal bit by bit."""
    told = []
    for key in sorted(base.keys() | head.keys()):
        was, now = (
            None if value is None else struct.unpack("<d", value)[0] for value in (base.get(key), head.get(key))
        )
        if base.get(key) != head.get(key):
            told.append(f"{', '.join(map(str, key))}: {was!r} at the base, {now!r} at the head")
    return told


if __name__ == "__main__":
    sys.exit(main())
