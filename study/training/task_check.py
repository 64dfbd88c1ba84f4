"""Check without computing that model, data, loss and metrics fit together: from shapes and types alone.

Keras infers the shape and the type of every result, as for a functional model. This takes milliseconds on every
backend, changes no weight and draws no number that a training uses.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from study.config.instantiate import Section, instantiate
from study.config.losses import built_loss, keras_loss
from study.config.schema import StudyConfig
from study.config.task import Metric, name_of
from study.core.errors import Fault, StudyError, told_with_place
from study.core.trees import leaves, mapped, named_leaves
from study.datasets import Dataset
from study.training.build_callbacks import layer_faults
from study.training.by_layer import exclusion_faults
from study.training.initial_weights import outline
from study.training.keras_internals import inferred, last_operations
from study.training.model_setup import fresh_model
from study.training.output_structure import structure_faults
from study.training.step_check import (
    advice_for,
    half_precision_fault,
    side_by_side_fault,
    step_faults,
    told_on_backend,
)
from study.training.trainer_check import is_vectorized

# Number of examples of the inferred batch: a prime number that is no usual width, so that no two axes fit by chance.
_N = 7
_CROSSENTROPIES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
)
PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid")
_UNBOUNDED = ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softsign", "tanh", "mish")
_ENCODE = "Let load() return labels as class indices (y.argmax(axis=-1)), or set {loss}=keras.losses.{other}."
_LOSS = "dataset.task.loss"
# Values of a loss that differ by less, relatively, differ by rounding.
_ROUNDING = 1e-3
_CORRECT = "Correct it, or choose another. Targets of another type: keras.ops.cast(y_true, y_pred.dtype)."
_PER_EXAMPLE = "Return one number per example, without ops.sum or ops.mean over the batch: Keras takes the mean."


def task_faults(config: StudyConfig, dataset: Dataset) -> list[Fault]:
    """Return all faults by which a model cannot be trained on a data set with the loss and the metrics of a task.

    Args:
        config: The study's config.
        dataset: The study's data set, checked.
    """
    precision = str(config.trainer.section.get("precision", "float32"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of some of these faults
            model = outline(partial(fresh_model, config, dataset, precision=precision))
            with keras.StatelessScope(initialize_variables=False):
                found = list(_faults(config, dataset, model))
            if not found and is_vectorized(config) and (fault := side_by_side_fault(config, dataset, model)):
                found = [fault]
            return found or [
                *layer_faults(config, model),
                *exclusion_faults(config, model),
                *step_faults(config, dataset, model),
            ]
    finally:
        keras.utils.clear_session(free_memory=False)  # otherwise Keras's next scope would compute all values


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """A batch without values, for one output of a model.

    Attributes:
        name: Name of the output; empty for a model of one output.
        key: Key or index of the output in what the model returns; None for a model of one output.
        loss: The loss of the output.
        x: The inputs.
        y: The targets.
        weight: The sample weights; None if there are none.
        output: The model's output.
        n_outputs: Number of classes, or of numbers to predict.
        first_y: The first targets, shape (n, *target_shape).
    """

    name: str
    key: str | int | None
    loss: Section
    x: Any
    y: Any
    weight: Any
    output: Any
    n_outputs: int
    first_y: Any

    @property
    def place(self) -> str:
        """Place of the targets in a split."""
        return "y" if self.key is None else f"y.{self.key}"

    @property
    def of(self) -> str:
        """End of keys of the output's loss and metrics."""
        return f".{self.name}" if self.name else ""


