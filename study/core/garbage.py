"""Garbage collection in a process that ends with its task."""

from __future__ import annotations

import atexit
import gc


def collect_rarely() -> None:
    """Collect garbage rarely in this process from now on, and not at its end.

    Imported modules and compiled programs live as long as the process. Looking for garbage among them, during imports,
    a study and at the end, took three of the twelve seconds of a study. Call this before the libraries are imported.
    """
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
