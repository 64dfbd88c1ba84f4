import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A parent that starts a child, which lives on unless it ends with its parent.
PARENT = """
import os, subprocess, sys, time
child = (
    "import os, sys, time; from study.core.child_signals import end_with_parent; "
    "end_with_parent(int(sys.argv[1]), polls=sys.argv[2] == 'True'); print('started', flush=True); time.sleep(60)"
)
subprocess.Popen([sys.executable, "-c", child, str(os.getpid()), sys.argv[1]])
time.sleep(60)
"""


@pytest.mark.parametrize("polls", [True, False] if sys.platform == "linux" else [True])
def test_a_child_ends_with_its_killed_parent(polls):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(polls)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        assert parent.stdout.read() == ""  # the child has this end of the pipe too, as long as it lives
