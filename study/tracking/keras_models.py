"""Log a Keras model as an MLflow model that can be loaded and served."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.tracking import MlflowClient

from study.core.packages import installed_version
from study.core.trees import named_leaves
from study.tracking.artifact_places import is_whole, local_folder
from study.tracking.mlflow_internals import without_requirements_check

_NAME, _FILE = "model", "model.keras"
# Files of a logged model without which it cannot be served.
_FILES = ("MLmodel", "requirements.txt", "data/keras_module.txt", f"data/{_FILE}")
# Tag of a logged model: digest of the name of the training.
_OF = "study.training"
# Keras loads TensorFlow by default, also if another backend trained the model, on a machine without TensorFlow.
_SERVED_WITH = ("keras", "numpy", "tensorflow")


def log_keras_model(
    client: MlflowClient, model: Any, *, example_x: Any, experiment_id: str, run_id: str, of: str = ""
) -> None:
    """Store a model as a logged model of a run.

    Args:
        client: A client of the store.
        model: A Keras model. It is not compiled, so that the server does not need our optimizers and losses.
        example_x: Inputs, shape (n_examples, *input_shape), or a tree of them, for the signature.
        experiment_id: MLflow's id of the run's experiment.
        run_id: Id of the run that trained the model.
        of: Name of the training; `has_model` finds the model by it. Default: empty.
    """
    import mlflow.keras

    signature = infer_signature(_by_name(example_x), _by_name(model.predict(example_x, verbose=0)))
    requirements = [_requirement(package) for package in _SERVED_WITH]
    tags = {_OF: _digest(of)}
    logged = client.create_logged_model(experiment_id, name=_NAME, source_run_id=run_id, tags=tags)
    status = "FAILED"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _NAME
            description = Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            with without_requirements_check():
                mlflow.keras.save_model(
                    model,
                    str(path),
                    mlflow_model=description,
                    signature=signature,
                    pip_requirements=requirements,
                )
            client.log_model_artifacts(logged.model_id, str(path))
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])


def _by_name(tree: Any) -> Any:
    """Return an array as it is, and several arrays by their names, as a signature of MLflow has them."""
    arrays = named_leaves(tuple(tree) if isinstance(tree, list) else tree, "")
    named = {place.removeprefix("."): np.asarray(array) for place, array in arrays}
    return named.get("", named)


def _requirement(package: str) -> str:
    """Return a package with its version here. One that is not installed here may have any version."""
    version = installed_version(package)
    return package if version is None else f"{package}=={version}"


def has_model(client: MlflowClient, run_id: str, *, of: str, or_any: bool) -> bool:
    """Return whether a run has a model whose files are whole; files on a server are taken to be whole.

    A logged model whose files were lost or damaged is marked as failed.

    Args:
        client: A client of the store.
        run_id: Id of the run.
        of: Name of the training, as given to `log_keras_model`.
        or_any: Take also a model that an earlier version logged, without the name of its training.
    """
    run = client.get_run(run_id)
    found = False
    for output in run.outputs.model_outputs if run.outputs is not None else ():
        with contextlib.suppress(MlflowException):  # it was deleted in MLflow
            logged = client.get_logged_model(output.model_id)
            if str(logged.status) != "READY":
                continue
            folder = local_folder(logged.artifact_location)
            if folder is not None and not all(is_whole(folder / name) for name in _FILES):
                client.finalize_logged_model(logged.model_id, "FAILED")
            elif logged.tags.get(_OF, _digest(of) if or_any else None) == _digest(of):
                found = True
    folder = local_folder(run.info.artifact_uri)
    return found or (folder is not None and is_whole(folder / _FILE))


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:16]


def keras_file(model: Any) -> bytes:
    """Return a model as the content of a .keras file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _FILE
        model.save(path)
        return path.read_bytes()
