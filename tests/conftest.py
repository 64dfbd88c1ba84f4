import gc
import os
import shutil
import signal
import sys
import tempfile
from types import ModuleType

# Set before any test imports a library: no allocation of all GPU memory, no telemetry, no C++ logs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"
# One process holds one backend; TensorFlow traces quickest. Tests of JAX start their own processes.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# All processes of a session share compiled programs of JAX, however quickly those were compiled.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# A program that a shell starts in the background, or nohup, ignores signals, and so would every process of a test.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

import pytest

from study.core.garbage import collect_rarely
from tests.duration_limit import DurationLimit

collect_rarely()

# The folder of JAX's compiled programs.
PROGRAMS = "JAX_COMPILATION_CACHE_DIR"
# A study that trains in a second: small net, few epochs, no slow records.
QUICK = (
    "trainer=fit",
    "++model.hidden=[16]",
    "budget.n_trials=3",
    "budget.n_epochs=2",
    "budget.n_confirmations=2",
    "tracking.system_metrics=false",
    "tracking.log_model=false",
    "live=false",
)


def pytest_configure(config):
    config.pluginmanager.register(DurationLimit(), "duration_limit")
    if PROGRAMS not in os.environ:  # the workers of pytest-xdist have it from the process that starts them
        os.environ[PROGRAMS] = folder = tempfile.mkdtemp(prefix="jax-programs-")
        config.add_cleanup(lambda: (os.environ.pop(PROGRAMS), shutil.rmtree(folder, ignore_errors=True)))


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that all workers end at about the same time."""
    ranks = {}
    for item in items:
        rank = 0 if item.get_closest_marker("long") else 1 if item.get_closest_marker("slow") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, 2))
    items.sort(key=lambda item: ranks[item.path])


class Frozen:
    """Number of modules whose objects the garbage collector need not look at again."""

    n_modules = 0


def pytest_runtest_logstart():
    # Keras collects garbage for every new model, and among a million objects of libraries that takes 0.3 s.
    if len(sys.modules) > Frozen.n_modules + 200:
        Frozen.n_modules = len(sys.modules)
        gc.collect()
        gc.freeze()


BACKEND = os.environ["KERAS_BACKEND"]


class OneBackend:
    """Loads Keras with the backend of the tests, also where a command that a test calls has just chosen another one.

    Otherwise the first test to load Keras would choose for all tests after it, and those of another one would fail.
    """

    @staticmethod
    def find_spec(name, *_, **__):
        if name == "keras":
            os.environ["KERAS_BACKEND"] = BACKEND


sys.meta_path.insert(0, OneBackend)


def pytest_runtest_logfinish():
    # A test that chose a backend and did not load Keras decides nothing for the tests after it.
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND


@pytest.fixture(scope="session")
def compose_quick():
    """Compose and check a quick study of the real conf/ with overrides, its stores in a given folder."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    def build(*overrides, folder):
        searched = [word for word in overrides if word.startswith("search.")]  # a value beside a range is refused
        fixed = [word for word in QUICK if not any(f".{word.split('=')[0].strip('+')}" in each for each in searched)]
        (job,) = compose_jobs(prepare([*fixed, *overrides]), multirun=False)
        return load_config(job.raw, folder=folder, labels=job.labels)

    return build


@pytest.fixture
def compose(compose_quick, tmp_path):
    """Compose a quick study, by default in a temporary folder of the test's own."""
    return lambda *overrides, folder=tmp_path: compose_quick(*overrides, folder=folder)


@pytest.fixture
def tensorboard(monkeypatch):
    """Read event files with TensorBoard, which takes its stand-in for TensorFlow."""
    from tests import event_reading

    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    return event_reading


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A migrated MLflow store without studies; copying it is quicker than migrating another."""
    from study.tracking.connection import connect

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(f"sqlite:///{path}", create=True)
    return path


@pytest.fixture(scope="module")
def program():
    """Forks workers of a study with a stub trainer."""
    from tests.faults.crew import Program

    opened = Program()
    yield opened
    opened.close()
