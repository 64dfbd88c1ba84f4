import os
import signal

# A parent that ignores SIGINT, as a shell does for `make test &`, passes that on, also to the children of tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before any test imports a library: no allocation of all GPU memory, no telemetry, no C++ logs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"
# One process holds one backend; TensorFlow traces quickest. Tests of JAX start their own processes.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


import pytest

from tests.time_limit import pytest_runtest_call, pytest_runtest_setup  # noqa: F401 - hooks

# A study that trains in a second: small net, few epochs, no slow records.
QUICK = (
    "trainer.backend=tensorflow",
    "++model.hidden=[16]",
    "budget.n_trials=3",
    "budget.n_epochs=2",
    "budget.n_confirmations=2",
    "tracking.system_metrics=false",
    "tracking.log_model=false",
    "live=false",
)


@pytest.fixture(scope="session")
def compose_quick():
    """Compose and check a quick study of the real conf/ with overrides, its stores in a given folder."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    def build(*overrides, folder):
        (job,) = compose_jobs(prepare([*QUICK, *overrides]), multirun=False)
        return load_config(job.raw, folder=folder, labels=job.labels)

    return build


@pytest.fixture
def compose(compose_quick, tmp_path):
    """Compose a quick study, by default in a temporary folder of the test's own."""
    return lambda *overrides, folder=tmp_path: compose_quick(*overrides, folder=folder)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A migrated MLflow store without studies; copying it is quicker than migrating another."""
    from study.tracking.connection import connect

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(f"sqlite:///{path}", create=True)
    return path
