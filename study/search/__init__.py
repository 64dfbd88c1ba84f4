"""The search of a study, with Optuna, which is imported in this folder only."""

import contextlib
import importlib
import warnings

from study.core.interactive import in_kernel

if in_kernel():  # Optuna imports the bars of tqdm, which asks there for widgets; a study shows none of these bars
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("tqdm.auto")
