"""The time that this process spends on tracing and compiling, whichever code causes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class CompileClock:
    """Listens to JAX, or to TensorFlow, from now on.

    JAX reports the time of tracing, lowering and compiling. For TensorFlow, this class measures the tracing of graphs.
    TensorFlow does not report the time that it spends on a graph at its first run.
    """

    def __init__(self, backend: str) -> None:
        self._spans: list[tuple[float, float]] = []
        {"jax": self._listen_to_jax, "tensorflow": self._listen_to_tensorflow}[backend]()

    @property
    def seconds(self) -> float:
        """The time spent on tracing or compiling; nested intervals count once."""
        total, until = 0.0, 0.0
        for began, ended in sorted(self._spans):
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return total

    def _listen_to_jax(self) -> None:
        import jax

        def note(event: str, duration: float, **_: Any) -> None:
            if event.startswith("/jax/core/compile/"):
                now = time.perf_counter()
                self._spans.append((now - duration, now))

        jax.monitoring.register_event_duration_secs_listener(note)

    def _listen_to_tensorflow(self) -> None:
        from tensorflow.python.framework import func_graph

        trace: Callable[..., Any] = func_graph.func_graph_from_py_func

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return trace(*args, **kwargs)
            finally:
                self._spans.append((began, time.perf_counter()))

        func_graph.func_graph_from_py_func = timed
