"""`study ui`: MLflow's own pages on the stores of this folder."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import runpy
import signal
import subprocess
import sys

from study.cli.stores import add_store_options, find_stores
from study.core.child_signals import end_with_parent
from study.core.errors import StudyError
from study.core.redaction import redact

# Time for the server to end by itself, in seconds.
_PATIENCE_S = 10.0
# Parts of MLflow's server that an install for training alone leaves out.
_SERVER = ("flask", "uvicorn")
_START = "import sys; from study.cli.ui import serve; serve(int(sys.argv.pop(1)))"


def main(arguments: list[str]) -> int:
    """Start MLflow's server on the loopback interface, until it is stopped.

    Args:
        arguments: The words after `study ui`.

    Returns:
        The exit status of the server.

    Raises:
        StudyError: MLflow's server is not installed.
    """
    parser = argparse.ArgumentParser(prog="study ui", description="Open MLflow on the stores of this folder.")
    add_store_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=5000, help="the port (default: 5000)")
    options = parser.parse_args(arguments)
    _check_server()
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
    command = [sys.executable, "-P", "-c", _START, str(os.getpid()), "server"]
    command += ["--default-artifact-root", stores.artifacts.as_uri()]
    command += ["--host", options.host, "--port", str(options.port), "--workers", "1"]
    environment = {
        **os.environ,
        # Not on the command line: every user of the machine can read it, and the address may contain a password.
        "MLFLOW_BACKEND_STORE_URI": stores.tracking_uri,
        # Keep MLflow from importing modules of the working directory, which Uvicorn, its web server, searches first if
        # it has no other folder, and the runner of jobs always.
        "PYTHONSAFEPATH": "1",
        "UVICORN_APP_DIR": os.devnull,
        # Seven more processes, for the evaluation of language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # A group of its own: the terminal's Ctrl-C then ends the server once, through this process.
    with subprocess.Popen(command, env=environment, start_new_session=True) as server:
        try:
            return server.wait()
        finally:
            _end(server)


def _check_server() -> None:
    """Refuse an install without MLflow's server."""
    if missing := [name for name in _SERVER if importlib.util.find_spec(name) is None]:
        raise StudyError(
            f"MLflow's server needs {' and '.join(missing)}, not installed here: expected the package mlflow "
            "with all that it needs, and a wheelhouse holds only what a study needs. `study list` and `study compare` "
            "work here. For MLflow's pages, copy mlruns/ to a machine with the whole install and run study ui there."
        )


def serve(parent: int) -> None:
    """Become MLflow's server, which ends with its parent.

    Args:
        parent: Process id of the parent.
    """
    end_with_parent(parent, signal.SIGTERM)  # MLflow passes it on to the process that listens
    sys.argv[0] = "mlflow"
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started, and leave none on the port."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_PATIENCE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
