"""Keras's own metrics of outputs that NumPy has computed, so that each name means the same as in `fit`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from study.config.task import Task
from study.training.compile_task import compile_arguments
from study.training.numpy.network import Array


class KerasMetrics:
    """Keras's metrics of a task.

    Args:
        model: A model whose outputs are measured; it is compiled but not trained.
        task: The task, with its metrics.
    """

    def __init__(self, model: Any, task: Task) -> None:
        # Only a compiled model has the metric that the word accuracy stands for.
        model.compile(optimizer=None, **compile_arguments(task))
        self._model = model

    def of(self, y: Array, outputs: Array, *, loss: float) -> dict[str, float]:
        """Return the given loss, and the metrics of outputs.

        Args:
            y: The data set's own targets, shape (n, ...).
            outputs: The outputs, shape (n, n_outputs).
            loss: The loss.
        """
        self._model.reset_metrics()
        y_pred = keras.ops.convert_to_tensor(outputs.astype(np.float32))
        found = self._model.compute_metrics(None, keras.ops.convert_to_tensor(y), y_pred)
        return {name: float(value) for name, value in found.items()} | {"loss": loss}
