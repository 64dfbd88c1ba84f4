"""Every use of Keras that its public interface does not cover, one function each, written for Keras 3.15.

If numbers depend on such a use, a version of Keras without it is refused. If the use only saves time, the caller
continues without it; the function's docstring says so.
"""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn

from study.core.deferred_import import deferred, is_installed
from study.core.errors import BackendError

_VERSIONS = "keras>=3.15,<3.16"
_PASSED_OVER = ("Reshape", "Flatten", "Dropout", "Identity", "ActivityRegularization")
_DEEPEST = 20
# Arguments of every loss and metric, and the reduction that a loss has without one.
_OF_EVERY_PART = ("self", "name", "dtype", "reduction")
# Functions of `keras.src.backend.random` that take numbers besides shapes and seeds.
_DRAWING = ("uniform", "normal", "truncated_normal", "gamma", "beta", "binomial")
_REDUCTION = "sum_over_batch_size"
_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD
# Parts of Keras that import scikit-learn and Matplotlib, half of the time that importing Keras takes.
_RARE_PARTS = ("keras.visualization", "keras.src.visualization", "keras.wrappers")


def import_keras() -> None:
    """Import Keras, and put off those parts of Keras 3.15 that import scikit-learn and Matplotlib until they are used.

    They are `keras.wrappers` and `keras.visualization`, which work as usual. Any other version is imported whole.
    """
    with deferred(_RARE_PARTS) if is_installed("keras", "3.15") else nullcontext():
        importlib.import_module("keras")


def data_adapter_class() -> type[Any]:
    """Return the base class of Keras's sources of data, `keras.src.trainers.data_adapters.DataAdapter` in Keras 3.15.

    Raises:
        BackendError: This version of Keras has no such class.
    """
    try:
        from keras.src.trainers.data_adapters.data_adapter import DataAdapter
    except ImportError:
        _refuse("the class DataAdapter for sources of data")
    return DataAdapter  # type: ignore[no-any-return]


def functional_class() -> type[Any]:
    """Return the class of models made from inputs and outputs, `keras.src.models.Functional` in Keras 3.15.

    Raises:
        BackendError: This version of Keras has no such class.
    """
    try:
        from keras.src.models import Functional
    except ImportError:
        _refuse("the class Functional for models made from inputs and outputs")
    return Functional  # type: ignore[no-any-return]


def keep_64_bits(keep: bool) -> None:
    """Let Keras's functions return float64 for float64, or float32 as by default.

    In Keras 3.15 many functions, such as a quotient or a mean, look up the type of their result in the table
    `BIT64_TO_BIT32_DTYPE`, on every backend except TensorFlow. A version without the table is harmless if float64 is
    not wanted.

    Args:
        keep: Return float64 for float64.

    Raises:
        BackendError: float64 is wanted, and this version of Keras has no such table.
    """
    try:
        from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE as table
    except ImportError:
        table = {}
    if "float64" in table:
        table["float64"] = "float64" if keep else "float32"
    elif keep:
        _refuse("a table of result types, which trainer.precision=float64 changes")


def rate_of(optimizer: Any) -> Any:
    """Return an optimizer's learning rate in its stored form: a variable, a schedule or a function.

    The public `learning_rate` of Keras 3.15 returns the current value instead.

    Args:
        optimizer: A Keras optimizer.

    Raises:
        BackendError: This version of Keras stores the rate elsewhere.
    """
    try:
        return optimizer._learning_rate
    except AttributeError:
        _refuse("that an optimizer keeps its rate in `_learning_rate`")


def n_calls(layer: Any) -> int:
    """Return the number of places in models at which a layer is called, its `_inbound_nodes` in Keras 3.15.

    Args:
        layer: A Keras layer.

    Raises:
        BackendError: This version of Keras stores these places elsewhere.
    """
    try:
        return len(layer._inbound_nodes)
    except AttributeError:
        _refuse("that a layer keeps its calls in `_inbound_nodes`")


