"""A pytest plugin that fails a test, or its fixtures, of more than a minute, unless it is marked with the reason.

    @pytest.mark.long(reason="compiles a program for each of 25 optimizers")

A busy machine makes no test fail. Time counts if the test or its processes had a core, or if a core was idle.
"""

import os

import psutil
import pytest

LIMIT_S = 60.0


class Usage:
    """Processor time of this process and its ended children, and idle time of all cores, up to now.

    Attributes:
        busy: Seconds of a core.
        idle: Seconds of a core.
    """

    def __init__(self):
        ours, machine = os.times(), psutil.cpu_times()
        self.busy = ours.user + ours.system + ours.children_user + ours.children_system
        self.idle = machine.idle + getattr(machine, "iowait", 0.0)


def seconds_of_its_own(duration, before, after):
    """Return the part of a duration in which other programs did not take the processor.

    Args:
        duration: Seconds by the clock.
        before: The `Usage` at its begin.
        after: The `Usage` at its end.
    """
    return min(duration, after.busy - before.busy + after.idle - before.idle)


def busy_seconds_of_children():
    """Return the processor time of the descendants that still run; their parent knows it only after their end."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


class DurationLimit:
    """The plugin.

    Args:
        limit_s: Seconds that a test, its set-up or its tear-down may take.
        usage: Returns an object like `Usage`.
    """

    def __init__(self, *, limit_s=LIMIT_S, usage=Usage):
        self._limit_s, self._usage = limit_s, usage
        self._before = usage()

    def pytest_configure(self, config):
        config.addinivalue_line("markers", "long(reason): takes more than a minute, for this reason")

    def pytest_collection_modifyitems(self, items):
        for item in items:
            for mark in item.iter_markers("long"):
                if mark.args or not mark.kwargs.get("reason") or set(mark.kwargs) != {"reason"}:
                    raise pytest.UsageError(f'{item.nodeid}: write pytest.mark.long(reason="...")')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self):
        self._before = self._usage()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        after = self._usage()
        before, self._before = self._before, after
        if report.passed and call.duration > self._limit_s and item.get_closest_marker("long") is None:
            after.busy += busy_seconds_of_children()
            seconds = seconds_of_its_own(call.duration, before, after)
            self._before = self._usage()
            if seconds > self._limit_s:
                report.outcome = "failed"
                report.longrepr = (
                    f"{item.nodeid}: {call.when} took {seconds:.0f} s, expected at most {self._limit_s:.0f} s. "
                    'Make it quicker, or mark it with pytest.mark.long(reason="...").'
                )
        return report
