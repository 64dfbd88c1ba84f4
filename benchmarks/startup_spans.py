"""Run one `study` command in this process, and write where its time went: the child of `benchmarks.startup`.

    python benchmarks/startup_spans.py RESULT.json ARGUMENT ...

The command comes from the first `study` on PYTHONPATH, any checkout's. That checkout is not changed: each import and
each function in `FUNCTIONS` is wrapped from here. A name that a checkout lacks is left out, and its time counts for
the caller.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

# Seconds of the wall clock and of the processor.
Moment = tuple[float, float]


def now() -> Moment:
    """Return the present moment."""
    return time.perf_counter(), time.process_time()


BEGAN = now()

REST = "rest"
IMPORT = "import "
# Libraries with a row of their own. Time of any other module belongs to the library that asked for it.
LIBRARIES = (
    *("alembic", "docker", "fastapi", "flask", "google", "graphene", "h5py", "hydra", "jax", "jaxlib", "jinja2"),
    *("joblib", "keras", "matplotlib", "mlflow", "numpy", "omegaconf", "opentelemetry", "optree", "optuna", "pandas"),
    *("PIL", "plotly", "pyarrow", "pydantic", "rich", "scipy", "sklearn", "sqlalchemy", "study", "tensorboard"),
    *("tensorflow", "torch"),
)
# Rows by function, as `module:function` or `module:Class.method`.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "composing": (
        *(f"study.cli.launch.compose:{name}" for name in ("compose_jobs", "prepare", "read_job")),
        *(f"study.cli.launch.hydra_app:{name}" for name in ("read_arguments", "tell_own_files", "launch")),
        "study.cli.launch.words:read_words",
    ),
    "checking": (
        *(f"study.pipeline.preflight:{name}" for name in ("load_config", "check", "check_task")),
        *(f"study.pipeline.{name}" for name in ("workload:check_task", "choose_trainers:choose_trainers")),
        "study.pipeline.data_check:check_data",
        "study.search.search_check:search_faults",
        *(f"study.training.{name}" for name in ("optimizer_check:optimizer_faults", "trainer_check:trainer_faults")),
    ),
    "stores": (
        *(f"study.tracking.connection:{name}" for name in ("check_store", "connect")),
        "study.pipeline.identity:identify",
        "study.pipeline.reconcile:reconcile",
        *(f"study.search.study_names:{name}" for name in ("check_name", "known_digests")),
        *(f"study.{name}" for name in ("search.ask_tell:open_search", "tracking.study_tracker:open_study")),
    ),
    "data": ("study.pipeline.preflight:load_dataset", "study.pipeline.workload:load_dataset"),
    "building the model": tuple(
        f"study.pipeline.{module}:{name}"
        for module in ("preflight", "workload")
        for name in ("build_model", "build_trainer")
    ),
    "tracing and compiling": (
        *(f"study.training.vectorized.compiler:Compiler.{name}" for name in ("_start_compiling", "_finish_compiling")),
        "jax._src.dispatch:LogElapsedTimeContextManager",
        "tensorflow.python.framework.func_graph:func_graph_from_py_func",
    ),
    "training": ("study.pipeline.repetition:repeat_first_epoch", "study.pipeline.search_phase:search"),
    "confirmations": tuple(f"study.pipeline.confirmation_phase:{name}" for name in ("confirm", "confirm_untuned")),
    "recording": (
        *(f"study.pipeline.finalize:{name}" for name in ("keep_model", "record", "leave")),
        *(f"study.tracking.study_tracker:StudyTracker.{name}" for name in ("start", "epoch", "end", "flush", "write")),
        "study.training.environment:environment",
    ),
    "closing": (
        "study.cli.actions.overview:show_studies",
        *(f"study.cli.actions.{name}" for name in ("end_of_run:show_end", "gallery:page_after_run")),
    ),
}
CONTEXTS = ("study.search.ask_tell:open_search", "study.tracking.study_tracker:open_study")
GARBAGE = "collecting garbage"


class Spans:
    """Wall and processor time of the main thread's open spans; each moment counts for the innermost one.

    Args:
        began: The moment from which time is counted.
        clock: Returns the present moment.

    Attributes:
        rows: Seconds of wall time, and of processor time of all threads, by row.
        last: The moment up to which time is counted, by both clocks.
    """

    def __init__(self, began: Moment, *, clock: Callable[[], Moment]) -> None:
        self.rows: dict[str, list[float]] = {}
        self._open = [REST]
        self.last = began
        self._thread = threading.get_ident()
        self._clock = clock

    @property
    def innermost(self) -> str:
        """The row that time counts for now."""
        return self._open[-1]

    def enter(self, row: str) -> None:
        """Open a span."""
        if threading.get_ident() == self._thread:
            self.count()
            self._open.append(row)

    def leave(self) -> None:
        """Close the innermost span."""
        if threading.get_ident() == self._thread:
            self.count()
            self._open.pop()

    def count(self) -> None:
        """Count the time since the last call for the innermost span."""
        moment = self._clock()
        row = self.rows.setdefault(self._open[-1], [0.0, 0.0])
        row[0] += moment[0] - self.last[0]
        row[1] += moment[1] - self.last[1]
        self.last = moment


def row_of_import(name: str, innermost: str) -> str:
    """Return the row of a module: its library's, or that of the import that asked for it."""
    library = name.partition(".")[0]
    if library in LIBRARIES:
        return IMPORT + library
    return innermost if innermost.startswith(IMPORT) else f"{IMPORT}of others"