def initializer_of(variable: Any) -> Any:
    """Return the initializer that a variable was made with, its `_initializer` in Keras 3.15; None if it has none.

    None for a version that stores the initializer elsewhere is harmless: the model is then built for every trial,
    which
    takes longer.

    Args:
        variable: A Keras variable.
    """
    return getattr(variable, "_initializer", None)


def all_layers(model: Any) -> list[Any] | None:
    """Return the layers of a model and the layers inside them, by its `_flatten_layers` in Keras 3.15.

    None for a version without this method is harmless: the model is then built for every trial, which takes longer.

    Args:
        model: A Keras model.
    """
    flatten = getattr(model, "_flatten_layers", None)
    return None if flatten is None else [layer for layer in flatten() if layer is not model]


def track_seeds(model: Any, layer: Any) -> list[Any]:
    """Make the random state of a layer outside a model part of the model's variables, and return it.

    Keras 3.15 lists the seed generators of a layer and of those inside it in `_seed_generators`.

    Args:
        model: The model; None: only return the state.
        layer: The layer.

    Raises:
        BackendError: This version of Keras lists them elsewhere.
    """
    try:
        generators = [seed for each in [layer, *layer._flatten_layers()] for seed in each._seed_generators]
        unique = list({id(generator): generator for generator in generators}.values())
        for generator in unique if model is not None else ():
            model._seed_generators.append(generator)
        return [generator.state for generator in unique]
    except AttributeError:
        _refuse("that a layer lists its seed generators in `_seed_generators`")


def inner_layers(layer: Any) -> list[Any]:
    """Return the layers directly inside a layer or a model, by its `_flatten_layers` in Keras 3.15.

    An empty list for a version without this method is harmless: sizes are then those of the layer as a whole.

    Args:
        layer: A layer or a model.
    """
    flatten = getattr(layer, "_flatten_layers", None)
    return [] if flatten is None else list(flatten(include_self=False, recursive=False))


def inferred(function: Callable[..., Any], *inputs: Any) -> Any:
    """Return a function's result without values, by `keras.src.backend.compute_output_spec` in Keras 3.15.

    Args:
        function: A function of tensors, such as a model.
        *inputs: `KerasTensor`s.

    Raises:
        BackendError: This version of Keras has no such function.
    """
    try:
        from keras.src.backend import compute_output_spec
    except ImportError:
        _refuse("the function compute_output_spec, which infers shapes and types")
    return compute_output_spec(lambda *tensors: function(*tensors), *inputs)


def with_mask(losses: Any, counts: Any) -> Any:
    """Return the losses of examples with a mask, by which Keras 3.15 leaves examples out of their mean.

    Args:
        losses: The losses, shape (n, ...).
        counts: True for an example that counts, shape (n, ...).
    """
    from keras.src.backend import set_keras_mask

    set_keras_mask(losses, mask=counts)
    return losses


def last_operations(model: Any, x: Any, output_key: str | int | None = None) -> list[Any]:
    """Return the operation that makes a model's output, as a list of one; empty if it cannot be found.

    Layers that only reshape or drop are passed over. A subclass is called on a symbolic input, which names the
    operation by the output's `_keras_history` in Keras 3.15. An empty list for another version is harmless: one check
    less.

    Args:
        model: A Keras model.
        x: A `KerasTensor` like its input, or a tree of them.
        output_key: Key or index of one of several outputs. None (the default): the model has one.
    """
    try:
        if output_key is not None:
            output = (model.output if getattr(model, "outputs", None) else model.call(x))[output_key]
        else:
            output = model.outputs[0] if getattr(model, "outputs", None) else model.call(x)
        operation = output._keras_history.operation
        for _ in range(_DEEPEST):
            if getattr(operation, "outputs", None):  # a model inside
                operation = operation.outputs[0]._keras_history.operation
            elif type(operation).__name__ in _PASSED_OVER:
                operation = operation.input._keras_history.operation
            else:
                return [operation]
    except Exception:  # a subclass can use its input in any way
        return []
    return []


