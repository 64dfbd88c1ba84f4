"""The limit of a minute in tests/duration_limit.py, here with a limit of 0.2 s and clocks that the tests set."""

import sys
from types import SimpleNamespace

import pytest

from tests import duration_limit
from tests.duration_limit import DurationLimit, Usage, seconds_of_its_own

pytest_plugins = ["pytester"]

SLOW = """
import sys
import time
import pytest

def take(seconds):
    time.sleep(seconds)
    sys.seconds_of_tests += seconds

@pytest.fixture
def slow():
    take(0.3)
    yield
    {tear_down}

{mark}
def test_slow({fixture}):
    take({seconds})
"""


class Counted:
    """Usage on a machine with one idle core, or with none, in the seconds that the tests take by themselves."""

    idle_cores = 1.0

    def __init__(self):
        self.busy, self.idle = 0.0, sys.seconds_of_tests * self.idle_cores


class BusyMachine(Counted):
    idle_cores = 0.0


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setattr(duration_limit, "busy_seconds_of_children", lambda: 0.0)
    monkeypatch.setattr(sys, "seconds_of_tests", 0.0, raising=False)

    def run(*, mark="", fixture="", seconds=0, tear_down="pass", usage=Counted):
        pytester.makepyfile(SLOW.format(mark=mark, fixture=fixture, seconds=seconds, tear_down=tear_down))
        return pytester.inline_run("-p", "no:hypothesispytest", plugins=[DurationLimit(limit_s=0.2, usage=usage)])

    return run


@pytest.mark.parametrize(
    ("arguments", "when"),
    [({"seconds": 0.3}, "call"), ({"fixture": "slow"}, "setup")],
)
def test_a_long_test_or_set_up_fails_and_says_what_to_do(run, arguments, when):
    (report,) = run(**arguments).getfailures()
    assert report.when == when
    assert f"test_slow: {when} took 0 s, expected at most 0 s" in report.longreprtext
    assert 'pytest.mark.long(reason="...")' in report.longreprtext


def test_a_short_test_passes(run):
    run(seconds=0).assertoutcome(passed=1)


def test_a_mark_with_a_reason_allows_it(run):
    run(seconds=0.3, fixture="slow", mark='@pytest.mark.long(reason="sleeps")').assertoutcome(passed=1)


@pytest.mark.parametrize("mark", ["long", "long()", "long('sleeps')", "long(reason='')", "long(because='sleeps')"])
def test_a_mark_without_a_reason_is_refused(run, mark):
    result = run(mark=f"@pytest.mark.{mark}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_busy_machine_makes_no_test_fail(run):
    run(seconds=0.3, usage=BusyMachine).assertoutcome(passed=1)


def test_a_failure_keeps_its_own_message(run):
    (report,) = run(seconds="0.3 / 0").getfailures()
    assert "ZeroDivisionError" in report.longreprtext


@pytest.mark.parametrize(
    ("duration", "busy", "idle", "expected"),
    [(100, 5, 200, 100), (100, 5, 2, 7), (100, 150, 10, 100), (100, 70, 0, 70)],
    ids=["waits beside idle cores", "others have all cores", "uses two cores", "shares the cores with others"],
)
def test_seconds_count_where_a_core_was_used_or_idle(duration, busy, idle, expected):
    before, after = SimpleNamespace(busy=1.0, idle=2.0), SimpleNamespace(busy=1.0 + busy, idle=2.0 + idle)
    assert seconds_of_its_own(duration, before, after) == expected


def test_processor_time_of_this_process_is_counted():
    before = Usage()
    while Usage().busy < before.busy + 0.05:
        sum(range(1000))
    assert Usage().busy - before.busy < 10
    assert Usage().idle >= before.idle
