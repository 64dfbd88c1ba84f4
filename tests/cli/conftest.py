import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Completed = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The command `study` as an installation creates it, with this Python."""
    path = tmp_path_factory.mktemp("bin") / "study"
    # As pip writes it for a Python whose path has spaces: the shell starts Python, to which its line is a text.
    start = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
    path.write_text(f"{start}import sys\n\nfrom study.cli import command_line\n\nsys.exit(command_line())\n")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def environment():
    """An environment that finds our packages from any folder, without a chosen backend."""
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT / ".ci" / "editable")}


@pytest.fixture(scope="session")
def study(program, environment):
    """Run the command in a folder, in a process of its own."""

    def run(*arguments, cwd, **variables):
        return subprocess.run(
            [str(program), *arguments],
            cwd=cwd,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def here(monkeypatch, capfd):
    """Call a command in this process, which has done its imports; only for commands that do not train."""
    from study.cli import main

    def call(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "path", [*sys.path])
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as error:
            status = int(error.code or 0)
        return status, *capfd.readouterr()

    return call


@pytest.fixture(scope="session")
def contents():
    """Digests of all files below a folder, and its folders, to see that nothing was written."""

    def digests(folder):
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(folder.rglob("*"))
        }

    return digests
