"""Unfreeze layers of a pretrained model at an epoch, as a callback of `trainer=fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras

from study.training.keras_internals import all_layers


class Unfreeze(keras.callbacks.Callback):  # type: ignore[misc]
    """Let frozen layers train from an epoch on, with a fresh optimizer of the same settings.

    This is what Keras's guide on transfer learning does by hand: train the head, set `trainable` of the base to True,
    compile again, and go on.

    Args:
        layers: Names of the layers, perhaps with `*`, such as `block5_*`. A model inside is a layer, too.
        epoch: Index of the first epoch in which they train, from 0.

    Attributes:
        rebuild: Makes the optimizer and the compiled steps anew; the trainer sets it.

    Examples:
        In a config: `trainer.callbacks=[{_target_: study.training.unfreeze.Unfreeze, layers: [base], epoch: 3}]`
    """

    def __init__(self, layers: list[str], epoch: int) -> None:
        super().__init__()
        if epoch < 0:
            raise ValueError(f"epoch={epoch}: expected the index of an epoch, from 0")
        self._layers, self._epoch = tuple(layers), epoch
        self.rebuild: Callable[[], None] | None = None
        self._is_done = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Unfreeze the layers if it is time.

        Args:
            epoch: Index of the epoch, from 0.
            logs: Ignored. Default None.
        """
        if self._is_done or epoch < self._epoch:
            return
        self._is_done = True
        for layer in matching_layers(self.model, self._layers):
            layer.trainable = True
        if self.rebuild is not None:
            self.rebuild()


def matching_layers(model: Any, names: Sequence[str]) -> list[Any]:
    """Return the layers of a model, those inside others included, whose names match one of some patterns.

    Args:
        model: The model.
        names: Names, perhaps with `*`.
    """
    return [each for each in all_layers(model) or model.layers if any(fnmatchcase(each.name, n) for n in names)]
