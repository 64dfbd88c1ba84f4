"""Loss and metrics of a task as the arguments of `keras.Model.compile`, the same for every trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.config.instantiate import instantiate
from study.config.losses import built_loss
from study.config.task import Metric, Task
from study.core.trees import Tree


def compile_arguments(task: Task) -> dict[str, Any]:
    """Return fresh losses and metrics of a task, as arguments of `keras.Model.compile`.

    Args:
        task: The task.
    """
    losses = {output: instantiate(built_loss(loss)) for output, loss in task.losses.items()}
    arguments = {
        "loss": losses.get("", losses),
        "metrics": _built(task.metrics),
        "loss_weights": _loss_weights(task),
        "weighted_metrics": _built(task.weighted_metrics),
    }
    return {name: value for name, value in arguments.items() if value or name in ("loss", "metrics")}


def measure_once(model: Any, x: Tree, y_and_weight: Sequence[Tree], y_pred: Tree, *, several: bool) -> Any:
    """Measure a batch, so that the variables of all metrics exist, those of each output's loss included.

    Args:
        model: The compiled model.
        x: The inputs.
        y_and_weight: The targets and, if there are any, the sample weights.
        y_pred: The outputs.
        several: True if the task has a loss for each of several outputs; Keras then keeps a mean of each.
    """
    y, *weight = y_and_weight
    if several:
        model.compute_loss(x, y, y_pred, *weight)
    return model.compute_metrics(x, y, y_pred, *weight)


def _loss_weights(task: Task) -> dict[str, float] | None:
    """Return the factor of each output's loss; Keras refuses fewer factors than losses."""
    given = task.loss_weights
    return None if given is None else {output: given.get(output, 1.0) for output in task.losses}


def _built(metrics: Sequence[Metric] | Mapping[str, Sequence[Metric]]) -> Any:
    if isinstance(metrics, Mapping):
        return {output: _built(each) for output, each in metrics.items()}
    return [metric if isinstance(metric, str) else instantiate(metric) for metric in metrics]
