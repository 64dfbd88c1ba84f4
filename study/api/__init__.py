"""The Python interface: compare optimizers from Python, and look at the results as data frames and figures."""

import os

# Keeps MLflow, which the modules of this folder import, from sending usage data to its developers.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
