"""The time that the device of a vectorized study computes, from the call of a program until its results are there."""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import Any

from study.training.vectorized.compiler import Compiler


class ComputeClock:
    """Watches from now on the epochs and the evaluations of all programs, in a thread that waits for each result.

    Where a program is called before the one before it has ended, its time begins there. Initial weights are left out.

    Attributes:
        first_step_at: When the first epoch began, once it was compiled.
    """

    def __init__(self) -> None:
        self._called: queue.SimpleQueue[tuple[float, Any]] = queue.SimpleQueue()
        self._spans: list[tuple[float, float]] = []
        self.first_step_at = math.inf
        threading.Thread(target=self._watch, daemon=True).start()
        call = Compiler.call

        def watched(compiler: Compiler, key: Any, *args: Any, **kwargs: Any) -> Any:
            began, waited = time.time(), Compiler.seconds
            results = call(compiler, key, *args, **kwargs)
            # What is not given away to the next epoch: losses, and the metrics of an evaluation.
            result = {"epoch": 1, "measure": 0}.get(key[0] if isinstance(key, tuple) else key)
            if result is not None and not compiler._is_ahead:
                began += Compiler.seconds - waited
                self._called.put((began, results[result]))
                self.first_step_at = min(self.first_step_at, began if key == "epoch" else math.inf)
            return results

        Compiler.call = watched  # type: ignore[method-assign]

    def seconds(self, *, since: float = 0.0) -> float:
        """Return for how long something was computed since a time, of the calls whose results have been fetched."""
        return sum(max(0.0, ended - max(began, since)) for began, ended in list(self._spans))

    def _watch(self) -> None:
        import jax

        last = 0.0
        while True:
            called, result = self._called.get()
            jax.block_until_ready(result)
            began, last = max(called, last), time.time()
            self._spans.append((began, last))
