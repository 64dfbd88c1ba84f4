"""Log a Keras model as an MLflow model that can be loaded and served."""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import LoggedModelOutput
from mlflow.models import Model, infer_signature
from mlflow.tracking import MlflowClient

from study.tracking.mlflow_internals import without_requirements_check

_NAME = "model"
# Keras loads TensorFlow by default, also if another backend trained the model.
_SERVED_WITH = ("keras", "numpy", "tensorflow")


def log_keras_model(client: MlflowClient, model: Any, *, example_x: Any, experiment_id: str, run_id: str) -> None:
    """Store a model as a logged model of a run.

    Args:
        client: A client of the store.
        model: A Keras model of one input and one output. It is not compiled, so that the server does not need our
            optimizers and losses.
        example_x: Inputs, shape (n_examples, *input_shape), for the signature.
        experiment_id: MLflow's id of the run's experiment.
        run_id: Id of the run that trained the model.
    """
    import mlflow.keras

    signature = infer_signature(example_x, np.asarray(model.predict(example_x, verbose=0)))
    requirements = [f"{package}=={importlib.metadata.version(package)}" for package in _SERVED_WITH]
    logged = client.create_logged_model(experiment_id, name=_NAME, source_run_id=run_id)
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


def keras_file(model: Any) -> bytes:
    """Return a model as the content of a .keras file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
