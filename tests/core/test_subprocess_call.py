import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from study.core import subprocess_call
from study.core.errors import StudyError
from study.core.subprocess_call import ProcessDiedError, call_in_subprocess

pytestmark = pytest.mark.slow

OWN = """
import os, sys, time
from pathlib import Path
from study.core.errors import ConfigError, Fault, StudyError

class Refused(StudyError):
    exit_status = 7
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")

def echo(*given):
    print("a library prints", given, flush=True)
    os.write(1, b"and another one below Python\\n")
    sys.stderr.write("and a third one\\n")
    return {"given": given, "folder": Path.cwd(), "stdin": sys.stdin.read(), "pid": os.getpid()}

def refuse():
    raise Refused("one", "two")

def faulty():
    raise ConfigError([Fault(key="a.b", value=1, allowed="two", advice="Set it.")])

def crash():
    raise ValueError("out of order")

def leave(status):
    os._exit(status)

def die():
    os.kill(os.getpid(), 9)

def variable(name):
    return os.environ.get(name)

def unpicklable():
    return lambda: 0

def slow(folder, seconds):
    try:
        (Path(folder) / "started").touch()
        time.sleep(seconds)
    finally:
        (Path(folder) / "ended").touch()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's folder, which is the working directory and the first place that Python searches."""
    (tmp_path / "own_calls.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


@pytest.mark.parametrize("quiet", [False, True])
def test_a_function_of_the_working_directory_is_called_whatever_is_printed(own, capfd, quiet):
    given = ({"a": [1, 2.5, None]}, Path("x"), float("inf"))
    returned = call_in_subprocess("own_calls:echo", *given, quiet=quiet)
    assert returned["given"] == given
    assert returned["folder"] == own
    assert returned["stdin"] == ""
    assert returned["pid"] != os.getpid()
    out, err = capfd.readouterr()
    assert ("a library prints" in out, "below Python" in out, "a third" in err) == (not quiet,) * 3


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.usefixtures("own")
def test_a_study_error_comes_back_with_its_message_and_status(quiet):
    with pytest.raises(StudyError, match=r"^one and two$") as e:
        call_in_subprocess("own_calls:refuse", quiet=quiet)
    assert e.value.exit_status == 7
    assert StudyError.exit_status == 2
    with pytest.raises(StudyError, match=r"a\.b=1: expected two\. Set it\.") as e:
        call_in_subprocess("own_calls:faulty", quiet=quiet)
    assert e.value.exit_status == 2


@pytest.mark.parametrize(
    ("call", "status", "told"),
    [
        (("own_calls:crash",), 1, "ValueError: out of order"),
        (("own_calls:leave", 5), 5, "exit status 5"),
        (("own_calls:leave", 0), 0, "exit status 0"),
        (("own_calls:die",), -signal.SIGKILL, "exit status -9"),
        (("own_calls:nothing",), 1, "AttributeError: .*nothing"),
        (("own_calls:unpicklable",), 1, "lambda"),
    ],
)
@pytest.mark.usefixtures("own")
def test_a_process_that_gives_no_answer_is_told(call, status, told):
    with pytest.raises(ProcessDiedError, match=told) as e:
        call_in_subprocess(*call, quiet=True)
    assert e.value.status == status


def test_a_child_runs_no_module_that_lies_in_the_working_directory(tmp_path, monkeypatch):
    for name in ("json", "sys", "study", "pickle", "sitecustomize", "own_calls"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])  # as a config that names own_calls leaves it
    assert call_in_subprocess("os:getcwd") == str(tmp_path)
    with pytest.raises(ProcessDiedError, match="No module named 'own_calls'"):
        call_in_subprocess("own_calls:echo", quiet=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("own")
def test_variables_are_added_to_those_of_this_process(monkeypatch):
    monkeypatch.setenv("OWN_A", "1")
    assert call_in_subprocess("own_calls:variable", "OWN_A", environment={"OWN_B": "2"}) == "1"
    assert call_in_subprocess("own_calls:variable", "OWN_B", environment={"OWN_B": "2"}) == "2"
    assert "OWN_B" not in os.environ


def test_a_process_that_takes_too_long_is_killed(own):
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not done within 0\.5 s"):
        call_in_subprocess("own_calls:slow", str(own), 60, timeout_s=0.5)
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("own")
def test_files_of_a_call_are_private_and_removed(monkeypatch):
    seen = []

    def look(folder, **_):
        seen.append((folder, stat.S_IMODE(folder.stat().st_mode)))
        return 1

    monkeypatch.setattr(subprocess_call, "_run", look)
    with pytest.raises(ProcessDiedError):
        call_in_subprocess("own_calls:crash")
    ((folder, mode),) = seen
    assert mode == 0o700
    assert not folder.exists()


@pytest.mark.parametrize(
    ("number", "timeout", "waits"),
    [
        (signal.SIGINT, "None", True),
        (signal.SIGTERM, "None", True),
        (signal.SIGHUP, "None", True),
        (signal.SIGTERM, "60", False),
        (signal.SIGKILL, "None", False),
    ],
)
def test_a_signal_reaches_a_child_and_waits_for_one_that_may_be_writing(own, number, timeout, waits):
    script = f"""
    import sys
    from study.core.interrupt import Stopped, clean_stop
    from study.core.subprocess_call import call_in_subprocess
    try:
        with clean_stop():
            call_in_subprocess("own_calls:slow", {str(own)!r}, 60, timeout_s={timeout})
    except Stopped as stopped:
        sys.exit(stopped.exit_status)
    """
    root = Path(subprocess_call.__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    while not (own / "started").exists():
        time.sleep(0.05)
    parent.send_signal(number)  # to the parent alone
    parent.communicate(timeout=60)  # the child has these pipes too, as long as it lives
    assert parent.returncode == {signal.SIGINT: 1, signal.SIGTERM: 143, signal.SIGHUP: 129}.get(number, -number)
    assert (own / "ended").exists() == waits


@pytest.mark.usefixtures("own")
def test_ctrl_c_while_a_child_starts_stops_it_without_a_traceback(monkeypatch, capfd):
    # The terminal sends Ctrl-C to the child too, which Python would answer with a traceback of its own imports.
    interrupted = "import os, signal; os.kill(os.getpid(), signal.SIGINT); "
    monkeypatch.setattr(subprocess_call, "_START", interrupted + subprocess_call._START)
    with pytest.raises(ProcessDiedError) as died:
        call_in_subprocess("own_calls:echo", 4)
    assert died.value.status == 1
    assert capfd.readouterr() == ("", "")
