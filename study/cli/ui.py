"""`study ui`: MLflow's own pages on the stores of this folder."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from study.cli.browser import open_browser
from study.cli.stores import add_store_options, find_stores
from study.core.errors import StudyError
from study.core.interrupt import told_through
from study.core.redaction import redact

# Parts of MLflow's server that an install for training alone leaves out.
_SERVER = ("flask", "uvicorn")


def main(arguments: list[str]) -> int:
    """Start MLflow's server on the loopback interface, until it is stopped, and print links to its pages.

    Args:
        arguments: The words after `study ui`.

    Returns:
        The exit status.

    Raises:
        StudyError: MLflow's server is not installed, the port is taken, or the server ended by itself.
    """
    parser = argparse.ArgumentParser(prog="study ui", description="Open MLflow on the stores of this folder.")
    add_store_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=5000, help="the port (default: 5000)")
    parser.add_argument("--no-browser", action="store_true", help="print the links, and open no browser")
    options = parser.parse_args(arguments)
    _check_server()
    stores = find_stores(options)
    from study.cli.actions.ui_server import address_of, check_port, running_server

    check_port(options.host, options.port)
    sys.stderr.write(f"Starting MLflow on {redact(stores.tracking_uri)} ...\n")
    sys.stderr.flush()
    # Imported late: MLflow takes seconds, and --help does not need it.
    from study.tracking.connection import Connections
    from study.tracking.experiment_views import view_links
    from study.tracking.read_studies import read_experiments

    uri, connections = stores.tracking_uri, Connections()
    experiments = read_experiments(uri, connections=connections)
    links = view_links(uri, list(experiments.values()), connections=connections)
    address = address_of(options.host, options.port)
    with told_through(_tell_the_end), running_server(stores, host=options.host, port=options.port) as server:
        for name, experiment_id in experiments.items():
            sys.stdout.write(f"\n{name}\n")
            sys.stdout.writelines(
                f"  {purpose}:\n    {address}{path}\n" for purpose, path in links[experiment_id].items()
            )
        sys.stdout.write(f"\nMLflow is ready: {address} (stop it with Ctrl-C)\n")
        sys.stdout.flush()
        if not options.no_browser:
            open_browser(address + next((path for paths in links.values() for path in paths.values()), ""))
        if status := server.wait():
            raise StudyError(
                f"MLflow's server ended with status {status} while it served {address}. Its own lines above say why, "
                "if it could say it. Start study ui again."
            )
    return 0


def _tell_the_end(_: str) -> None:
    """Say what a signal ends here, in place of the words for studies, which have results to write."""
    sys.stderr.write("\nstudy ui: ending MLflow's server.\n")
    sys.stderr.flush()


def _check_server() -> None:
    """Refuse an install without MLflow's server."""
    if missing := [name for name in _SERVER if importlib.util.find_spec(name) is None]:
        raise StudyError(
            f"MLflow's server needs {' and '.join(missing)}, not installed here: expected the package mlflow "
            "with all that it needs, and a wheelhouse holds only what a study needs. `study list` and `study compare` "
            "work here. For MLflow's pages, copy mlruns/ to a machine with the whole install and run study ui there."
        )
