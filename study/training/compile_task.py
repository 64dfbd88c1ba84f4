"""Loss and metrics of a task as the arguments of `keras.Model.compile`, the same for every trainer."""

from __future__ import annotations

from typing import Any

from study.config.instantiate import instantiate
from study.config.schema import Task


def compile_arguments(task: Task) -> dict[str, Any]:
    """Return fresh loss and metrics of a task, as arguments of `keras.Model.compile`.

    Args:
        task: The task.
    """
    metrics = [metric if isinstance(metric, str) else instantiate(metric) for metric in task.metrics]
    return {"loss": instantiate(task.loss), "metrics": metrics}
