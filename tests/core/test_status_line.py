import contextlib
import os
import pty
import re
import sys
import time

import pytest

from study.core.readable_output import readable
from study.core.status_line import status_line


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Put standard error on a terminal, and return a function that reads what was written there."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    with os.fdopen(theirs, "w") as stream:

        def begin():  # pytest puts its own stream there between the fixture and the test
            monkeypatch.setattr(sys, "stderr", readable(stream))
            return lambda: os.read(ours, 65536).decode()

        yield begin
        monkeypatch.undo()
    os.close(ours)


def test_a_line_is_there_at_once_and_gone_at_the_end(on_a_terminal):
    terminal = on_a_terminal()
    with status_line("loading Keras"):
        assert terminal() == "\r\x1b[2Kloading Keras"
    assert terminal() == "\r\x1b[2K"


def test_seconds_are_counted_and_a_long_line_is_cut_so_that_it_can_be_removed(on_a_terminal):
    terminal, drawn = on_a_terminal(), ""
    with status_line("loading " + "x" * 100):
        while ": " not in drawn:
            time.sleep(0.05)
            with contextlib.suppress(BlockingIOError):
                drawn += terminal()
    lines = (drawn + terminal()).split("\r\x1b[2K")[1:]
    counted = next(line for line in lines if ": " in line)
    assert lines[0] == "loading " + "x" * 21
    assert lines[-1] == ""
    name, _, seconds = counted.partition(": ")
    assert name == "loading " + "x" * (21 - len(f": {seconds}"))
    assert re.fullmatch(r"[1-9]\d* s", seconds)


def test_nothing_is_written_without_a_terminal_or_where_the_cursor_cannot_move(on_a_terminal, monkeypatch):
    terminal = on_a_terminal()
    monkeypatch.setenv("TERM", "dumb")
    with status_line("loading Keras"):
        pass
    with pytest.raises(BlockingIOError):
        terminal()
