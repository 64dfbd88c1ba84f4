"""Fails a test that takes more than a minute of processor time, unless it is marked with its reason."""

import os

import pytest

# Of processor time, this process and its ended children: wall time depends on the machine's other work.
LIMIT_S = 60.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    return (yield from _limited(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    return (yield from _limited(item))


def _limited(item):
    before = _spent()
    result = yield
    spent = _spent() - before
    marker = item.get_closest_marker("long")
    if spent > LIMIT_S and not (marker and marker.kwargs.get("reason")):
        pytest.fail(
            f"took {spent:.1f} s of processor time, more than {LIMIT_S:.0f} s. Make it quicker, or give a reason: "
            "@pytest.mark.long(reason=...)",
            pytrace=False,
        )
    return result


def _spent():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
