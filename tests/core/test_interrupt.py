import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.core.interrupt import Stopped, checkpoints_follow, clean_stop, grace, is_stopping, stop_here, uninterrupted

ROOT = Path(__file__).parents[2]
# A command with a very slow end, as with a slow store.
SLOW_TO_END = """
import sys, time
from study.core import interrupt
from study.core.interrupt import clean_stop, grace

if sys.argv[1] == "asks":
    interrupt._DOUBLE_S = 3600.0 # whoever sends a signal twice may be slow

def main():
    with clean_stop(), grace(float(sys.argv[2])):
        try:
            print("running", flush=True)
            time.sleep(60)
        finally:
            print("ending", flush=True)
            if sys.argv[1] == "slow":
                while interrupt._installed._double_until is not None:
                    time.sleep(0.01)
                print("takes another Ctrl-C", flush=True)
                time.sleep(60)
            if sys.argv[1] == "asks":
                sys.stdin.readline()
            print("ended", flush=True)

try:
    main()
except KeyboardInterrupt as stop:
    print("stopped", flush=True)
    sys.exit(stop.exit_status)
"""
STATUS = {signal.SIGINT: 1, signal.SIGTERM: 143, signal.SIGHUP: 129}


def started(how, grace_s=25.0):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END, how, str(grace_s)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", STATUS)
def test_once_ends_cleanly(number):
    with started("quick") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out.split()) == (STATUS[number], ["ending", "ended", "stopped"])
    told = {
        signal.SIGINT: "stopping: writing finished results; press Ctrl-C again to stop immediately.",
        signal.SIGTERM: "SIGTERM: stopping: writing finished results, for at most 25 s.",
        signal.SIGHUP: "SIGHUP: stopping: writing finished results, for at most 25 s.",
    }
    assert err == f"\n{told[number]}\n"


@pytest.mark.parametrize("number", STATUS)
def test_a_block_that_only_reads_says_nothing_of_results(number):
    script = f"""
import os, time
from study.core.interrupt import Stopped, clean_stop, told_through

try:
    with clean_stop(writes=False), told_through(print):
        os.kill(os.getpid(), {int(number)})
        time.sleep(30)
except Stopped as stopped:
    print("ended by", int(stopped.number))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ended by {int(number)}\n", "")


def test_ctrl_c_twice_stops_immediately():
    with started("slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ending\n"
        assert process.stdout.readline() == "takes another Ctrl-C\n"  # sooner, it is one that was delivered twice
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.endswith("\nstopped immediately.\n")
    assert "Traceback" not in err


def test_one_ctrl_c_that_is_delivered_twice_ends_cleanly():
    # `timeout -s INT` sends the signal to its child, and then to the group that the child is in.
    with started("asks") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate("\n")
    assert (process.returncode, out.split()) == (1, ["ending", "ended", "stopped"])
    assert err == "\nstopping: writing finished results; press Ctrl-C again to stop immediately.\n"


def test_a_ctrl_c_that_is_delivered_again_while_a_line_is_drawn_is_one():
    # A busy machine draws the line of the first for longer than the second may take to come.
    script = """
import os, signal, sys, time
from study.core import interrupt

def draw(line):
    print("draws", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)

interrupt._DOUBLE_S, interrupt._DRAWN_IN_S = 0.1, 3600.0
try:
    with interrupt.clean_stop(), interrupt.told_through(draw):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        finally:
            while interrupt._installed._double_until is not None:
                time.sleep(0.01)
            print("ended", flush=True)
except interrupt.Stopped as stopped:
    sys.exit(stopped.exit_status)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (1, ["draws", "ended"]), ended.stderr


# A person goes on at the prompt, or in a notebook, after the block.
INTERACTIVE = """
import signal, sys, time
from study.core import interrupt
from study.core.interrupt import Stopped, clean_stop

sys.ps1 = ">>> "
interrupt._DOUBLE_S = 2.0
before = signal.getsignal(signal.SIGINT)
try:
    with clean_stop():
        try:
            print("running", flush=True)
            time.sleep(60)
        finally:
            print("ending", flush=True)
            if sys.argv[1] == "slow":
                signal.raise_signal(signal.SIGINT) # the first one, delivered twice
                print("goes on", flush=True)
                while interrupt._installed._double_until is not None:
                    time.sleep(0.01)
                print("takes another Ctrl-C", flush=True)
                time.sleep(60)
            print("ended", flush=True)
except KeyboardInterrupt as stop:
    print("stopped", type(stop).__name__, signal.getsignal(signal.SIGINT) is before, flush=True)
"""


