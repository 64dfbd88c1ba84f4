"""The suite's own rules: a test that takes too long needs a reason, and a parent that ignores SIGINT is no harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
pytest_plugins = ["pytester"]

TIMED = """
import time, pytest

def spend():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass

@pytest.fixture(scope="module")
def slow():
    spend()

def test_quick():
    pass

def test_long():
    spend()

def test_long_in_its_set_up(slow):
    pass

@pytest.mark.long(reason="it measures time")
def test_long_with_a_reason():
    spend()

@pytest.mark.long
def test_long_without_words():
    spend()
"""


def test_a_test_that_takes_too_long_fails_unless_it_has_a_reason(pytester):
    source = (ROOT / "tests" / "time_limit.py").read_text()
    pytester.makeconftest(source.replace("LIMIT_S = 60.0", "LIMIT_S = 0.2"))
    pytester.makepyfile(TIMED)
    pytester.makeini("[pytest]\nmarkers = long(reason): ...\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2, errors=1)
    result.stdout.fnmatch_lines(["*took 0.* s of processor time, more than 0 s. Make it quicker, or give a reason:*"])


def test_a_parent_that_ignores_sigint_is_no_harm(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_signal.py").write_text(
        "import os, signal, subprocess, sys, pytest\n\n"
        "def test_here():\n    with pytest.raises(KeyboardInterrupt):\n        os.kill(os.getpid(), signal.SIGINT)\n\n"
        "def test_in_a_child():\n"
        "    code = 'import os, signal; os.kill(os.getpid(), signal.SIGINT)'\n"
        "    assert subprocess.run([sys.executable, '-c', code], capture_output=True).returncode != 0\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert done.returncode == 0, done.stdout
