import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from study.core.errors import BackendError
from study.core.interrupt import Stopped, clean_stop
from study.core.machine import n_cores
from study.training.backend import select_backend, start_backend
from study.training.precision import use_precision

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOADED = keras.backend.backend()
OTHER = "jax" if LOADED == "tensorflow" else "tensorflow"
TRAIN = """
import json, os, sys
from study.training.backend import start_backend
start_backend(sys.argv[1])
sys.path.append("tests/training")
from training_workload import make_trainer, make_trial
trainer = make_trainer(model={"_target_": "training_workload.tiny", "dropout": 0.3, "batch_norm": True})
result = trainer.train([make_trial(learning_rate=0.1)], lambda trial, report: True)[0]
loaded = [name for name in ("tensorflow", "jax") if name in sys.modules]
print(json.dumps({"history": result.history, "state": result.state, "loaded": loaded}))
"""


def in_a_fresh_process(program, *arguments):
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    environment = kept | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_fresh_processes_of_the_other_backend_give_the_same_bits():
    first, second = (in_a_fresh_process(TRAIN, OTHER) for _ in range(2))
    assert first["state"] == "complete"
    assert len(first["history"]["val_loss"]) == 2
    assert first == second
    assert first["loaded"] == [OTHER]  # on JAX, TensorFlow would take seconds to load


def test_a_fresh_process_gives_the_bits_of_this_one_whatever_the_users_keras_is_set_to(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text(
        '{"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.01, "backend": "torch"}'
    )
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("KERAS_NNX_ENABLED", "true")
    from training_workload import keep_going, make_trainer, make_trial

    trainer = make_trainer(model={"_target_": "training_workload.tiny", "dropout": 0.3, "batch_norm": True})
    here = trainer.train([make_trial(learning_rate=0.1)], keep_going)[0]
    assert in_a_fresh_process(TRAIN, LOADED)["history"] == here.history


def test_the_loaded_backend_can_be_chosen_again_and_no_other():
    select_backend(LOADED)
    with pytest.raises(BackendError, match=f"holds Keras with the backend {LOADED}.*`study run` does it"):
        select_backend(OTHER)


def test_every_core_is_a_device_of_jax_even_where_keras_was_imported_first():
    program = """
import json, os
os.environ["KERAS_BACKEND"] = "jax"
import keras
from study.training.backend import select_backend, start_backend
select_backend("jax")
import jax
print(json.dumps(jax.local_device_count()))
"""
    assert in_a_fresh_process(program) == n_cores()


def test_an_unknown_backend_names_the_known_ones():
    with pytest.raises(BackendError, match=r"trainer\.backend=theano: expected one of tensorflow, jax, torch"):
        select_backend("theano")


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BackendError, match=r"trainer\.backend=torch: it is not installed.*extra `torch`"):
        select_backend("torch")


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize(
    ("backend", "variable"), [("jax", "XLA_PYTHON_CLIENT_PREALLOCATE"), ("tensorflow", "TF_FORCE_GPU_ALLOW_GROWTH")]
)
def test_the_environment_is_set_before_the_import(monkeypatch, backend, variable, deterministic):
    monkeypatch.delitem(sys.modules, "keras")
    for name in ("KERAS_BACKEND", "XLA_FLAGS", variable):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    select_backend(backend, deterministic=deterministic)
    assert os.environ["KERAS_BACKEND"] == backend
    assert variable in os.environ
    wanted = backend == "jax" and deterministic
    assert ("--xla_gpu_deterministic_ops=true" in os.environ.get("XLA_FLAGS", "")) is wanted


@pytest.fixture
def unusual_settings():
    """Keras with the settings of a user's keras.json and environment."""
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.01)
    keras.config.set_floatx("float16")
    keras.config.set_max_epochs(1)
    keras.config.set_max_steps_per_epoch(1)
    yield
    select_backend(LOADED)


def _settings():
    config = keras.config
    limits = (config.max_epochs(), config.max_steps_per_epoch())
    return (config.image_data_format(), config.epsilon(), config.floatx(), *limits)


@pytest.mark.parametrize("select", [lambda: select_backend(LOADED), lambda: use_precision("float32")])
@pytest.mark.usefixtures("unusual_settings")
def test_the_settings_of_a_users_keras_do_not_count(select):
    assert _settings() == ("channels_first", 0.01, "float16", 1, 1)
    select()
    assert _settings() == ("channels_last", 1e-7, "float32", None, None)


@pytest.mark.usefixtures("unusual_settings")
def test_a_config_is_read_under_the_settings_of_every_machine(compose):
    compose()
    assert _settings() == ("channels_last", 1e-7, "float32", None, None)


@pytest.mark.parametrize("text", ["[]", '{"epsilon": "abc"}', '{"image_data_format": "x"}'])
def test_a_settings_file_of_keras_that_it_refuses_is_named_once(tmp_path, monkeypatch, text):
    def refuse(name):
        raise ValueError(f"{name} cannot use {text}.")

    file = tmp_path / "keras.json"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr("study.training.backend.importlib.import_module", refuse)
    with pytest.raises(ValueError, match="cannot use"):  # not because of the file
        start_backend(LOADED)
    file.write_text(text)
    with pytest.raises(BackendError) as raised:
        start_backend(LOADED)
    assert str(raised.value).startswith(f"{file}: expected settings with which Keras can be imported, and it raises ")
    assert str(raised.value).endswith(f"cannot use {text}. Correct the file, or remove it: a study does not use it.")


def test_a_signal_while_keras_is_imported_waits_for_the_end_of_the_import(monkeypatch):
    imported = []

    def slow_import(name):
        signal.raise_signal(signal.SIGTERM)
        imported.append(name)

    def check():
        with clean_stop(quiet=True):
            start_backend(LOADED)

    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr("study.training.backend.importlib.import_module", slow_import)
    with pytest.raises(Stopped):
        check()
    assert imported == ["keras"]
