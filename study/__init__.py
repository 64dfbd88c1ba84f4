"""Find out which optimizer, at which settings, is best for a model and a data set, and how sure we are.

Example:
    >>> from study import compare
    >>> result = compare(build, (x, y), optimizers=["sgd", "adam"], experiment="my-net")  # doctest: +SKIP
    >>> print(result.answer)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api.compare import compare
    from study.api.experiment import ExperimentView
    from study.api.open_experiment import open_experiment
    from study.core.errors import StudyError
    from study.datasets import Dataset

__all__ = ["Dataset", "ExperimentView", "StudyError", "compare", "open_experiment"]

# Modules of the public names. Importing them takes a second, and many processes import `study` for one module alone.
_HOMES = {
    "Dataset": "study.datasets",
    "ExperimentView": "study.api.experiment",
    "StudyError": "study.core.errors",
    "compare": "study.api.compare",
    "open_experiment": "study.api.open_experiment",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    from study.core.interrupt import uninterrupted

    with uninterrupted():  # some libraries drop an exception in the middle of their imports
        found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
