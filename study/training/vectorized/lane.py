"""The parts of a batch: its lanes and their places, variables that move from batch to batch, the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from study.core.trainer_interface import State, Trial
from study.training.optimizer_numbers import Settings


@dataclass(kw_only=True)
class Lane:
    """A trial and the state of its training.

    Attributes:
        trial: The trial.
        settings: Its optimizer's settings.
        state: The way it ended; None while it trains.
        history: Per metric one value an epoch.
        step: Steps taken. Default 0.
        epoch: Epochs trained in earlier batches. Default 0.
        n_lanes: The compiled size of the first batch that it was trained in. Default 0.
        summary: Scalars known so far.
        weights: Its weights at the end, if the trial asks for them.
    """

    trial: Trial
    settings: Settings
    state: State | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    n_lanes: int = 0
    summary: dict[str, float] = field(default_factory=dict)
    weights: tuple[NDArray[np.generic], ...] | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs reported."""
        return max((len(values) for values in self.history.values()), default=0)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """State of the lanes that a batch takes over from the batch before; they are its first lanes.

    Attributes:
        places: Their places in the batch before, in the order of the lanes.
        state: The variables of all places of that batch.
    """

    places: Sequence[int]
    state: Any


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a batch's trials. The devices have equal shares of the places, and take the trials in turn.

    Attributes:
        n_lanes: Lanes of the program.
        n_devices: Devices, the first of which has the first lanes.
    """

    n_lanes: int
    n_devices: int

    def of(self, n: int) -> list[int]:
        """Return the places of the first n trials."""
        share = self.n_lanes // self.n_devices
        return [index % self.n_devices * share + index // self.n_devices for index in range(n)]

    def active(self, places: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the places to be computed, as the program takes them.

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
    """The data on the devices, and how it is used.

    Attributes:
        train: Inputs and targets.
        validation: Inputs and targets.
        test: Inputs and targets.
        loss: The training examples on which the loss is taken before and after training.
        n_steps: Steps of a whole training.
        every_n_steps: Also report the loss of every n-th step; None: of none.
        shuffle: Whether each epoch has an order of its own. Default True.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]
    loss: tuple[Any, Any]
    n_steps: int
    every_n_steps: int | None
    shuffle: bool = True


class CallerError(Exception):
    """Wraps an exception of the caller's own functions, which does not make a trial `failed`."""


def moved(carried: Carried, places: Sequence[int], n: int, fresh: Any) -> Any:
    """Return the variables of n places: carried ones at the new places of their lanes, fresh ones elsewhere."""
    source = np.full(n, -1, np.int32)
    source[list(places[: len(carried.places)])] = carried.places
    return jax.jit(_moved)(carried.state, source, fresh)


def call(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the caller; mark its exceptions as the caller's own."""
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
