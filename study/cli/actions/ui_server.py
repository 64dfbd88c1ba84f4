"""The process of `study ui` that serves MLflow's pages, and the browser that opens them."""

from __future__ import annotations

import contextlib
import os
import queue
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from study.config.schema import Stores
from study.core.child_signals import end_with_parent
from study.core.errors import StudyError
from study.core.redaction import redact

# Time for the server to end by itself, in seconds.
_PATIENCE_S = 10.0
# Time for the server to answer, and between two questions, in seconds. On a busy machine it imports for a minute.
_START_S, _POLL_S = 300.0, 0.1
# Lines of a server that could not start, which are shown.
_LINES = 40
_START = "import sys; from study.cli.actions.ui_server import serve; serve(int(sys.argv.pop(1)))"
# A server that listens to all addresses answers at that of this machine.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def address_of(host: str, port: int) -> str:
    """Return the address at which a browser of this machine reaches a server.

    Args:
        host: The address that the server listens to.
        port: Its port.
    """
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_port(host: str, port: int) -> None:
    """Refuse a port that another program has.

    Args:
        host: The address to listen to.
        port: The port.

    Raises:
        StudyError: The port is taken, is no port, or may not be used.
    """
    advice = "Name another one, for example --port 5001; or end the program that has it."
    if not 0 < port < 65536:
        raise StudyError(f"--port={port}: expected a number from 1 to 65535. {advice.partition(';')[0]}.")
    try:
        (family, kind, *_, place), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StudyError(f"--host={host}: expected an address of this machine ({error}). Leave it out.") from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            raise StudyError(f"--port={port}: it cannot be used on {host} ({error.strerror}). {advice}") from error


@contextlib.contextmanager
def running_server(stores: Stores, *, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve MLflow's pages in a process of its own, which ends with the block.

    The block begins when the pages are there.

    Args:
        stores: The stores to show.
        host: The address to listen to.
        port: The port.

    Raises:
        StudyError: The server ended before it answered, or does not answer.
    """
    command = [sys.executable, "-P", "-c", _START, str(os.getpid()), "server"]
    command += ["--default-artifact-root", stores.artifacts.as_uri()]
    command += ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    told, is_ready = queue.SimpleQueue[bytes](), threading.Event()
    with subprocess.Popen(
        command,
        env=_environment(stores),
        # A group of its own: the terminal's Ctrl-C then ends the server once, through this process.
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        threading.Thread(target=_pass_on, args=(server, told, is_ready), daemon=True).start()
        try:
            _wait_until_ready(server, address_of(host, port), told=told)
            is_ready.set()
            yield server
        finally:
            _end(server)


def serve(parent: int) -> None:
    """Become MLflow's server, which ends with its parent.

    Args:
        parent: Process id of the parent.
    """
    end_with_parent(parent, signal.SIGTERM)  # MLflow passes it on to the process that listens
    from study.tracking.mlflow_internals import serve_with

    sys.argv[0] = "mlflow"
    with serve_with("study.tracking.ui_pages:app"):
        runpy.run_module("mlflow", run_name="__main__", alter_sys=True)


def _environment(stores: Stores) -> Mapping[str, str]:
    return {
        # MLflow's pages tell its makers how they are used, unless a user allows it.
        "MLFLOW_DISABLE_TELEMETRY": "true",
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


def _pass_on(server: subprocess.Popen[bytes], told: queue.SimpleQueue[bytes], is_ready: threading.Event) -> None:
    """Show what the server says, such as an error, once the pages are there; keep what it says while it starts."""
    for line in server.stdout or ():
        if is_ready.is_set():
            sys.stderr.write(line.decode(errors="replace"))
            sys.stderr.flush()
        else:
            told.put(line)


def _said(told: queue.SimpleQueue[bytes]) -> str:
    """Return what the server said while it started."""
    time.sleep(_POLL_S)  # the last lines are on their way
    lines = []
    while not told.empty():
        lines.append(told.get().decode(errors="replace"))
    return "".join(lines[-_LINES:])


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, *, told: queue.SimpleQueue[bytes]) -> None:
    """Wait until the pages are there.

    Raises:
        StudyError: The server ended, or does not answer.
    """
    ends = time.monotonic() + _START_S
    while time.monotonic() < ends:
        if server.poll() is not None:
            sys.stderr.write(redact(_said(told)))
            raise StudyError(
                f"MLflow's server ended with status {server.returncode} before it answered at {address}. Its own "
                "lines above say why. `study doctor` checks this machine and its stores."
            )
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=_PATIENCE_S):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # it answers, if not to this machine's name
                return
        except OSError:
            pass
        time.sleep(_POLL_S)
    raise StudyError(f"MLflow's server does not answer at {address} after {_START_S:.0f} s. Start study ui again.")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started, and leave none on the port."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_PATIENCE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
