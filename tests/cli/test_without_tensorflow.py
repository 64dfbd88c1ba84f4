"""The way from `study run` to `study compare` on JAX, where TensorFlow can be neither found nor imported."""

import importlib.util

import pytest

# Stands in for the search of modules and of installed packages, in a command and every process that it starts.
HIDING = """
import importlib.metadata
import importlib.util
import sys
from importlib.machinery import PathFinder


class Hiding:
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == "tensorflow" else PathFinder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(PathFinder, name)


def discover(**criteria):
    return (each for each in discover_all(**criteria) if each.metadata["Name"] != "tensorflow")


discover_all = importlib.metadata.Distribution.discover
importlib.metadata.Distribution.discover = discover
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding()
assert importlib.util.find_spec("tensorflow") is None
open({mark!r}, "a").close()
"""
TINY = ("++model.hidden=[8]", "budget.n_trials=2", "budget.n_epochs=1", "budget.n_confirmations=2")


@pytest.fixture
def without_tensorflow(study, environment, tmp_path):
    """Run a command without TensorFlow in a folder, and return what it printed."""
    hiding, folder, mark = (tmp_path / name for name in ("hiding", "folder", "mark"))
    hiding.mkdir()
    folder.mkdir()
    (hiding / "sitecustomize.py").write_text(HIDING.format(mark=str(mark)))

    def run(*arguments, status=0):
        mark.unlink(missing_ok=True)
        done = study(*arguments, cwd=folder, PYTHONPATH=f"{hiding}:{environment['PYTHONPATH']}")
        assert mark.exists()  # TensorFlow was hidden
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.folder = folder
    return run


@pytest.mark.slow
def test_a_study_on_jax_is_run_compared_exported_and_reproduced_without_tensorflow(without_tensorflow):
    told = without_tensorflow("run", "trainer=vectorized", "dataset=digits", "optimizer=adam", *TINY)
    assert "digits-mlp/adam" in told
    # The model is logged, for a server that installs TensorFlow.
    (requirements,) = without_tensorflow.folder.glob("mlruns/**/requirements.txt")
    assert "tensorflow" in requirements.read_text().split()
    (line,) = (line for line in without_tensorflow("list").splitlines() if line.startswith("| adam"))
    assert " finished " in line
    name = line.split("|")[1].strip()
    without_tensorflow("compare", "digits-mlp")
    assert name in (without_tensorflow.folder / "digits-mlp.html").read_text()
    without_tensorflow("export", f"digits-mlp/{name}", "--output", "best.yaml")
    assert "learning_rate" in (without_tensorflow.folder / "best.yaml").read_text()
    assert "reproduced bit for bit" in without_tensorflow("reproduce", f"digits-mlp/{name}")


def test_a_backend_that_is_not_installed_is_the_only_fault_and_no_cost_of_it_is_shown(without_tensorflow):
    told = without_tensorflow("run", "trainer=fit", "dataset=digits", status=2)
    assert told.startswith("study run: 1 fault in the config, nothing was started:\n  trainer.backend=tensorflow: ")
    assert told.endswith(" or set trainer.backend=jax.\n")
    doctor = without_tensorflow("doctor")
    assert "Only trainer.backend=tensorflow needs it" in doctor
    assert "fit on jax" in doctor
    assert "on tensorflow" not in doctor


@pytest.mark.parametrize("missing", ["flask", "uvicorn"])
def test_the_pages_of_mlflow_without_its_server_name_the_next_step(missing, here, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else found(name))
    status, out, err = here("ui", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert f"MLflow's server needs {missing}, not installed here" in err
    assert "run study ui there" in err
