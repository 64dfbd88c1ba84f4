import os
import threading
import time

import pytest

from study.core.bounded_waits import is_called, is_readable


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_wait_for_bytes_ends_at_its_time_and_finds_those_that_came_before(pipe):
    reader, writer = pipe
    until = time.monotonic() + 0.1
    assert not is_readable(reader, until=until)
    assert time.monotonic() >= until
    os.write(writer, b"a")
    assert is_readable(reader, until=until)  # the time is over, and the byte is there


def test_a_wait_for_bytes_ends_with_the_first(pipe):
    reader, writer = pipe
    threading.Timer(0.1, os.write, (writer, b"a")).start()
    assert is_readable(reader, until=time.monotonic() + 3600)


def test_a_call_that_does_not_return_is_left_alone():
    called, go_on = [], threading.Event()
    assert is_called(called.append, "a line", within_s=3600)
    assert called == ["a line"]
    assert not is_called(lambda _: go_on.wait(), "another", within_s=0.05)
    go_on.set()
