"""Run notebooks of docs/notebooks in a kernel and a folder of their own, and store their outputs in them.

    python -m benchmarks.notebooks [NOTEBOOK ...]

The settings and files of the person's Jupyter and Matplotlib are not used. Without arguments, all notebooks of the
folder are run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
# Settings of a test or a terminal, which a person's kernel does not have.
_NOT_PASSED_ON = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "COLUMNS", "PYTEST_CURRENT_TEST", "MPLBACKEND")
_TIMEOUT_S = 300


def main() -> None:
    """Run notebooks and store their outputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    for path in parser.parse_args().notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            executed = execute(nbformat.read(path, as_version=4), folder=Path(folder))
        nbformat.write(executed, path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def execute(notebook: nbformat.NotebookNode, *, folder: Path, allow_errors: bool = False) -> nbformat.NotebookNode:
    """Run all cells of a notebook in a kernel with this checkout, and return it with their outputs.

    Args:
        notebook: The notebook; it gets the outputs.
        folder: The kernel's working folder. Files of Jupyter and Matplotlib are below it too.
        allow_errors: Go on after a cell that fails. Default False.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    kept = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
    places = {name: str(folder / ".jupyter") for name in names}
    environment = {**kept, **places, "PYTHONPATH": str(ROOT / ".ci" / "editable")}
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        allow_errors=allow_errors,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute(env=environment)
    return notebook


def streams(cell: nbformat.NotebookNode, name: str) -> str:
    """Return the text that a cell has written to `stdout` or `stderr`."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == name)


if __name__ == "__main__":
    main()