def _faults(config: StudyConfig, dataset: Dataset, model: Any) -> Iterator[Fault]:
    build = config.model.section.get("_target_")
    x = mapped(like_batch, dataset.train.first(1).x)
    try:
        output = inferred(model, x)
        inferred(partial(model, training=True), x)
    except Exception as error:  # the user's layers can fail in any way
        if not _infers_all():
            return
        types = ", ".join(str(array.dtype) for array in leaves(x))
        allowed = f"a model that takes inputs of shape {dataset.input_shape}, {types}: it {told_on_backend(error)}"
        yield _fault("model", config.model.name, allowed, advice_for(error, build))
        return
    wrong = list(structure_faults(config, dataset, model, output))
    yield from wrong
    if wrong:
        return
    if model.built and not model.trainable_variables:
        yield _fault("model", config.model.name, "a model with trainable weights", "Set trainable=True for a layer.")
    if half := half_precision_fault(config, model):
        yield half
    if type(model).train_step is not keras.Model.train_step:
        return  # the model uses outputs and targets in a way of its own
    batches = _batches(config, dataset, x, output)
    shapes = [fault for batch in batches for fault in _shape_faults(config, batch)]
    yield from shapes
    for batch in batches:
        yield from _activation_faults(config, model, batch)
    if not shapes and _infers_all():
        for batch in batches:
            yield from _inferred_faults(config, model, batch)


def _batches(config: StudyConfig, dataset: Dataset, x: Any, output: Any) -> list[_Batch]:
    """Return the batch for each output."""
    first = dataset.train.first(_N)
    targets, widths = (dict(named_leaves(tree, "y")) for tree in (first.y, dataset.n_outputs))
    weights = dict(named_leaves(first.sample_weight, "y")) if first.sample_weight is not None else {}
    batches = []
    for position, (name, loss) in enumerate(config.task.losses.items()):
        key = None if not name else name if isinstance(output, dict) else position
        place = "y" if key is None else f"y.{key}"
        weight = weights.get(place, weights.get("y"))
        batches.append(
            _Batch(
                name=name,
                key=key,
                loss=loss,
                x=x,
                y=like_batch(targets[place]),
                weight=None if weight is None else like_batch(weight),
                output=output if key is None else output[key],
                n_outputs=widths[place],
                first_y=targets[place],
            )
        )
    return batches


def _shape_faults(config: StudyConfig, batch: _Batch) -> Iterator[Fault]:
    """Compare the output with the number of classes and with the targets, as losses of Keras need them."""
    name, loss = config.model.name, keras_loss(batch.loss)
    output, target = tuple(batch.output.shape), tuple(batch.y.shape)
    width, n_classes = output[-1] if len(output) > 1 else 1, batch.n_outputs
    of = f" {batch.name}" if batch.name else ""
    advice = f"Build the last layer{of} of model={name} with the n_outputs that build() receives."
    key = f"{_LOSS}{batch.of}"
    if config.task.takes_classes(batch.place):
        if target not in (output[:-1], (*output[:-1], 1)):
            other = f"class indices of shape {output[1:-1]} for each example, since the loss is {loss}"
            encode = _ENCODE.format(loss=f"{key}._target_", other=loss[6:])
            yield _fault(f"train.{batch.place}", f"shape {target[1:]}", other, encode)
        elif width != n_classes:
            allowed = f"a model with as many outputs{of} as there are classes, {n_classes}; it has {width}"
            yield _fault("model", name, allowed, advice)
    elif loss and _plain(target) != _plain(output):
        allowed = f"a model whose output{of} has the shape of a target, {target[1:]}; it has {output[1:]}"
        if loss.startswith("Categorical") and len(target) == len(output) - 1:
            advice = f"For class indices set {key}._target_=keras.losses.Sparse{loss}."
        yield _fault("model", name, allowed, advice)


def _activation_faults(config: StudyConfig, model: Any, batch: _Batch) -> Iterator[Fault]:
    """Compare the last activation with `from_logits` of the loss; Keras only warns, and only sometimes."""
    loss = keras_loss(batch.loss)
    if loss not in _CROSSENTROPIES:
        return
    from_logits = batch.loss.get("from_logits", False)
    found = [activation_of(each) for each in last_operations(model, batch.x, batch.key)]
    last = next(iter(found), "")
    key, name = f"{_LOSS}{batch.of}.from_logits", config.model.name
    if from_logits is True and last in PROBABILITIES:
        allowed = f"false, since the last activation of model={name} is {last}: its outputs are probabilities"
        yield _fault(key, "true", allowed, f"Set {key}=false, or let the model return logits, without {last}.")
    elif from_logits is False and last in _UNBOUNDED:
        allowed = f"true, since the last activation of model={name} is {last}: its outputs are no probabilities"
        yield _fault(key, "false", allowed, f"Set {key}=true, or end the model with a softmax or a sigmoid.")
    if last == "softmax" and batch.output.shape[-1] == 1:
        allowed = "a model with more outputs than one for a softmax, which is always 1 for one output"
        yield _fault("model", name, allowed, "End the model with a sigmoid, or with two outputs.")


