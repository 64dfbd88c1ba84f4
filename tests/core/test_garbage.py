"""A process of a command collects garbage rarely, and more often once its libraries are imported."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import gc
from study.core.garbage import collect_rarely, imports_have_ended
before = gc.get_threshold()
imports_have_ended()
assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)  # a user's own process
collect_rarely()
while_importing = gc.get_threshold()[0]
imports_have_ended()
assert before[0] < gc.get_threshold()[0] < while_importing
assert gc.get_freeze_count() > 1000
frozen = gc.get_freeze_count()
kept = [[] for _ in range(1000)]
imports_have_ended()
assert gc.get_freeze_count() <= frozen
"""


def test_only_a_process_of_a_command_changes_and_only_once():
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PROGRAM], env={"PYTHONPATH": str(root / ".ci" / "editable")}, check=True)
