"""Check without computing that a model with steps or losses of its own can train on the backend that is loaded."""

from __future__ import annotations

import inspect
import os
import random
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from study.config.schema import StudyConfig
from study.core.errors import Fault, told_with_place
from study.core.trees import mapped
from study.datasets import Dataset
from study.training.compile_task import compile_arguments, measure_once
from study.training.initial_weights import numpy_state
from study.training.keras_internals import all_layers, inferred
from study.training.model_setup import fresh_model

# Methods of a model by which it trains or measures in a way of its own.
_OWN = ("train_step", "test_step", "compute_loss", "compute_metrics")
# The arguments of a training step, after `self`, by backend.
_STEPS: Mapping[str, tuple[str, ...]] = {"jax": ("state", "data"), "tensorflow": ("data",), "torch": ("data",)}
_NAMES = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
# Number of examples of the traced batch.
_N = 3
_HALF = "float16"
# Models of this project draw from no generator but Keras's own.
_BUILT_IN = "study.models."


def has_own_steps(model: Any) -> bool:
    """Return whether a model trains or measures in a way of its own.

    Args:
        model: A Keras model.
    """
    return any(getattr(type(model), name) is not getattr(keras.Model, name) for name in _OWN)


def step_faults(config: StudyConfig, dataset: Dataset, model: Any) -> Iterator[Fault]:
    """Yield the faults of a model's own steps: written for another backend, or failing while they are traced.

    Args:
        config: The study's config.
        dataset: The study's data set, checked.
        model: The model, perhaps without values, that has seen symbolic inputs.
    """
    if not has_own_steps(model):
        return
    backend, key = keras.backend.backend(), "model"
    name, owner = config.model.name, type(model).__name__
    if told := _other_backend(model, backend):
        allowed = f"a model that trains on {_NAMES[backend]}; {told}"
        yield Fault(key=key, value=name, allowed=allowed, advice=_advice(backend))
        return
    found = _Traced()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if backend == "jax":
            found = _traced_on_jax(config, dataset, model)
        elif backend == "tensorflow":  # PyTorch has no tracing, and its first step tells
            found = _traced_on_tensorflow(config, dataset)
    if (error := found.error) is not None:
        allowed = f"a model whose steps work on {_NAMES[backend]}: {owner} {told_on_backend(error)}"
        advice = _advice(backend) if _of_tensorflow(error) else "Correct the model, or choose another."
        yield Fault(key=key, value=name, allowed=allowed, advice=advice)
        return
    yield from _log_faults(config, model, found)


def _log_faults(config: StudyConfig, model: Any, found: _Traced) -> Iterator[Fault]:
    """Yield the faults of what a training step of the model's own returns."""
    if type(model).train_step is keras.Model.train_step:
        return
    name, owner = config.model.name, type(model).__name__
    if found.logs and "loss" not in found.logs:
        allowed = f"a model whose train_step returns a loss; {owner} returns {', '.join(found.logs)}"
        yield Fault(key="model", value=name, allowed=allowed, advice="Return it under the name loss, too.")
    if config.tracking.every_n_steps is not None:
        allowed = "null for a model with a train_step of its own, whose loss need not be a mean over the epoch"
        advice = "Leave it out, or record the loss of each step by a callback."
        value = config.tracking.every_n_steps
        yield Fault(key="tracking.every_n_steps", value=value, allowed=allowed, advice=advice)


