"""The task of data that comes without one: its loss and metrics, as given, as compiled, or as they fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from study.core.errors import NO_VALUE, Fault
from study.pipeline.workload_facts import WorkloadFacts

_BATCH_SIZE = 32
# Short names of Keras's losses.
_SHORT = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
    "kld": "KLDivergence",
    "kl_divergence": "KLDivergence",
    "bce": "BinaryCrossentropy",
}
_OF_CLASSES = ("SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy")
# The accuracy of logits of one output, whose border is 0, not 0.5.
_ACCURACY_OF_ONE_LOGIT = {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
# A guess that is replaced once the model is known; it reads every kind of targets.
GUESS: Mapping[str, Any] = {"_target_": "keras.losses.MeanSquaredError"}
GUESS_OF_CLASSES: Mapping[str, Any] = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}


@dataclasses.dataclass(frozen=True, kw_only=True)
class InferredTask:
    """A task that was found.

    Attributes:
        section: The section `dataset.task` of a config.
        told: A line on the reason.
    """

    section: dict[str, Any]
    told: str


def task_section(loss: Mapping[str, Any], metrics: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the section `dataset.task` of a config.

    Args:
        loss: The section of the loss, or one for each output.
        metrics: The metrics. None: the accuracy for losses of classes, none for others.
    """
    name = str(loss.get("_target_", "")).rpartition(".")[2]
    if metrics is None and name:
        is_one_logit = name == "BinaryCrossentropy" and loss.get("from_logits")
        accuracy = _ACCURACY_OF_ONE_LOGIT if is_one_logit else "accuracy"
        metrics = [accuracy] if name in _OF_CLASSES else []
    first = next(iter(metrics), None) if isinstance(metrics, list | tuple) else None
    watched = first if isinstance(first, str) else (first or {}).get("name")
    return {
        "loss": dict(loss),
        "metrics": list(metrics) if isinstance(metrics, list | tuple) else metrics or {},
        "objective": {"metric": f"val_{watched}" if watched else "val_loss", "direction": "auto", "target": None},
        "batch_size": _BATCH_SIZE,
    }


def loss_name(name: str) -> str:
    """Return the `_target_` of a loss that Keras knows by a name, such as `mse` or `sparse_categorical_crossentropy`.

    Args:
        name: The name; the name of a class is taken as it is.
    """
    camel = _SHORT.get(name.lower(), "".join(word.capitalize() for word in name.split("_")))
    return f"keras.losses.{camel if name.islower() else name}"


def infer_task(facts: WorkloadFacts, *, metrics: Sequence[Any] | None) -> InferredTask | Fault:
    """Return the task that fits data and model; a fault where several do.

    Args:
        facts: Facts of the data and the model.
        metrics: The metrics that were given. None: none were.
    """
    model = facts.model
    if model.foreign:
        advice = "Give loss=... and metrics=... to compare()."
        allowed = "a loss and metrics of Keras in model.compile(), without weights, which compare() reads"
        return Fault(key="model", value=model.foreign, allowed=allowed, advice=advice)
    if model.loss is not None:
        chosen = metrics if metrics is not None else list(model.metrics) or None
        return InferredTask(
            section=task_section(model.loss, chosen), told=f"{_words(model.loss)}, with which the model is compiled"
        )
    if facts.targets == "several":
        return several_losses()
    if (doubt := _doubt(facts)) is not None:
        return Fault(
            key="loss",
            value=NO_VALUE,
            allowed=f"a loss, since {doubt}",
            advice='Write, for example, loss="binary_crossentropy" or loss="mse".',
        )
    outputs = "probabilities" if model.gives_probabilities else "logits"
    if facts.targets == "classes" and model.width != 1:
        loss: dict[str, Any] = {"_target_": "keras.losses.SparseCategoricalCrossentropy"}
        return _of_classes(
            loss, model.gives_probabilities, metrics, f"y has classes from 0 to {facts.n_classes - 1}", outputs
        )
    if facts.targets == "one_hot":
        loss = {"_target_": "keras.losses.CategoricalCrossentropy"}
        return _of_classes(loss, model.gives_probabilities, metrics, "y has rows with a single 1", outputs)
    if facts.targets == "classes" and facts.n_classes == 2:
        loss = {"_target_": "keras.losses.BinaryCrossentropy"}
        return _of_classes(loss, model.gives_probabilities, metrics, "y has 2 classes, the model one output", outputs)
    if facts.targets == "classes" and model.gives_probabilities:
        allowed = f"a model with an output for each of the {facts.n_classes} classes of y, or loss=..."
        return Fault(key="model", value="one output", allowed=allowed, advice="Correct the model, or give the loss.")
    why = "y has whole numbers, and the model one output" if facts.targets == "classes" else "y has numbers"
    return InferredTask(section=task_section(GUESS, metrics), told=f"{_words(GUESS)}, since {why}")


def several_losses() -> Fault:
    """Return the fault of several arrays of targets without a loss for each."""
    allowed = "a loss for each array of targets, by the name of its output"
    advice = 'Write, for example, loss={"digit": "sparse_categorical_crossentropy", "size": "mse"}.'
    return Fault(key="loss", value=NO_VALUE, allowed=allowed, advice=advice)


def _doubt(facts: WorkloadFacts) -> str | None:
    """Return why no single loss fits targets and outputs, in words; None if one does."""
    model = facts.model
    if facts.targets == "numbers" and model.gives_probabilities:
        return "y has numbers that are no classes, and the model returns probabilities"
    if model.width != 1 and facts.targets != "numbers" and model.last_activation.endswith("sigmoid"):
        return f"the targets are classes, and the last activation of the model is {model.last_activation}"
    if facts.targets != "numbers" and not model.gives_probabilities and model.sums_to_one:
        return "the outputs of the model sum to 1, and its last layer is no softmax"
    return None


def _of_classes(
    loss: dict[str, Any], gives_probabilities: bool, metrics: Sequence[Any] | None, why: str, outputs: str
) -> InferredTask:
    section = {**loss, "from_logits": not gives_probabilities}
    return InferredTask(
        section=task_section(section, metrics), told=f"{_words(section)}, since {why} and the model returns {outputs}"
    )


def _words(loss: Mapping[str, Any]) -> str:
    """Return a loss as a user writes it: `MeanSquaredError()`."""
    if "_target_" not in loss:
        return ", ".join(f"{name}: {_words(each)}" for name, each in loss.items())
    arguments = ", ".join(f"{key}={value}" for key, value in loss.items() if key != "_target_")
    return f"{loss['_target_'].rpartition('.')[2]}({arguments})"
