"""An optimizer whose traced step serves all trials that differ in numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from study.training.build_optimizer import ScaledSchedule
from study.training.keras_internals import rate_of
from study.training.optimizer_numbers import RATE, Settings
from study.training.symbolic_numbers import Frame

# Prefix of the names of variables that hold hyperparameters.
_HELD = "hyperparameter"


class FitStructure:
    """An optimizer that is made for one trial and reset for others, with Keras's traced training step.

    The optimizer computes with variables that hold its hyperparameters, or formulas of them such as 1 - beta_2. These
    variables are part of the optimizer's state; training does not change them.

    Args:
        optimizer: The optimizer of the first trial, built; it is modified.
        settings: The settings of this optimizer.
        trainable: The variables that this optimizer was built for.
        reusable: Let other trials use the optimizer; otherwise it is not modified.

    Attributes:
        optimizer: The optimizer.
        train_function: Keras's traced step; None until Keras has made it.
    """

    def __init__(self, optimizer: Any, settings: Settings, trainable: Sequence[Any], *, reusable: bool) -> None:
        self.optimizer, self.train_function = optimizer, None
        self._state, self._trainable, self._settings = optimizer.variables, trainable, settings
        self._frame = Frame(values=settings.numbers)
        self._held: list[Any] = []
        self._constants: Mapping[str, float] = {}
        if reusable:
            self._constants = self._take_numbers()
            held = self._frame.formulas
            self._held = [
                optimizer.add_variable((), dtype=keras.config.floatx(), name=f"{_HELD}_{i}") for i in range(len(held))
            ]
            self._frame.bind(self._held)
            self._frame.lenient = True
            self._hold(settings.numbers)

    def holds(self, name: str) -> bool:
        """Return whether a number of the optimizer enters the step as a variable, not as a constant of the program.

        Args:
            name: The optimizer's attribute.
        """
        return name in self._frame.formulas[: len(self._held)]

    def serves(self, settings: Settings) -> bool:
        """Return whether the same step can train a trial with other settings.

        Args:
            settings: The settings of the trial's optimizer.
        """
        known = self._settings
        same_kind = settings.fixed == known.fixed and settings.numbers.keys() == known.numbers.keys()
        same_constants = all(settings.numbers.get(name) == value for name, value in self._constants.items())
        return same_kind and same_constants and self._frame.serves(settings.numbers)

    def reset(self, fresh: Any, settings: Settings) -> None:
        """Copy the state and the numbers of a trial's own fresh optimizer.

        Args:
            fresh: This optimizer, built for the same variables.
            settings: The settings of this optimizer.
        """
        for variable, value in zip(self._state, fresh.variables, strict=True):
            variable.assign(value.value)
        self._frame.values = settings.numbers  # later questions are answered for this trial
        self._hold(settings.numbers)

    def _hold(self, numbers: Mapping[str, float]) -> None:
        for variable, column in zip(self._held, self._frame.columns([numbers]), strict=True):
            variable.assign(column[0])

    def _take_numbers(self) -> Mapping[str, float]:
        """Replace numbers by formulas, and return the numbers that must remain part of the program."""
        numbers = dict(self._settings.numbers)
        constants: dict[str, float] = {}
        if is_opaque(self.optimizer):
            return numbers
        rate = rate_of(self.optimizer)
        if isinstance(rate, keras.Variable):
            del numbers[RATE]  # already a variable of the state
        elif not isinstance(rate, ScaledSchedule):
            constants[RATE] = numbers.pop(RATE)
        while numbers:
            self._frame = Frame(values=self._settings.numbers)
            for name in numbers:
                self._set(name, self._frame.number(name))
            try:
                _trace(self.optimizer, self._trainable)
            except Exception:  # backends and users' optimizers raise any exception for a value that is not a number
                # Assume that the number used last is the cause. If it is another one, a later pass finds it.
                name = self._frame.last if self._frame.last in numbers else next(iter(numbers))
                constants[name] = numbers.pop(name)
                self._set(name, constants[name])
            else:
                return constants
        self._frame = Frame(values=self._settings.numbers)
        return constants

    def _set(self, name: str, value: Any) -> None:
        if name == RATE:
            rate_of(self.optimizer).rate = value
        else:
            setattr(self.optimizer, name, value)


def is_opaque(optimizer: Any) -> bool:
    """Return whether an optimizer has objects of unknown types, which may hold hyperparameters.

    Args:
        optimizer: A Keras optimizer.
    """
    return any(not _is_known(value) for value in vars(optimizer).values())


def state_bytes(optimizer: Any) -> int:
    """Return the size of an optimizer's variables in bytes, without its step counter and its hyperparameters.

    Args:
        optimizer: A Keras optimizer, built.
    """
    excluded = ("iteration", "learning_rate", _HELD)
    state = [variable for variable in optimizer.variables if not variable.name.startswith(excluded)]
    return sum(int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize for variable in state)


def _is_known(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(_is_known(item) for item in value)
    if isinstance(value, dict):
        return all(_is_known(item) for item in value.values())
    if isinstance(value, bool | int | float | str | None | keras.Variable | ScaledSchedule):
        return True
    # Internal objects of Keras and TensorFlow: trackers, the distribution strategy.
    theirs = type(value).__module__.partition(".")[0] in ("keras", "tensorflow")
    return theirs and not isinstance(
        value, keras.optimizers.Optimizer | keras.optimizers.schedules.LearningRateSchedule | keras.layers.Layer
    )


def _trace(optimizer: Any, trainable: Sequence[Any]) -> None:
    """Trace everything that training calls on the optimizer, without computing."""
    if keras.backend.backend() == "jax":
        import jax
        import jax.numpy as jnp

        def step() -> Any:
            values, state = ([jnp.zeros(v.shape, v.dtype) for v in of] for of in (trainable, optimizer.variables))
            optimizer.scale_loss(jnp.zeros(()))
            return optimizer.stateless_apply(state, values, values)

        jax.eval_shape(step)
    else:
        import tensorflow as tf

        def apply() -> None:
            optimizer.scale_loss(tf.zeros(()))
            optimizer.apply([tf.zeros(v.shape, v.dtype) for v in trainable], trainable)

        tf.function(apply, autograph=False).get_concrete_function()