def side_by_side_fault(config: StudyConfig, dataset: Dataset, model: Any) -> Fault | None:
    """Return why many trials of a model cannot train in one program of `trainer=vectorized`; None if they can.

    Args:
        config: The study's config.
        dataset: The study's data set, checked.
        model: The model, perhaps without values.
    """
    if keras.backend.backend() != "jax":
        return None
    why = ""
    if has_own_steps(model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _traced_on_jax(config, dataset, model)
        own = type(model).train_step is not keras.Model.train_step
        if own and found.logs and set(found.logs) != set(found.metrics):
            why = (
                f"its train_step returns {', '.join(found.logs)}, its metrics are {', '.join(found.metrics)}, and the "
                "metrics alone count there"
            )
    if not why and not str(config.model.section.get("_target_")).startswith(_BUILT_IN):
        why = _draws_on_its_own(dataset, model)
    if not why:
        return None
    allowed = f"a model whose trials can train side by side; {why}"
    return Fault(key="model", value=config.model.name, allowed=allowed, advice="Use trainer=fit trainer.backend=jax.")


def _draws_on_its_own(dataset: Dataset, model: Any) -> str:
    """Return in words that a model draws from Python's or NumPy's generator when called; empty if it does not."""
    x = mapped(lambda array: keras.KerasTensor((_N, *array.shape[1:]), str(array.dtype)), dataset.train.first(1).x)
    call = partial(model, training=True)
    try:
        with keras.StatelessScope(initialize_variables=False):
            inferred(call, x)  # makes the weights, whose seeds come from Python's generator
            before = random.getstate(), numpy_state()
            inferred(call, x)
            changed = (random.getstate(), numpy_state()) != before
    except Exception:  # the checks of the workload tell it
        return ""
    finally:
        keras.utils.clear_session(free_memory=False)  # otherwise Keras's next scope would compute all values
    return "it draws from random or numpy.random when it is called, once for all trials" if changed else ""


@dataclass(frozen=True, kw_only=True)
class _Traced:
    """The result of a trace of a model's steps.

    Attributes:
        error: The exception. None (the default): there was none.
        logs: Names in what the training step returns. Default: none, nothing was traced.
        metrics: Names of the model's metrics. Default: none.
    """

    error: Exception | None = None
    logs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


def half_precision_fault(config: StudyConfig, model: Any) -> Fault | None:
    """Return the fault of a model that computes in float16, whose small gradients become 0 without a scaled loss.

    Args:
        config: The study's config.
        model: The model.
    """
    halves = [layer.name for layer in all_layers(model) or [] if layer.compute_dtype == _HALF]
    if not halves:
        return None
    allowed = f"a model that computes in float32 or bfloat16; layer {halves[0]} computes in float16"
    advice = (
        "Small gradients become 0 in float16, so Keras would scale the loss by an optimizer of its own. Use "
        "mixed_bfloat16, or trainer.precision=bfloat16."
    )
    return Fault(key="model", value=config.model.name, allowed=allowed, advice=advice)


def told_on_backend(error: BaseException) -> str:
    """Return an error of a user's model in words; one that TensorFlow raises on another backend has a plain cause.

    Args:
        error: The error, with its traceback.
    """
    cause = _of_tensorflow(error)
    if cause is None:
        return told_with_place(error)
    place = told_with_place(cause).rpartition(" (")[2].rstrip(")")
    return f"calls TensorFlow ({place}), which computes on trainer.backend=tensorflow only"


def advice_for(error: BaseException, build: object) -> str:
    """Return the next step for a model that fails when it is called.

    Args:
        error: The error, with its traceback.
        build: The dotted path of the function that builds the model.
    """
    if _of_tensorflow(error):
        return _advice(keras.backend.backend())
    return f"Let {build} use the input_shape that it receives."


def _of_tensorflow(error: BaseException | None) -> BaseException | None:
    """Return the error, or the one that it came from, that TensorFlow raised though it is not the backend.

    Keras raises the error anew, without the frames of TensorFlow.
    """
    package = f"{os.sep}tensorflow{os.sep}"
    while error is not None and keras.backend.backend() != "tensorflow":
        if any(package in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
            return error
        error = error.__cause__ or error.__context__
    return None


def _advice(backend: str) -> str:
    other = "trainer=fit trainer.backend=tensorflow" if backend == "jax" else "trainer.backend=jax"
    return f"Leave the trainer to trainer=auto, or set {other}."


def _other_backend(model: Any, backend: str) -> str:
    """Return in words that the training step is written for another backend; empty if it is not."""
    step = type(model).train_step
    if step is keras.Model.train_step:
        return ""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(step).parameters.values())
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return ""
    needed = [each.name for each in parameters if each.kind in kinds and each.default is each.empty][1:]
    if len(needed) == len(_STEPS[backend]):
        return ""
    others = " or ".join(_NAMES[other] for other, taken in _STEPS.items() if len(taken) == len(needed))
    expected = ", ".join(("self", *_STEPS[backend]))
    return (
        f"{type(model).__name__}.train_step(self, {', '.join(needed)}) is written for {others or 'no backend'}, and "
        f"takes ({expected}) there"
    )


def _traced_on_jax(config: StudyConfig, dataset: Dataset, model: Any) -> _Traced:
    """Trace the steps with JAX; no value is needed."""
    import jax
    import jax.numpy as jnp

    x, *rest = (mapped(jnp.asarray, part) for part in dataset.train.first(_N).parts)

    def zeros(variables: Any) -> list[Any]:
        return [jnp.zeros(variable.shape, variable.dtype) for variable in variables]

    def steps() -> Any:
        trainable, others = zeros(model.trainable_variables), zeros(model.non_trainable_variables)
        metrics = zeros(model.metrics_variables)
        logs, _ = model.train_step((trainable, others, zeros(model.optimizer.variables), metrics), (x, *rest))
        model.test_step((trainable, others, metrics), (x, *rest))
        return logs

    def measure() -> Any:
        return measure_once(model, x, rest, model(x), several=_is_several(config))

    try:
        with keras.StatelessScope(initialize_variables=False):
            model.compile(optimizer=None, **compile_arguments(config.task))
            jax.eval_shape(measure)  # creates the variables of the metrics
        keras.utils.clear_session(free_memory=False)  # otherwise Keras's next scope would compute all values
        model.optimizer = keras.optimizers.SGD()
        model.optimizer.build(model.trainable_variables)
        logs = jax.eval_shape(steps)
    except Exception as error:  # a model of the user's can fail in any way
        return _Traced(error=error)
    return _Traced(logs=tuple(logs), metrics=_metric_names(model))


def _metric_names(model: Any) -> tuple[str, ...]:
    """Return the names under which Keras gives the results of a model's metrics."""
    with keras.StatelessScope([(v, keras.ops.zeros(v.shape, v.dtype)) for v in model.metrics_variables]):
        return tuple(model.get_metrics_result())


def _traced_on_tensorflow(config: StudyConfig, dataset: Dataset) -> _Traced:
    """Trace the steps with TensorFlow, on a model with values."""
    import tensorflow as tf

    precision = str(config.trainer.section.get("precision", "float32"))
    try:
        batch = tuple(mapped(keras.ops.convert_to_tensor, part) for part in dataset.train.first(_N).parts)
        model = fresh_model(config, dataset, precision=precision)
        model.compile(optimizer=keras.optimizers.SGD(), **compile_arguments(config.task))
        measure_once(model, batch[0], batch[1:], model(batch[0]), several=_is_several(config))
        model.optimizer.build(model.trainable_variables)
        logs: Any = ()
        for step in (model.test_step, model.train_step):
            traced = tf.function(lambda step=step: step(batch), autograph=False).get_concrete_function()
            logs = traced.structured_outputs
    except Exception as error:  # a model of the user's can fail in any way
        return _Traced(error=error)
    return _Traced(logs=tuple(logs))


def _is_several(config: StudyConfig) -> bool:
    return "" not in config.task.losses