def interactive(how):
    command = [sys.executable, "-c", INTERACTIVE, how]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_twice_does_not_end_a_process_that_a_person_goes_on_using():
    with interactive("slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert [process.stdout.readline() for _ in range(3)] == ["ending\n", "goes on\n", "takes another Ctrl-C\n"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (0, "stopped Stopped True\n")
    assert err.split("\n")[1::2] == [
        "stopping: writing finished results; interrupt again to stop immediately.",
        "stopped immediately.",
    ]


def test_sigterm_ends_a_process_that_a_person_uses_after_the_last_writes():
    with interactive("quick") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()
    assert (process.returncode, out) == (-signal.SIGTERM, "ending\nended\n")


# Python drops what a finalizer raises, as it does for callbacks of its garbage collector.
SWALLOWED = """
import signal, sys, time
from study.core.interrupt import clean_stop

class Finalized:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

def swallow():
    try:
        signal.raise_signal(int(sys.argv[1]))
    except:
        pass

try:
    with clean_stop():
        Finalized() if sys.argv[2] == "finalizer" else swallow()
        print("swallowed", flush=True)
        time.sleep(60)
except KeyboardInterrupt as stop:
    print("stopped", flush=True)
    sys.exit(stop.exit_status)
"""


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("by", ["finalizer", "library"])
def test_an_exception_that_is_swallowed_comes_again(number, by):
    ended = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(int(number)), by], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout.split()) == (STATUS[number], ["swallowed", "stopped"])
    assert ended.stderr.count("stopping: writing finished results") == 1


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_another_signal_does_not_cut_the_end_off(second):
    with started("asks") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(second)
        out, _ = process.communicate("\n")
    assert (process.returncode, out.split()) == (143, ["ended", "stopped"])


def test_the_grace_ends_a_process_that_does_not_end():
    with started("slow", grace_s=2.0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert (process.returncode, out) == (143, "ending\ntakes another Ctrl-C\n")
    assert err.endswith("\nstopped immediately: 2 s after SIGTERM.\n")


def test_a_process_whose_main_thread_is_busy_in_a_library_says_so_and_ends():
    # Like a compiler: it does not come back to Python after a signal.
    script = """
import hashlib, threading, time
from study.core.interrupt import clean_stop, grace

def tell_when_it_computes():
    while time.process_time() < begun + 0.2:
        time.sleep(0.01)
    print("running", flush=True)

with clean_stop(), grace(0.2):
    begun = time.process_time()
    threading.Thread(target=tell_when_it_computes, daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 500_000_000)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 143
    assert err.split("\n")[1::2] == [
        "SIGTERM: stopping: writing finished results, for at most 0.2 s.",
        "stopped immediately: 0.2 s after SIGTERM.",
    ]


def train_until(checkpoint_after_s, waited):
    """Get SIGTERM in a training with checkpoints; the end of its grace would end the process of the tests."""
    with clean_stop(quiet=True), grace(600.0), checkpoints_follow(True):
        signal.raise_signal(signal.SIGTERM)
        waited.append(is_stopping())
        time.sleep(checkpoint_after_s)
        stop_here()


def test_a_checkpoint_is_awaited_and_then_the_block_ends():
    waited = []
    with pytest.raises(Stopped) as stop:
        train_until(0, waited)
    assert stop.value.exit_status == 143
    assert waited == [True]
    assert not is_stopping()


def test_ctrl_c_awaits_no_checkpoint():
    with pytest.raises(Stopped, match="SIGINT"), clean_stop(quiet=True), checkpoints_follow(True):
        signal.raise_signal(signal.SIGINT)


def test_a_checkpoint_that_does_not_come_is_awaited_no_longer(monkeypatch):
    monkeypatch.setattr("study.core.interrupt._SHARE_OF_CHECKPOINT", 0.3 / 600.0)
    waited = []
    with pytest.raises(Stopped, match="SIGTERM"):
        train_until(60, waited)
    assert waited == [True]


def test_nothing_waits_where_no_checkpoints_are_saved():
    with pytest.raises(Stopped, match="SIGTERM"), clean_stop(quiet=True), checkpoints_follow(False):
        signal.raise_signal(signal.SIGTERM)
    stop_here()


def write_in_one_piece(number, done):
    with clean_stop(quiet=True):
        with uninterrupted():
            signal.raise_signal(number)
            done.append("inside")
        done.append("outside")


@pytest.mark.parametrize("number", STATUS)
def test_a_block_that_must_not_be_cut_off_ends_first(number):
    done = []
    with pytest.raises(Stopped):
        write_in_one_piece(number, done)
    assert done == ["inside"]


def fail_in_one_piece():
    with clean_stop(quiet=True), contextlib.suppress(OSError), uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        raise OSError("a full disk, which a caller waits for")


def test_a_signal_in_a_block_that_fails_is_not_lost():
    with pytest.raises(Stopped):
        fail_in_one_piece()


def test_the_handlers_are_as_they_were_afterwards():
    before = [signal.getsignal(number) for number in STATUS]
    with pytest.raises(KeyboardInterrupt), clean_stop(quiet=True):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in STATUS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_where_signals_are_ignored_they_stay_so():
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STATUS}
    try:
        with clean_stop():
            for number in STATUS:
                signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_forked_process_has_the_handlers_of_the_system():
    # In a process of its own: one that holds JAX cannot be forked.
    script = """
import os, signal
from study.core import interrupt
with interrupt.clean_stop(quiet=True):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert interrupt.is_stopping() is False
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_after_a_command_ends_its_process_without_a_traceback():
    script = (
        "import signal; from study.cli import command_line; status = command_line(['--help']); "
        "signal.raise_signal(signal.SIGINT)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
