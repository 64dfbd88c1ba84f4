"""The Python interface: compare optimizers from Python, and look at the results as data frames and figures."""

import os

from study.core.interactive import in_kernel

# Keeps MLflow, which the modules of this folder import, from sending usage data to its developers.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
if in_kernel():  # the log of TensorFlow fills a cell, as it fills the screen of a command
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
