"""Choose the Keras backend of this process, and make it repeatable."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.config.schema import BACKENDS
from study.core.errors import BackendError, MemoryRanOutError, refuse_out_of_memory
from study.core.garbage import imports_have_ended
from study.core.interrupt import uninterrupted
from study.core.machine import n_cores
from study.core.machine_limits import address_space_limit
from study.training.keras_internals import import_keras, tensorflow_hidden
from study.training.tensorflow_internals import gradient_registry

# Each library reads these when it starts. They let other processes use the same GPU.
_SHARED_GPU = {
    "tensorflow": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
    "jax": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
    "torch": {},
}

# Bytes without which a library ends the process as it starts, instead of raising an error. A small study on JAX took
# 2.2e9 on two cores. TensorFlow raises an ImportError.
_LEAST_ADDRESS_SPACE = {"jax": 2_250_000_000}


def select_backend(name: str, *, deterministic: bool = True) -> None:
    """Choose the Keras backend before Keras is imported, or check that it is the loaded one, and set it up.

    Args:
        name: `tensorflow`, `jax` or `torch`.
        deterministic: Ask for repeatable GPU operations, where the library reads this setting at its start. Default
            True.

    Raises:
        BackendError: The backend is unknown or not installed, or this process has loaded another one.
        MemoryRanOutError: This process may take too little address space for the backend to start.
    """
    if name not in BACKENDS:
        allowed = ", ".join(BACKENDS)
        raise BackendError(f"trainer.backend={name}: expected one of {allowed}. Choose one of them.")
    if "keras" in sys.modules:
        _check_loaded(name)
    elif importlib.util.find_spec(name) is None:
        hint = f"Install the package {name!r}" + (" (the extra `torch` has it)" if name == "torch" else "")
        raise BackendError(f"trainer.backend={name}: it is not installed in this environment. {hint}.")
    else:
        _check_address_space(name)
    os.environ["KERAS_BACKEND"] = name
    os.environ["KERAS_NNX_ENABLED"] = "false"
    # The backend reads these when it first computes, so this is early enough if Keras is already imported.
    for variable, value in _SHARED_GPU[name].items():
        os.environ.setdefault(variable, value)
    if name == "jax":  # each core is a device, so that the vectorized trainer can divide its trials among the cores
        _set_xla_flag("xla_force_host_platform_device_count", n_cores())
    if deterministic:
        _ask_for_determinism(name)
    use_keras_defaults()


def _check_address_space(name: str) -> None:
    limit, least = address_space_limit(), _LEAST_ADDRESS_SPACE.get(name, 0)
    if limit is not None and limit < least:
        raise MemoryRanOutError(
            f"trainer.backend={name}: memory ran out: the backend needs {least / 1e9:g} GB of address space or more, "
            f"and this process may take {limit / 1e9:.2g} GB. Allow it more (ulimit -v, the limits of a batch job), "
            "then run the same command again."
        )


def start_backend(name: str) -> None:
    """Import Keras with a backend, unless this process has loaded one; an unusable backend is left for later.

    In place of a backend that is not installed, Keras gets an installed one, with which the rest can be checked.

    Args:
        name: `tensorflow`, `jax` or `torch`.

    Raises:
        BackendError: Keras cannot be imported with the user's file of settings.
        MemoryRanOutError: Memory ran out.
    """
    try:
        select_backend(name)
    except BackendError:
        if "keras" not in sys.modules:
            _select_installed()
    _check_settings_file()


def _select_installed() -> None:
    """Choose the backend that Keras takes by itself, or another one if that is not installed."""
    usual = os.environ.get("KERAS_BACKEND", "tensorflow")
    names = [usual, *BACKENDS] if usual in BACKENDS else BACKENDS
    for name in names:
        if importlib.util.find_spec(name) is not None:
            select_backend(name)
            return


def _check_settings_file() -> None:
    """Import Keras, and name its settings file if Keras refuses a value in it.

    Raises:
        BackendError: Keras cannot be imported with the user's file.
        MemoryRanOutError: Memory ran out.
    """
    if "keras" in sys.modules:
        return
    try:
        with uninterrupted():  # an exception in the middle can crash the process: JAX's library ends with SIGSEGV
            import_keras()
        imports_have_ended()
    except ImportError as error:  # a missing package is a fault of the config
        refuse_out_of_memory(error, "importing Keras")
        return
    except Exception as error:
        refuse_out_of_memory(error, "importing Keras")
        file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
        if not file.exists():
            raise
        reason = str(error).rstrip(".")
        raise BackendError(
            f"{file}: expected settings with which Keras can be imported, and it raises {type(error).__name__}: "
            f"{reason}. Correct the file, or remove it: a study does not use it."
        ) from error


def use_keras_defaults() -> None:
    """Give Keras's global settings their documented defaults, if Keras is loaded.

    Keras takes them from a file of the user, `~/.keras/keras.json`, and from the environment, so the same study would
    have other numbers on another machine. `study.training.precision` sets the type of numbers.
    """
    if "keras" not in sys.modules:
        return
    import keras

    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_floatx("float32")
    # The environment can limit every training, for attempts at a program.
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


def loaded_backend() -> str | None:
    """Return the backend that this process has loaded; None while Keras is not loaded."""
    if "keras" not in sys.modules:
        return None
    import keras

    return str(keras.backend.backend())


def set_determinism(deterministic: bool) -> None:
    """Switch the loaded backend's repeatable operations on, if they are not the default.

    On CPUs every backend repeats its results bit by bit, so nothing is switched there. TensorFlow cannot switch back:
    a process that was deterministic once remains so.

    Args:
        deterministic: Use repeatable operations.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow" and deterministic:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = not deterministic


@contextmanager
def without_tensorflow() -> Iterator[None]:
    """Keep Keras from loading TensorFlow in the block, which takes seconds.

    When Keras saves or serializes a model, it loads TensorFlow to look for parts of the model that come from
    TensorFlow. A model with such parts has already loaded it.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    with tensorflow_hidden():
        yield


def set_seeds(seed: int) -> None:
    """Seed Python, NumPy, Keras and the loaded backend, without loading TensorFlow, which takes seconds.

    Keras would load TensorFlow on any backend to seed it. Code that draws from TensorFlow has loaded it already.
    """
    import keras

    with without_tensorflow():
        keras.utils.set_random_seed(seed)


@contextmanager
def temporary_gradients() -> Iterator[None]:
    """Let TensorFlow forget the custom gradients that are registered in the block.

    Each tracing of a training step registers one, since Keras's optimizers sum gradients over replicas. TensorFlow
    keeps the gradient and its graph until the process ends: 1.3 MiB for each trial of a tiny network. There is no
    public
    way to remove them.
    """
    if "tensorflow" not in sys.modules:
        yield
        return
    registry = gradient_registry()
    before = set(registry)
    try:
        yield
    finally:
        for name in [name for name in registry if name not in before and name.startswith("CustomGradient")]:
            del registry[name]


def _check_loaded(name: str) -> None:
    loaded = loaded_backend()
    if loaded != name:
        raise BackendError(
            f"trainer.backend={name}: this process holds Keras with the backend {loaded}, and can hold one "
            f"only. Start a new process (`study run` does it by itself), or set trainer.backend={loaded}."
        )


def _set_xla_flag(flag: str, value: object) -> None:
    """Set one of XLA's flags, unless the user has set it."""
    flags = os.environ.get("XLA_FLAGS", "")
    if flag not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{flag}={value}".strip()


def _ask_for_determinism(name: str) -> None:
    if name == "jax":
        _set_xla_flag("xla_gpu_deterministic_ops", "true")
    elif name == "torch":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
