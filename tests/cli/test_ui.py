"""`study ui` before a browser comes: ports, addresses, and a server that cannot start."""

import contextlib
import signal
import socket

import pytest

from study.cli.actions import ui_server
from study.core.errors import StudyError


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def folder(tmp_path, empty_store):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(empty_store.read_bytes())
    return tmp_path


def test_a_port_that_is_taken_is_refused_before_anything_starts(here, folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        status, out, err = here("ui", "--no-browser", "--port", str(taken), cwd=folder)
    assert (status, out) == (2, "")
    assert f"--port={taken}: it cannot be used on 127.0.0.1" in err
    assert "--port 5001" in err


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(number):
    with pytest.raises(StudyError, match=rf"--port={number}: expected a number from 1 to 65535"):
        ui_server.check_port("127.0.0.1", number)


def test_a_port_that_is_free_and_an_unknown_host(port):
    ui_server.check_port("127.0.0.1", port)
    with pytest.raises(StudyError, match=r"--host=no\.such\.host\.invalid: expected an address of this machine"):
        ui_server.check_port("no.such.host.invalid", port)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),
        ("::", "http://[::1]:5000"),
        ("::1", "http://[::1]:5000"),
        ("node.lan", "http://node.lan:5000"),
    ],
)
def test_a_link_leads_to_the_server_from_this_machine(host, address):
    assert ui_server.address_of(host, 5000) == address


def test_a_server_that_cannot_start_shows_its_own_lines(here, folder, monkeypatch):
    monkeypatch.setattr(ui_server, "_START", "print('no such thing'); raise SystemExit(3)")
    status, out, err = here("ui", "--no-browser", "--port", "5997", cwd=folder)
    assert (status, out) == (2, "")
    assert "no such thing\n" in err
    assert "MLflow's server ended with status 3 before it answered at http://127.0.0.1:5997" in err


def test_a_server_that_ends_by_itself_is_no_quiet_end(here, folder, monkeypatch):
    monkeypatch.setattr(ui_server, "_START", "raise SystemExit(3)")
    monkeypatch.setattr(ui_server, "_wait_until_ready", lambda *_, **__: None)
    status, out, err = here("ui", "--no-browser", "--port", "5996", cwd=folder)
    assert status == 2
    assert "MLflow is ready: http://127.0.0.1:5996" in out
    assert "MLflow's server ended with status 3 while it served http://127.0.0.1:5996" in err


def test_a_signal_that_ends_it_speaks_of_the_server_and_of_no_results(here, folder, monkeypatch):
    @contextlib.contextmanager
    def running_server(*_, **__):
        signal.raise_signal(signal.SIGINT)
        yield

    monkeypatch.setattr(ui_server, "running_server", running_server)
    monkeypatch.setattr(ui_server, "check_port", lambda *_: None)
    status, _, err = here("ui", "--no-browser", cwd=folder)
    assert status == 1
    assert "study ui: ending MLflow's server.\n" in err
    assert "results" not in err
