"""Load a Keras model with classes of its own: MLflow calls this module, of which each such model has a copy.

Keras imports no module for the classes and functions that a model's file names. This module does, and needs MLflow and
Keras alone. It finds them in the model's metadata, by the names under which Keras looks them up.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models import Model

if TYPE_CHECKING:
    from mlflow.keras.load import KerasModelWrapper

# Key of the metadata with the classes and functions: by name, the module and the name in it, with a colon between.
METADATA = "own_classes"


def _load_pyfunc(path: str) -> KerasModelWrapper:
    """Return a model for `mlflow.pyfunc.load_model`, which has put the folder `code` on Python's path before.

    Args:
        path: Folder of the stored model.
    """
    import mlflow.keras  # imports Keras
    from mlflow.keras.load import KerasModelWrapper

    description = Model.load(str(Path(path) / "MLmodel"))
    own = {key: _imported(place) for key, place in (description.metadata or {}).get(METADATA, {}).items()}
    model = mlflow.keras.load_model(path, custom_objects=own)
    return KerasModelWrapper(model, description.signature)


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
