"""The computing time of the device in a vectorized study: from the call of each program until its results exist."""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import Any

from study.training.vectorized.compiler import Compiler


class ComputeClock:
    """Watches from now on the epochs and the evaluations of all programs, in a thread that waits for each result.

    If a program is called before the previous one has ended, its time begins at that end. Initial weights are left
    out.

    Attributes:
        first_step_at: The time at which the first epoch began, after compilation.
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
            # Results that the next epoch does not reuse as memory: losses, and the metrics of an evaluation.
            result = {"epoch": 1, "measure": 0}.get(key[0] if isinstance(key, tuple) else key)
            if result is not None and not compiler._is_ahead:
                began += Compiler.seconds - waited
                self._called.put((began, results[result]))
                self.first_step_at = min(self.first_step_at, began if key == "epoch" else math.inf)
            return results

        Compiler.call = watched  # type: ignore[method-assign]

    def seconds(self, *, since: float = 0.0) -> float:
        """Return the computing time since a given time, over the calls whose results were fetched."""
        return sum(max(0.0, ended - max(began, since)) for began, ended in list(self._spans))

    def _watch(self) -> None:
        import jax

        last = 0.0
        while True:
            called, result = self._called.get()
            jax.block_until_ready(result)
            began, last = max(called, last), time.time()
            self._spans.append((began, last))
