"""Garbage collection in a process that ends with its task."""

from __future__ import annotations

import atexit
import gc

# New objects before Python looks for garbage among them: more than all imports of a command make, and later.
_WHILE_IMPORTING, _LATER = 1_000_000, 100_000


def collect_rarely() -> None:
    """Collect garbage rarely in this process from now on, and not at its end.

    Imported modules and compiled programs live as long as the process. Looking for garbage among them, during imports,
    a study and at the end, took three of the twelve seconds of a study. Call this before the libraries are imported,
    and `imports_have_ended` after it.
    """
    _set(_WHILE_IMPORTING)
    atexit.register(gc.freeze)


def imports_have_ended() -> None:
    """Collect garbage more often from now on, among new objects alone; nothing changes without `collect_rarely`.

    Keras collects garbage several times in a study, which takes a quarter of a second among all objects.
    """
    if gc.get_threshold()[0] == _WHILE_IMPORTING:
        gc.freeze()
        _set(_LATER)


def _set(threshold: int) -> None:
    gc.set_threshold(threshold, 50, 100)
