"""Each program of benchmarks/ runs as it is typed in a checkout, without PYTHONPATH, and as a module."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The programs start these, with arguments of their own.
CHILDREN = {"contenders.py", "gpu_rows/worker.py", "machine.py", "startup_spans.py"}
# They import a backend before they read their arguments.
SLOW = {"update_rules/page.py"}
BENCHMARKS = ROOT / "benchmarks"
PROGRAMS = sorted(
    name
    for path in BENCHMARKS.rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text()
    and (name := path.relative_to(BENCHMARKS).as_posix()) not in CHILDREN
)


def help_of(folder, *command):
    """Return the help that a program prints in a folder where nothing of this checkout is on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, *command, "--help"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in PROGRAMS]
)
def test_a_program_answers_as_typed_and_as_a_module(tmp_path, name):
    typed = help_of(tmp_path, str(BENCHMARKS / name))
    assert typed.startswith("usage: ")
    module = f"benchmarks.{name.removesuffix('.py').replace('/', '.')}"
    described = typed.partition("\n\n")[2]
    assert help_of(ROOT, "-m", module).partition("\n\n")[2] == described
    assert list(tmp_path.iterdir()) == []


def test_the_programs_are_found():
    assert {"auto.py", "gpu.py", "overhead.py", "scaling.py", "startup.py", "throughput.py"} < set(PROGRAMS)
    assert all((BENCHMARKS / name).is_file() for name in CHILDREN)
