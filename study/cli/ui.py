"""`study ui`: MLflow's own pages on the stores of this folder."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from study.cli.stores import add_store_options, find_stores
from study.core.redaction import redact


def main(arguments: list[str]) -> int:
    """Start MLflow's server on the loopback interface, until it is stopped.

    Args:
        arguments: The words after `study ui`.

    Returns:
        The exit status of the server.
    """
    parser = argparse.ArgumentParser(prog="study ui", description="Open MLflow on the stores of this folder.")
    add_store_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=5000, help="the port (default: 5000)")
    options = parser.parse_args(arguments)
    # Imported late: MLflow takes seconds, and --help does not need it.
    from study.tracking.experiment_views import VIEWS, view_path
    from study.tracking.read_studies import read_experiments

    stores = find_stores(options)
    address = f"http://{options.host}:{options.port}"
    sys.stdout.write(f"MLflow on {redact(stores.tracking_uri)}: {address} (stop it with Ctrl-C)\n")
    for name, experiment_id in read_experiments(stores.tracking_uri).items():
        sys.stdout.write(f"\n{name}\n")
        for view, (_, purpose) in VIEWS.items():
            sys.stdout.write(f"  {purpose}:\n    {address}{view_path(experiment_id, view)}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "mlflow", "server", "--default-artifact-root", stores.artifacts.as_uri()]
    command += ["--host", options.host, "--port", str(options.port), "--workers", "1"]
    environment = {
        **os.environ,
        # Not on the command line: every user of the machine can read it, and the address may contain a password.
        "MLFLOW_BACKEND_STORE_URI": stores.tracking_uri,
        # Keep MLflow from importing modules of the working directory, which its web server, Uvicorn, searches first
        # without another folder, and so does the runner of jobs, which no study has.
        "PYTHONSAFEPATH": "1",
        "UVICORN_APP_DIR": os.devnull,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return subprocess.call(command, env=environment)
