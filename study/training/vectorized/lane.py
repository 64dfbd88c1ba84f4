"""What a batch is made of: its trials, the variables of those that move from batch to batch, the data."""

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
    """A trial and how far it has come.

    Attributes:
        trial: The trial.
        settings: Its optimizer's settings.
        state: How it ended, None as long as it trains.
        history: Per metric one value an epoch.
        step: Steps taken.
        epoch: Epochs that the batches before this one trained it.
        n_lanes: The compiled size of the first batch that it was trained in.
        summary: Scalars known so far.
        weights: Its weights where it was stopped, when asked for.
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
    """Where the first lanes of a batch go on.

    Attributes:
        places: Theirs in the batch before, in the order of the lanes.
        state: The variables of all places of that batch.
    """

    places: Sequence[int]
    state: Any


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the trials of a batch are: shared out over the devices, which have equal shares of a program's lanes.

    Attributes:
        n_lanes: Lanes of the program.
        n_devices: Devices, the first of which has the first lanes.
    """

    n_lanes: int
    n_devices: int

    def of(self, n: int) -> list[int]:
        """Return the lanes of the first n trials: each device takes one in turn."""
        share = self.n_lanes // self.n_devices
        return [index % self.n_devices * share + index // self.n_devices for index in range(n)]

    def active(self, places: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return each device's own numbers of some lanes, before those of its others, and how many it has of them.

        Shapes (n_lanes,) and (n_devices,).
        """
        is_active = np.zeros(self.n_lanes, bool)
        is_active[list(places)] = True
        by_device = is_active.reshape(self.n_devices, -1)
        first_active = np.argsort(~by_device, axis=1, kind="stable")
        return first_active.astype(np.int32).reshape(-1), by_device.sum(axis=1, dtype=np.int32)


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data on the device, and how much of it is trained on.

    Attributes:
        train: Inputs and targets.
        validation: Inputs and targets.
        test: Inputs and targets.
        loss: The training examples on which the loss is taken before and after training.
        n_steps: Steps of a whole training.
        every_n_steps: Report the loss of every n-th step too.
        shuffle: Whether each epoch has an order of its own.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]
    loss: tuple[Any, Any]
    n_steps: int
    every_n_steps: int | None
    shuffle: bool = True


class CallerError(Exception):
    """Wraps what the caller's functions raised, which is no failure of a trial."""


def moved(carried: Carried, places: Sequence[int], n: int, fresh: Any) -> Any:
    """Return the variables of n places: those that are carried at their new places, fresh ones at all others."""
    source = np.full(n, -1, np.int32)
    source[list(places[: len(carried.places)])] = carried.places
    return jax.jit(_moved)(carried.state, source, fresh)


def call(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the caller."""
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
