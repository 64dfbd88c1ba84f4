"""The effect of the rules of a study on a model in training: keep the weights of an epoch, and lower the rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.training.callbacks import Watcher
from study.training.epoch_rules import Decision


class KeptState:
    """The state of a model and its optimizer after the epoch whose weights are to be kept.

    Args:
        model: The compiled model, before its training.
        watcher: The watcher of the training, with its rules.

    Attributes:
        arrays: The values of the model's and the optimizer's variables after that epoch; empty before the first
            epoch, and if the last epoch is kept anyway.
    """

    def __init__(self, model: Any, watcher: Watcher) -> None:
        self._model, self._rules, self._optimizer = model, watcher.rules, model.optimizer
        self.arrays: Sequence[NDArray[np.generic]] = ()

    @property
    def is_needed(self) -> bool:
        """True if weights of an earlier epoch may be the ones to keep."""
        return self._rules is not None and self._rules.keeps_weights

    def act(self, decision: Decision) -> None:
        """Do what follows from an epoch.

        Args:
            decision: What follows from it.
        """
        if decision.keeps and self.is_needed:
            self._optimizer = self._model.optimizer
            self.arrays = numbers_of(self._variables)
        if decision.reduces and self._rules is not None:
            optimizer = self._model.optimizer
            optimizer.learning_rate = self._rules.reduced(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))

    def restore(self) -> None:
        """Return to the kept state, with the final weights that the optimizer sets, such as averages."""
        if self.arrays:
            assign(self._variables, self.arrays)
            if self._optimizer is self._model.optimizer:  # otherwise the epoch is of before layers were unfrozen
                self._optimizer.finalize_variable_values(self._model.trainable_variables)

    @property
    def _variables(self) -> list[Any]:
        return [*self._model.variables, *self._optimizer.variables]


def numbers_of(variables: Sequence[Any]) -> list[NDArray[np.generic]]:
    """Return copies of the values of variables.

    Args:
        variables: Variables of Keras.
    """
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[Any], values: Sequence[NDArray[np.generic]]) -> None:
    """Give variables their values.

    Args:
        variables: Variables of Keras.
        values: Their values, in the same order.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
