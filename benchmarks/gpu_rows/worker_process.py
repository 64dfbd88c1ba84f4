"""The parent's side of a worker: start it, ask for a row, take its values until it ends or its time is over."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.machine import TOLD

# The child's module: benchmarks/gpu_rows/worker.py.
WORKER = ("-m", "benchmarks.gpu_rows.worker")
_CLOSING_S = 5.0
_STDERR = "stderr"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The end of a request.

    Attributes:
        state: `measured`; `error`: it raised, or the worker died; `cut`: its time was over.
        values: The values that the worker sent, also before an error or a cut.
    """

    state: Literal["measured", "error", "cut"]
    values: dict[str, Any]


class WorkerProcess:
    """A worker, started by the first request.

    Args:
        folder: Its working directory, where its output is kept.
        environment: Its environment.
        arguments: Further arguments of the worker.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], arguments: tuple[str, ...]) -> None:
        self._folder, self._environment, self._arguments = folder, environment, arguments
        self._child: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread()

    def ask(self, request: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """Send a request and wait for its end. A worker that is cut or dies is replaced at the next request.

        Args:
            request: The request.
            timeout_s: Time after which the worker is killed, in seconds.
        """
        until = time.monotonic() + timeout_s
        child = self._child or self._start()
        assert child.stdin is not None
        values: dict[str, Any] = {}
        with suppress(BrokenPipeError):  # it has died, which the end of its output shows
            child.stdin.write(f"{json.dumps(request)}\n")
            child.stdin.flush()
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                self.kill()
                return Answer(state="cut", values=values)
            if line is None:
                status = child.wait()
                self.kill()
                return Answer(state="error", values={**values, "error": self._death(status)})
            if not line.startswith(TOLD):
                continue
            values |= json.loads(line.removeprefix(TOLD))
            if ended := values.pop("ended", None):
                return Answer(state=ended, values=values)

    def close(self) -> None:
        """Let the worker end."""
        if self._child is not None:
            _close_stdin(self._child)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_CLOSING_S)
        self.kill()

    def kill(self) -> None:
        """End the worker now."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            _close_stdin(child)
            self._reader.join(_CLOSING_S)

    def last_words(self) -> str:
        """Return the last lines that a worker wrote to its standard error."""
        path = self._folder / _STDERR
        return path.read_text(errors="replace").strip()[-2000:] if path.exists() else ""

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, *WORKER, str(os.getpid()), *self._arguments]
        with (self._folder / _STDERR).open("w") as stderr:
            self._child = subprocess.Popen(
                command,
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=_pump, args=(self._child, self._lines), daemon=True)
        self._reader.start()
        return self._child

    def _death(self, status: int) -> str:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"the process died ({how}): {self.last_words() or 'it wrote nothing'}"


def _pump(child: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    assert child.stdout is not None
    with child.stdout as stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def _close_stdin(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):  # of what was not written yet
        child.stdin.close()