def _inferred_faults(config: StudyConfig, model: Any, batch: _Batch) -> Iterator[Fault]:
    """Infer the loss and each metric on its own, so that each has its own fault."""
    types = f"targets of shape {tuple(batch.y.shape[1:])}, {batch.y.dtype}, and outputs of shape "
    types += f"{tuple(batch.output.shape[1:])}, {batch.output.dtype}"
    yield from _loss_faults(model, batch, types)
    for kind, key, metric in _metrics(config, batch):
        name = name_of(metric)
        logs: dict[str, Any] = {}

        def measure(metric: Metric = metric, logs: dict[str, Any] = logs, kind: str = kind) -> None:
            logs |= _measured(model, batch, **{kind: [metric if isinstance(metric, str) else instantiate(metric)]})

        if told := _told(measure):
            yield _fault(key, name, f"a metric that can be computed from {types}; it {told}", _CORRECT)
        elif name not in logs:
            found = ", ".join(set(logs) - {"loss"})
            yield _fault(key, name, f"a metric that keeps its name; it calls itself {found}", f"Pass name={name} on.")
        else:
            yield from _result_faults(key, metric, logs[name])


def _loss_faults(model: Any, batch: _Batch, types: str) -> Iterator[Fault]:
    loss, key = batch.loss, f"{_LOSS}{batch.of}"

    def measure_loss() -> None:
        _measured(model, batch, loss=instantiate(built_loss(loss)))
        if keras.backend.backend() == "tensorflow":  # some values are looked at when they are computed with
            y = keras.ops.convert_to_tensor(batch.first_y)
            instantiate(built_loss(loss))(y, keras.ops.zeros((len(y), *batch.output.shape[1:]), batch.output.dtype))

    if told := _told(measure_loss):
        allowed = f"a loss that can be computed from {types}; it {told}"
        yield _fault(key, loss.get("_target_"), allowed, _CORRECT)
    elif ratio := _growth(batch):
        allowed = "a loss of one number per example, or their mean: for the same examples twice, its value is "
        yield _fault(key, loss.get("_target_"), f"{allowed}{ratio:.3g} times as large", _PER_EXAMPLE)
    elif batch.weight is not None and _is_one_number(batch):
        allowed = "a loss of one number per example, since examples have weights; it gives one for a batch"
        yield _fault(key, loss.get("_target_"), allowed, _PER_EXAMPLE)


def _measured(model: Any, batch: _Batch, **arguments: Any) -> Any:
    """Infer the loss, or the metrics, of a model that is compiled with some arguments."""
    model.compile(optimizer=None, **arguments)
    compute = model.compute_loss if "loss" in arguments else model.compute_metrics
    weight = () if batch.weight is None else (batch.weight,)
    return inferred(lambda *parts: compute(*parts), batch.x, batch.y, batch.output, *weight)


def _metrics(config: StudyConfig, batch: _Batch) -> Iterator[tuple[str, str, Metric]]:
    """Yield the metrics of an output, each with its argument of `compile` and its key."""
    for kind in ("metrics", "weighted_metrics"):
        for position, metric in enumerate(config.task.metrics_of(batch.name, weighted=kind == "weighted_metrics")):
            yield kind, f"dataset.task.{kind}{batch.of}.{position}", metric


def _result_faults(key: str, metric: Metric, result: Any) -> Iterator[Fault]:
    """Check that a metric's result is one number, and that the metric can begin anew."""
    shape, name = getattr(result, "shape", None), name_of(metric)
    if shape is None:
        allowed = f"a metric of one number; its result() returns a {type(result).__name__}"
        yield _fault(key, name, allowed, "Let result() return one number.")
    elif tuple(shape):
        several = f"a metric of one number; its result has the shape {tuple(shape)}"
        yield _fault(key, name, several, "Let it average, such as by average: macro, or choose another.")
    elif kept := _not_reset(metric):
        allowed = f"a metric that begins anew at every epoch and data set; its reset_state() leaves {kept} as it is"
        yield _fault(key, name, allowed, "Let reset_state() assign the first value to each variable.")


