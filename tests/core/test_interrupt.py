import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.core.interrupt import STOPPED_AT_ONCE, two_stage_interrupt

ROOT = Path(__file__).parents[2]
# A command with a very slow end, as with a slow store.
SLOW_TO_END = """
import sys, time
from study.core.interrupt import two_stage_interrupt

def main():
    with two_stage_interrupt():
        try:
            print("running", flush=True)
            time.sleep(60)
        finally:
            print("ending", flush=True)
            if sys.argv[1] == "slow":
                time.sleep(60)
            print("ended", flush=True)

try:
    main()
except KeyboardInterrupt:
    print("stopped", flush=True)
    sys.exit(1)
"""


def started(how):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END, how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_once_ends_cleanly():
    with started("quick") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out.split()) == (1, ["ending", "ended", "stopped"])
    assert err == "\nstopping: writing finished results; press Ctrl-C again to stop immediately.\n"


def test_twice_stops_at_once():
    with started("slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (STOPPED_AT_ONCE, "")
    assert err.endswith("\nstopped immediately.\n")
    assert "Traceback" not in err


def test_the_handler_is_as_it_was_afterwards():
    with pytest.raises(KeyboardInterrupt), two_stage_interrupt():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_interrupts_are_ignored_they_stay_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with two_stage_interrupt():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
