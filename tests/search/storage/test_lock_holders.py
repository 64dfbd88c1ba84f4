import logging
import signal
import subprocess
import sys
import threading
import time

from study.search.storage import lock_holders
from study.search.storage.lock_holders import acquired

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def said(caplog):
    """Return what the terminal shows; another test may have let libraries log everything."""
    return [record.getMessage() for record in caplog.records if record.name == "study.servers"]


def test_a_long_wait_names_the_stopped_process_that_holds_the_lock(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lock_holders, "PATIENCE_S", 0.1)
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        waiter = threading.Thread(target=lambda: acquired(lock).__enter__())
        with caplog.at_level(logging.WARNING):
            waiter.start()
            for _ in range(3000):
                if said(caplog):
                    break
                time.sleep(0.02)
        holder.send_signal(signal.SIGCONT)
        holder.communicate("\n")
        waiter.join()
    (told,) = said(caplog)
    assert f"for process {holder.pid} (stopped by a signal: kill -CONT {holder.pid} lets it go on" in told
    assert told.endswith(f"which holds {lock}")


def test_a_free_lock_is_taken_without_a_word(tmp_path, caplog):
    with acquired(tmp_path / "lock"):
        pass
    with acquired(tmp_path / "lock"):
        assert said(caplog) == []