def _growth(batch: _Batch) -> float:
    """Return how much larger a loss is for each example twice, if it gives one number for a batch; 0 for a mean."""
    built = instantiate(built_loss(batch.loss))
    if not isinstance(built, keras.losses.Loss):
        return 0.0
    try:
        built.reduction = None
        if tuple(inferred(built, batch.y, batch.output).shape):
            return 0.0  # a number for each example: nothing is computed, for which JAX would compile 50 operations
        once, twice = (_value(instantiate(built_loss(batch.loss)), batch, repeats=n) for n in (1, 2))
    except Exception:  # a loss of the user's can need outputs of another kind
        return 0.0
    if not math.isfinite(once) or math.isclose(once, twice, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        return 0.0
    return twice / once if once else math.inf


def _is_one_number(batch: _Batch) -> bool:
    """Return whether a loss gives one number for a batch, so that sample weights cannot act on its examples."""
    built = instantiate(built_loss(batch.loss))
    if isinstance(built, keras.losses.Loss):
        built.reduction = None
    try:
        return not tuple(inferred(lambda y, output: built(y, output), batch.y, batch.output).shape)
    except Exception:  # a loss of the user's can need outputs of another kind
        return False


def _value(loss: keras.losses.Loss, batch: _Batch, *, repeats: int) -> float:
    """Return the value of a loss for the same few examples several times, with outputs from 0.1 to 0.9."""
    y = np.asarray(batch.first_y)
    shape = (len(y), *batch.output.shape[1:])
    output = np.linspace(0.1, 0.9, math.prod(shape), dtype=np.float32).reshape(shape)
    y, output = (np.concatenate([array] * repeats) for array in (y, output))
    return float(loss(keras.ops.convert_to_tensor(y), output))


def _not_reset(metric: Metric) -> str:
    """Return the names of the variables that a metric's reset does not assign; empty if there are none."""
    if isinstance(metric, str) or str(metric["_target_"]).startswith("keras."):
        return ""
    built = instantiate(metric)
    if not isinstance(built, keras.metrics.Metric):
        return ""
    markers = [(variable, keras.ops.ones(variable.shape, variable.dtype)) for variable in built.variables]
    with keras.StatelessScope(state_mapping=markers) as scope:
        built.reset_state()
        kept = [variable.name for variable, marker in markers if scope.get_current_value(variable) is marker]
    return ", ".join(kept)


def _infers_all() -> bool:
    """Return False on PyTorch, whose device without values lacks some operations: a failure there is no fault."""
    return bool(keras.backend.backend() != "torch")


def _told(act: Callable[[], Any]) -> str:
    """Return the exception of an act in words; empty if it succeeds."""
    try:
        act()
    except StudyError:
        raise
    except Exception as error:  # a loss or metric of the user's can fail in any way
        return told_with_place(error)
    return ""


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without a last axis of length 1, as Keras compares targets and outputs."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def activation_of(operation: Any) -> str:
    """Return the name of the activation with which an operation ends; empty if it is not known.

    Args:
        operation: A layer or an operation of Keras.
    """
    function = getattr(operation, "activation", None)
    name = getattr(function, "__name__", "") if function is not None else type(operation).__name__.lower()
    return str(name)


def like_batch(array: Any, *, n_examples: int | None = _N) -> Any:
    """Return a batch like an array, without values, in the type that the backend gives it.

    Args:
        array: The array, with at least one example.
        n_examples: Number of examples of the batch; None: any. Default: a number that is no usual width.
    """
    dtype = keras.backend.standardize_dtype(keras.ops.convert_to_tensor(array[:1]).dtype)
    return keras.KerasTensor((n_examples, *array.shape[1:]), dtype)


def _fault(key: str, value: Any, allowed: str, advice: str) -> Fault:
    return Fault(key=key, value=value, allowed=allowed, advice=advice)
