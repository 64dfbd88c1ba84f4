import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from study.core import log_capture
from study.core.errors import StoreError
from study.core.interrupt import Stopped
from study.core.log_capture import captured, captured_unseen


def run(script, folder):
    preamble = (
        "import logging, os, sys, warnings\nfrom pathlib import Path\nfrom study.core.log_capture import captured\n"
    )
    command = [sys.executable, "-c", preamble + script, str(folder)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=root)


def test_everything_on_stderr_goes_to_the_log_and_the_stream_to_the_terminal(tmp_path):
    script = """
log = Path(sys.argv[1]) / "logs" / "study.log"
print("before", file=sys.stderr)
with captured(log) as terminal:
    os.write(2, b"from C++\\n")
    os.system("echo from a child process >&2")
    print("from Python", file=sys.stderr)
    logging.getLogger("library").warning("from logging")
    warnings.warn("from warnings")
    print("to the person", file=terminal)
    print("a result")
print("after", file=sys.stderr)
logging.getLogger("library").warning("logged after")
"""
    done = run(script, tmp_path)
    log = (tmp_path / "logs" / "study.log").read_text()
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["before", "to the person", "after", "logged after"]
    assert done.stdout == "a result\n"
    for source in ("from C++", "from a child process", "from Python", "from logging", "from warnings"):
        assert source in log
    assert "WARNING library: from logging" in log
    assert "to the person" not in log


def test_the_stream_to_the_terminal_has_the_encoding_of_standard_error(tmp_path, monkeypatch):
    script = """
from study.core.terminal import can_show
with captured(Path(sys.argv[1]) / "study.log") as terminal:
    print("shown", can_show(terminal, "\\u2501"), "\\u2501", file=terminal)
"""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run(script, tmp_path).stderr == "shown False \\u2501\n"
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    assert run(script, tmp_path).stderr == "shown True \u2501\n"


def test_an_exception_passes_through_and_its_traceback_reaches_the_terminal(tmp_path):
    script = """
with captured(Path(sys.argv[1]) / "study.log"):
    print("noise", file=sys.stderr)
    raise ValueError("told to the person")
"""
    done = run(script, tmp_path)
    assert done.returncode == 1
    assert "ValueError: told to the person" in done.stderr
    assert "noise" not in done.stderr
    assert (tmp_path / "study.log").read_text() == "noise\n"


def test_a_nested_capture_has_its_own_log_and_the_same_terminal(tmp_path):
    script = """
folder = Path(sys.argv[1])
with captured(folder / "outer.log") as outer:
    with captured(folder / "inner.log") as inner:
        print("inner noise", file=sys.stderr)
        print("inner view", file=inner)
    print("outer noise", file=sys.stderr)
    logging.warning("outer logging")
    print("outer view", file=outer)
"""
    done = run(script, tmp_path)
    assert done.stderr == "inner view\nouter view\n"
    assert (tmp_path / "inner.log").read_text() == "inner noise\n"
    outer = (tmp_path / "outer.log").read_text()
    assert outer.startswith("outer noise\n")
    assert "outer logging" in outer


def test_a_handler_made_during_a_capture_works_after_it(tmp_path):
    script = """
with captured(Path(sys.argv[1]) / "study.log"):
    handler = logging.StreamHandler()
    logging.getLogger("late").addHandler(handler)
    logging.getLogger("late").propagate = False
logging.getLogger("late").error("still heard")
"""
    assert run(script, tmp_path).stderr == "still heard\n"


def test_leaving_closes_every_descriptor_and_appending_keeps_the_log(tmp_path):
    script = """
log = Path(sys.argv[1]) / "study.log"
count = lambda: len(os.listdir("/proc/self/fd"))
start = count()
for _ in range(3):
    with captured(log), captured(log):
        print("line", file=sys.stderr)
print(count() - start)
"""
    assert run(script, tmp_path).stdout == "0\n"
    assert (tmp_path / "study.log").read_text() == "line\n" * 3


def test_a_log_that_cannot_be_written_redirects_nothing(tmp_path):
    stderr, handlers = sys.stderr, logging.root.handlers[:]
    with pytest.raises(StoreError, match=r"the log cannot be written \(Is a directory\). Allow"), captured(tmp_path):
        pass
    assert sys.stderr is stderr
    assert logging.root.handlers == handlers


def test_it_works_where_sys_stderr_is_not_descriptor_2(tmp_path, capsys):
    stderr, handlers = sys.stderr, logging.root.handlers[:]
    with captured(tmp_path / "study.log"):
        sys.stderr.write("noise\n")
    assert (tmp_path / "study.log").read_text() == "noise\n"
    assert sys.stderr is stderr
    assert logging.root.handlers == handlers
    assert capsys.readouterr().err == ""


def test_what_is_written_to_a_closed_terminal_is_dropped():
    ours, theirs = pty.openpty()
    with log_capture._text(theirs) as stream:
        stream.write("seen\n")
        assert os.read(ours, 100) == b"seen\r\n"
        os.close(ours)
        stream.write("dropped\n")


def test_a_pipe_whose_reader_has_gone_stops_the_study_once():
    ours, theirs = os.pipe()
    with log_capture._text(theirs) as stream:
        stream.write("seen\n")
        assert os.read(ours, 100) == b"seen\n"
        os.close(ours)
        with pytest.raises(Stopped) as stop:
            stream.write("dropped\n")
        assert stop.value.exit_status == 1
        stream.write("dropped while the study ends\n")


def test_in_a_kernel_the_cell_is_the_terminal_and_handlers_of_libraries_follow(tmp_path, monkeypatch, capfd):
    cell, log = io.StringIO(), tmp_path / "study.log"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setattr(sys, "stderr", cell)
    logger, handler = logging.getLogger("test.library"), logging.StreamHandler()
    other = logging.StreamHandler(sys.stdout)  # as TensorFlow's is
    logging.getLogger("test.other").addHandler(other)
    logger.addHandler(handler)
    try:
        with captured(log) as terminal:
            logger.error("noise")
            logging.getLogger("test.other").error("noise of another")
            terminal.write("to the person\n")
            with captured(tmp_path / "inner.log") as inner:
                inner.write("from inside\n")
            logger.error("more noise")
        logger.error("afterwards")
    finally:
        logger.removeHandler(handler)
        logging.getLogger("test.other").removeHandler(other)
    assert handler.stream is cell
    assert other.stream is sys.stdout
    assert "noise of another\n" in log.read_text()
    assert sys.stderr is cell
    assert cell.getvalue() == "to the person\nfrom inside\nafterwards\n"
    assert not cell.closed
    assert log.read_text().startswith("noise\n")
    assert "more noise\n" in log.read_text()
    assert capfd.readouterr() == ("", "")


def test_what_is_captured_unseen_goes_nowhere(capfd):
    with captured_unseen() as terminal:
        os.write(2, b"from C++\n")
        print("to the person", file=terminal)
    assert capfd.readouterr().err == "to the person\n"