def use_torch_on_cpu() -> None:
    """Let Keras compute with PyTorch on the CPU.

    Keras 3.15 puts tensors on `keras.src.backend.torch.core.DEFAULT_DEVICE`, unless `keras.device` names another one
    for a block. It reads the environment variable for it only when it is imported.

    Raises:
        BackendError: This version of Keras has no such name.
    """
    from keras.src.backend.torch import core

    if not hasattr(core, "DEFAULT_DEVICE"):
        _refuse("a default device for PyTorch")
    core.DEFAULT_DEVICE = "cpu"


def torch_device() -> str:
    """Return the device on which Keras computes with PyTorch, such as `cpu` or `cuda`."""
    from keras.src.backend.torch import core

    return str(core.get_device())


@contextmanager
def tensorflow_hidden() -> Iterator[None]:
    """Let Keras believe in the block that TensorFlow is not installed.

    Keras 3.15 notes this in `keras.src.utils.module_utils.tensorflow._available`. A version that notes it elsewhere
    loads TensorFlow, which is harmless but takes seconds.
    """
    try:
        from keras.src.utils.module_utils import tensorflow
    except ImportError:
        yield
        return
    if "_available" not in vars(tensorflow):
        yield
        return
    known = tensorflow._available
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = known


def _refuse(expected: str) -> NoReturn:
    import keras

    raise BackendError(f"keras {keras.__version__}: expected {expected}, as in Keras 3.15. Install {_VERSIONS}.")


def compiled_loss(model: Any) -> tuple[Any, Any, list[Any]] | None:
    """Return the loss, the metrics and their weights with which a model was compiled; None if it was not compiled.

    Keras's public `get_compile_config` fails for functions without a known source.

    Args:
        model: A Keras model.
    """
    config = getattr(getattr(model, "_compile_config", None), "config", None)
    if not isinstance(config, dict) or config.get("loss") is None:
        return None
    weights = [config[key] for key in ("loss_weights", "weighted_metrics") if config.get(key)]
    return config["loss"], config.get("metrics"), weights


def losses_of(model: Any) -> tuple[Any, dict[str, tuple[list[Any], int]]]:
    """Return the losses that a model was compiled with, and where their weights stand, by output.

    A weight is in the named tuple at a place of a list (`_user_loss` and `_flat_losses` of `CompileLoss` in Keras
    3.15), which exists once the losses are built.

    Args:
        model: A model, compiled.
    """
    loss = model._compile_loss
    built = loss._flat_losses or []
    weighted = {str(each.name): (built, index) for index, each in enumerate(built) if each.loss_weights is not None}
    return loss._user_loss, weighted


def use_stand_ins() -> None:
    """Let layers of Keras 3.15 compute roots of stand-ins for numbers, and draw from ranges with such ends.

    `GaussianDropout` uses `math`, which accepts nothing but numbers, and layers of augmentation use functions of JAX,
    which accept numbers and arrays. Everything else stays the same.
    """
    from study.training.symbolic_numbers import MATH, accepting

    random = importlib.import_module("keras.src.backend").random
    for name in _DRAWING:
        setattr(random, name, accepting(getattr(random, name)))
    for name, module in list(sys.modules.items()):
        if name.startswith("keras.src.layers.") and getattr(module, "math", None) is math:
            setattr(module, "math", MATH)  # noqa: B010 - not an attribute that a module declares


def arguments_of(part: Any) -> dict[str, Any] | None:
    """Return the arguments with which a loss or a metric of Keras was made; None if one of them cannot be found.

    `get_config` of some losses leaves arguments out, such as `delta` of `Huber` in Keras 3.15.

    Args:
        part: The loss or the metric.
    """
    config = part.get_config()
    parameters = inspect.signature(type(part).__init__).parameters.items()
    named = {name: each for name, each in parameters if name not in _OF_EVERY_PART and each.kind is _NAMED}
    held = {**getattr(part, "_fn_kwargs", {}), **config}
    if not named.keys() & held.keys():
        held = vars(part)
        if not named.keys() <= held.keys():
            return None
    found = {name: held[name] for name, each in named.items() if name in held and held[name] != each.default}
    reduction = config.get("reduction", _REDUCTION)
    return found if reduction == _REDUCTION else {**found, "reduction": reduction}
