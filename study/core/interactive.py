"""Processes that a person goes on using after a study: a notebook's kernel, or Python with a prompt."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings


def in_kernel() -> bool:
    """Return whether this process is the kernel of a notebook. IPython is not imported for the answer."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is not None


def is_interactive() -> bool:
    """Return whether a person goes on in this process: in a notebook, in IPython, or at Python's prompt."""
    return _shell() is not None or hasattr(sys, "ps1") or bool(sys.flags.interactive)


def tell(line: str) -> None:
    """Write a line to standard error; in a notebook to the cell's output, where errors alone stand out.

    Args:
        line: The line, without its end.
    """
    stream = sys.stdout if in_kernel() else sys.stderr
    stream.write(f"{line}\n")
    stream.flush()


def import_progress_bars() -> None:
    """Import tqdm without its request for widgets in a notebook, before a library imports it; elsewhere do nothing.

    Optuna and MLflow import the bars of tqdm, and a study shows none of them.
    """
    if not in_kernel():
        return
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("tqdm.auto")


def _shell() -> object | None:
    """Return the shell of IPython in this process; None without one, or while IPython is being imported."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    found: object | None = get_ipython() if callable(get_ipython) else None
    return found
