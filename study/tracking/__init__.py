"""The record of studies in MLflow, imported in this folder only: `study_tracker` writes, `read_studies` reads back."""

import contextlib
import importlib

from study.core.deferred_import import deferred, is_installed
from study.core.interactive import import_progress_bars

import_progress_bars()

# Of MLflow's gateway a study uses only constants, and its first module imports FastAPI, a web server.
with deferred(["mlflow.gateway"]) if is_installed("mlflow", "3.17") else contextlib.nullcontext():
    importlib.import_module("mlflow")