def wrap_functions(spans: Spans, module: Any) -> None:
    """Wrap the functions of a module that has just been imported."""
    for row, places in FUNCTIONS.items():
        for place in places:
            name, _, path = place.partition(":")
            if name == module.__name__:
                *outer, last = path.split(".")
                owner = functools.reduce(lambda at, part: getattr(at, part, None), outer, module)
                function = getattr(owner, last, None)
                if isinstance(function, type):  # a context manager of a library
                    _wrap_method(spans, row, function, "__enter__", opens=True)
                    _wrap_method(spans, row, function, "__exit__", closes=True)
                elif function is not None:
                    wrapped = _in_context if place in CONTEXTS else _in_span
                    setattr(owner, last, wrapped(spans, row, function))


def _in_span(spans: Spans, row: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        spans.enter(row)
        try:
            return function(*args, **kwargs)
        finally:
            spans.leave()

    return timed


def _in_context(spans: Spans, row: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Time the beginning and the end of a context manager, not its block."""

    class Timed:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._inner = function(*args, **kwargs)

        def __enter__(self) -> Any:
            return _in_span(spans, row, self._inner.__enter__)()

        def __exit__(self, *error: Any) -> Any:
            return _in_span(spans, "closing", self._inner.__exit__)(*error)

    return Timed


def _wrap_method(spans: Spans, row: str, owner: type, name: str, *, opens: bool = False, closes: bool = False) -> None:
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def timed(self: Any, *args: Any) -> Any:
        if opens:
            spans.enter(row)
        try:
            return inner(self, *args)
        finally:
            if closes:
                spans.leave()

    setattr(owner, name, timed)


def watch_imports(spans: Spans) -> None:
    """Time every import, by the one function through which Python's import statement loads a module."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    find_and_load = bootstrap._find_and_load

    def timed(name: str, import_: Any) -> Any:
        is_new = name not in sys.modules
        spans.enter(row_of_import(name, spans.innermost))
        try:
            module = find_and_load(name, import_)
            if is_new:
                wrap_functions(spans, module)
            return module
        finally:
            spans.leave()

    bootstrap._find_and_load = timed


def watch_garbage(spans: Spans) -> None:
    """Time the collection of garbage."""

    def note(phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            spans.enter(GARBAGE)
        else:
            spans.leave()

    gc.callbacks.append(note)


def write(spans: Spans, path: str) -> None:
    """Write the rows, and the moments at which this process began and ended its work."""
    spans.count()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "rows": spans.rows,
        "began": BEGAN,
        "ended": spans.last,
        "children_cpu": children.ru_utime + children.ru_stime,
    }
    with open(path, "w") as file:
        json.dump(told, file)


def main() -> int:
    """Run the command."""
    result, *arguments = sys.argv[1:]
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    spans = Spans(BEGAN, clock=now)
    atexit.register(write, spans, os.path.abspath(result))  # the first to be registered is the last to be called
    watch_imports(spans)
    watch_garbage(spans)
    sys.argv = ["study", *arguments]
    from study.cli import command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
