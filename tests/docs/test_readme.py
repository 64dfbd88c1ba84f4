import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## From Python")[2].partition("\n## ")[0]
PROGRAM, PRINTED = (block.partition("\n")[2] for block in re.findall(r"```(.*?)```", SECTION, re.DOTALL)[:2])


@pytest.mark.slow
@pytest.mark.long(reason="it compares three optimizers, as README says")
def test_the_example_runs_as_it_stands(tmp_path):
    (tmp_path / "example.py").write_text(PROGRAM, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "COLUMNS")}
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT / ".ci" / "editable")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer, *table, best, predicted = done.stdout.splitlines()
    assert "adam" in answer
    words = [line.split() for line in PRINTED.splitlines() if re.match(r"\s+study |\d  ", line)]
    assert len(words) == 4
    # Other machines give other last digits, so the order of the rows may differ.
    assert table[0].split() == words[0]
    assert {tuple(line.split()[1:3]) for line in table[1:]} == {tuple(row[1:3]) for row in words[1:]}
    assert best.startswith("{'amsgrad': False, 'learning_rate': ")
    first, second = re.findall(r"\[(.*?)\]", predicted)
    assert sum(a == b for a, b in zip(first.split(), second.split(), strict=True)) >= 8
    assert (tmp_path / "page.html").stat().st_size > 100_000
