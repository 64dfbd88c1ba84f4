import logging
import threading
import time
from types import SimpleNamespace

import pytest

from study.core.errors import StoreAwayError, StoreError
from study.core.outages import Outage, said_through, say


@pytest.fixture
def said():
    lines = []
    with said_through(lines.append):
        yield lines


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by pauses alone, in this module alone; yields the pauses."""
    pauses = []
    own = SimpleNamespace(sleep=pauses.append, monotonic=lambda: 1000.0 + sum(pauses), strftime=time.strftime)
    monkeypatch.setattr("study.core.outages.time", own)
    return pauses


def failing(n, error=None):
    """Return an operation that fails n times, and the list of its calls."""
    calls = []

    def operation():
        calls.append("call")
        if len(calls) <= n:
            raise error or StoreAwayError("the store is away") from OSError("connection refused.\nmore")
        return "done"

    return operation, calls


def test_an_operation_is_repeated_after_growing_pauses_and_both_ends_are_said_once(clock, said):
    operation, calls = failing(8)
    probed = []
    outage = Outage("The server", patience_s=60.0, meanwhile="Training goes on. ")
    assert outage.bridge(operation, probe=lambda: probed.append(len(calls))) == "done"
    assert clock == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert probed == [1, 2, 3, 4, 5, 6, 7, 8]
    began, ended = said
    assert began.startswith("The server is away since ")
    assert began.endswith(" (connection refused). Training goes on. It is tried again for up to 60 seconds.")
    assert ended == "The server is back after 23 seconds."


def test_an_operation_is_called_once_more_when_the_patience_ends(clock, said):
    operation, calls = failing(99)
    with pytest.raises(StoreAwayError, match="the store is away"):
        Outage("The server", patience_s=3.0).bridge(operation)
    assert sum(clock) == 3.0
    assert len(calls) == 5
    assert len(said) == 1


def test_other_errors_are_not_waited_for(clock, said):
    operation, calls = failing(1, StoreError("wrong password"))
    with pytest.raises(StoreError, match="wrong password"):
        Outage("The server", patience_s=60.0).bridge(operation)
    assert (len(calls), clock, said) == (1, [], [])


def test_an_outage_of_another_server_is_not_waited_for(clock, said):
    class AwayError(StoreAwayError):
        pass

    operation, calls = failing(1, StoreAwayError("the other server is away"))
    with pytest.raises(StoreAwayError, match="the other server"):
        Outage("The server", patience_s=60.0, away=AwayError).bridge(operation)
    assert (len(calls), clock, said) == (1, [], [])


def test_a_failed_probe_counts_as_a_failure(clock, said):
    operation, calls = failing(1)
    states = iter([StoreAwayError("still away"), None])

    def probe():
        if (error := next(states)) is not None:
            raise error

    assert Outage("The server", patience_s=60.0).bridge(operation, probe=probe) == "done"
    assert len(calls) == 2
    assert len(clock) == len(said) == 2


def test_an_outage_is_over_when_no_caller_fails_any_more(clock, said):
    outage = Outage("The server", patience_s=60.0)
    assert not outage.is_recent(10.0)
    outage.failed("heartbeats", "no answer")
    outage.failed("calls", "no answer")
    outage.succeeded("calls")
    assert outage.is_recent(0.0)
    assert len(said) == 1
    outage.succeeded("heartbeats")
    assert len(said) == 2
    assert outage.is_recent(10.0)
    clock.append(11.0)
    assert not outage.is_recent(10.0)


def test_a_line_is_shown_once_and_goes_to_the_log(caplog, said):
    with caplog.at_level(logging.WARNING):
        thread = threading.Thread(target=say, args=("http://user:secret@host is away",))
        thread.start()
        thread.join()
    assert said == ["http://user:***@host is away"]
    assert [record.getMessage() for record in caplog.records] == said


def test_a_line_is_shown_on_the_terminal_behind_a_log(tmp_path, capfd):
    from study.core.log_capture import captured

    with captured(tmp_path / "log.txt"):
        say("the server is away")
    assert capfd.readouterr().err == "study run: the server is away\n"
    assert (tmp_path / "log.txt").read_text().endswith("WARNING study.servers: the server is away\n")
