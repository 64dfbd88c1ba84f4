"""The parts of a batch: its lanes and their places, variables that move from batch to batch, and the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from study.core.trainer_interface import State, Trial
from study.core.trees import Tree
from study.training.epoch_rules import EpochRules
from study.training.optimizer_numbers import Settings
from study.training.vectorized.pieces import PiecedSplit


@dataclass(kw_only=True)
class Lane:
    """A trial and the state of its training.

    Attributes:
        trial: The trial.
        settings: The settings of the trial's optimizer.
        build_model: Builds the trial's model, not compiled.
        rules: Early stopping and a rate that falls on a plateau. None (the default): neither.
        state: The state in which the trial ended. None (the default): it trains.
        has_stopped: True if a rule stopped the trial; its state follows at the end of its batch. Default False.
        history: One value per epoch for each metric. Default: empty.
        step: Number of steps taken. Default 0.
        epoch: Number of epochs trained in earlier batches. Default 0.
        n_lanes: Compiled size of the first batch that trained the trial. Default 0.
        summary: Numbers known so far, by name. Default: empty.
        weights: Weights of the trial at its end. None (the default): the trial did not end, or does not ask for them.
    """

    trial: Trial
    settings: Settings
    build_model: Callable[[], Any]
    rules: EpochRules | None = None
    state: State | None = None
    has_stopped: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    n_lanes: int = 0
    summary: dict[str, float] = field(default_factory=dict)
    weights: tuple[NDArray[np.generic], ...] | None = None

    @property
    def trains(self) -> bool:
        """True until the trial has ended, in any way."""
        return self.state is None and not self.has_stopped

    @property
    def n_epochs(self) -> int:
        """Number of epochs reported."""
        return max((len(values) for values in self.history.values()), default=0)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """State of the lanes that a batch takes over from the batch before, as its own first lanes.

    Attributes:
        places: Places of these lanes in the batch before, in the order of the lanes.
        state: Variables of all places of that batch, a pytree.
        kept: Variables of all places whose weights are kept so far. None (the default): there are none.
    """

    places: Sequence[int]
    state: Any
    kept: Any = None


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a batch's trials. The devices have equal shares of the places, and take the trials in turn.

    Attributes:
        n_lanes: Number of lanes of the program.
        n_devices: Number of devices; the first device has the first lanes.
    """

    n_lanes: int
    n_devices: int

    def of(self, n: int) -> list[int]:
        """Return the places of the first trials.

        Args:
            n: Number of trials.
        """
        share = self.n_lanes // self.n_devices
        return [index % self.n_devices * share + index // self.n_devices for index in range(n)]

    def active(self, places: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the places to be computed, in the form that the program takes.

        Args:
            places: The places to be computed.

        Returns:
            For each device the indices of its own places, those to be computed first, shape (n_lanes,); for each
            device the number of places to be computed, shape (n_devices,).
        """
        is_active = np.zeros(self.n_lanes, bool)
        is_active[list(places)] = True
        by_device = is_active.reshape(self.n_devices, -1)
        first_active = np.argsort(~by_device, axis=1, kind="stable")
        return first_active.astype(np.int32).reshape(-1), by_device.sum(axis=1, dtype=np.int32)


@dataclass(frozen=True, kw_only=True)
class DeviceData:
    """The data, and its use.

    Attributes:
        train: Inputs, targets and perhaps sample weights of the training split, on the devices; or a split that goes
            through them in pieces, and then all splits do.
        validation: Those of the validation split.
        test: Those of the test split.
        loss: Those of the training examples for the loss before and after training.
        n_steps: Number of steps of a whole training.
        every_n_steps: Also report the loss of every n-th step; None: of no step.
        shuffle: Draw an order for each epoch; otherwise examples come in their stored order. Default True.
        has_test: False if the test split is empty. Default True.
    """

    train: tuple[Tree, ...] | PiecedSplit
    validation: tuple[Tree, ...] | PiecedSplit
    test: tuple[Tree, ...] | PiecedSplit
    loss: tuple[Tree, ...] | PiecedSplit
    n_steps: int
    every_n_steps: int | None
    shuffle: bool = True
    has_test: bool = True


class CallerError(Exception):
    """Wrapper of an exception of the caller's own functions, which does not make a trial `failed`."""


def moved(state: Any, carried: Carried, places: Sequence[int], n: int, fresh: Any) -> Any:
    """Return the variables of all places of a new batch: carried ones for the lanes that moved, fresh ones elsewhere.

    Args:
        state: Variables of the batch before.
        carried: The lanes' places in that batch.
        places: Places of the lanes in the new batch, those that moved first.
        n: Number of places of the new batch.
        fresh: Variables of fresh lanes, a pytree with first axis `n`; None: all lanes have moved.
    """
    source = np.full(n, -1, np.int32)
    source[list(places[: len(carried.places)])] = carried.places
    return jax.jit(_moved)(state, source, fresh)


def call(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller; mark its exceptions as the caller's own.

    Args:
        ask: The function.
        *arguments: Its arguments.

    Raises:
        CallerError: The function raised an exception.
    """
    try:
        return ask(*arguments)
    except Exception as error:
        raise CallerError from error


def _moved(state: Any, source: Any, fresh: Any) -> Any:
    carried = jax.tree.map(lambda old: jnp.take(old, source, axis=0, mode="clip"), state)
    if fresh is None:
        return carried

    def choose(old: Any, new: Any) -> Any:
        return jnp.where((source >= 0).reshape(-1, *[1] * (old.ndim - 1)), old, new)

    return jax.tree.map(choose, carried, fresh)
