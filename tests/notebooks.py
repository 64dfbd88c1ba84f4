"""Run notebooks in a kernel of their own, without the settings and files of the person's Jupyter."""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
# The tests' own choices, which a person's kernel does not have.
_OURS = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "COLUMNS", "PYTEST_CURRENT_TEST")


def notebook(*cells):
    """Return a notebook of code cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def execute(made, *, folder, allow_errors=False):
    """Run all cells of a notebook in a folder, and put their outputs in place.

    Args:
        made: The notebook.
        folder: The kernel's working folder; files of Jupyter are below it too.
        allow_errors: Go on after a cell that fails.
    """
    settings = folder / ".jupyter"
    places = {name: str(settings) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    kept = {key: value for key, value in os.environ.items() if key not in _OURS}
    environment = {**kept, **places, "PYTHONPATH": str(ROOT / ".ci" / "editable")}
    client = NotebookClient(
        made, timeout=300, allow_errors=allow_errors, resources={"metadata": {"path": str(folder)}}
    )
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute(env=environment)
    return made


def streams(cell, name):
    """Return the text that a cell has written to `stdout` or `stderr`."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == name)
