"""Ask a program that runs in a process of its own, since a process can load one backend of Keras only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class CaseProcess:
    """A program that answers questions as `vectorized_cases.serve` does, in a process that has Keras on JAX."""

    def __init__(self, program, log, **variables):
        kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            cwd=ROOT,
            env=kept | {"PYTHONPATH": str(ROOT)} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ask(self, *question):
        """Let the program call a function with arguments, and return the answer."""
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            pytest.fail(f"the process ended: {self._log.read()[-4000:]}")
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["found"]

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
