"""A real PostgreSQL that is stopped, killed or frozen, and started again."""

import contextlib
import importlib.machinery
import importlib.util
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from tests.faults.crew import ROOT

needs_postgresql = [
    pytest.mark.skipif(
        not (shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))),
        reason="PostgreSQL is not installed (apt-get install postgresql)",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg") is None, reason="psycopg is not installed (the extra `distributed`)"
    ),
]


def wait_for_no_disk(url):
    """Let a server leave the writes to the system, since only processes are killed here.

    A busy disk may hold up the heartbeats of workers for seconds, and the start after a crash for a minute.
    """
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("ALTER SYSTEM SET fsync = off"))
        connection.execute(sqlalchemy.text("SELECT pg_reload_conf()"))
    engine.dispose()


class DatabaseServer:
    """The server that `make server` starts, in a folder of its own."""

    n_connections = 200  # as `.ci/server` allows

    @staticmethod
    def free_port():
        """Return a socket on a port where nothing listens."""
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        return bound

    def __init__(self):
        loader = importlib.machinery.SourceFileLoader("make_server", str(ROOT / ".ci" / "server"))
        made = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_server", loader))
        loader.exec_module(made)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        # Not in pytest's folder, which only its owner may enter: PostgreSQL does not run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="study-server-"))
        self._folder.chmod(0o755)
        self._database = made.Database(self._folder / "postgresql", made.find_programs(), port=self.port)
        self._url = f"postgresql+psycopg://study@127.0.0.1:{self.port}"
        self._frozen, self._has_started = [], False

    def start(self):
        """Start it, or start it again."""
        with self._telling():
            self._database.start()
        if not self._has_started:
            wait_for_no_disk(f"{self._url}/postgres")
            self._has_started = True

    def stop(self, mode):
        """Stop it: `fast` ends its connections, `immediate` is a crash, `frozen` does not answer."""
        if mode == "frozen":
            postmaster = psutil.Process(self._postmaster())
            self._frozen = [postmaster, *postmaster.children(recursive=True)]
            for process in self._frozen:
                process.send_signal(signal.SIGSTOP)
        else:
            with self._telling():
                self._database._run("pg_ctl", "-D", self._database._folder, "-m", mode, "-w", "stop")

    def go_on(self):
        """Start it again, or thaw it."""
        if not self._frozen:
            self.start()
        for process in reversed(self._frozen):
            process.send_signal(signal.SIGCONT)
        self._frozen = []

    def close(self):
        """End it and remove its folder."""
        if self._frozen:
            self.go_on()
        if self._database.runs():
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def database(self, name):
        """Make a database and return its address."""
        engine = sqlalchemy.create_engine(f"{self._url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self._url}/{name}"

    @contextlib.contextmanager
    def _telling(self):
        """Let programs write to a file: pytest's own standard error is no file."""
        with (self._folder / "told.txt").open("a") as told, contextlib.redirect_stderr(told):
            yield

    def _postmaster(self):
        return int((self._database._folder / "postmaster.pid").read_text().split()[0])
