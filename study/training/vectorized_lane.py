"""What a batch is made of: its trials, the variables of those that move from batch to batch, the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from study.results import State, Trial
from study.training.settings import Settings


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
        n: How many lanes do.
        state: The variables of all lanes of the program; those of the lanes that begin are not looked at.
    """

    n: int
    state: Any


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


def merged(state: Any, fresh: Any, n: int) -> Any:
    """Return the variables of the first n lanes of one state, and of the others of a fresh one."""
    return jax.jit(_merged)(state, fresh, n)


def taken(state: Any, indices: Sequence[int], n: int) -> Any:
    """Return the variables of some lanes as those of n, the last one repeated."""
    padded = [*indices, *[indices[-1]] * (n - len(indices))]
    return jax.jit(_taken)(state, np.asarray(padded, np.int32))


def call(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the caller."""
    try:
        return ask(*arguments)
    except Exception as error:
        raise CallerError from error


def _merged(state: Any, fresh: Any, n: Any) -> Any:
    def choose(a: Any, b: Any) -> Any:
        return jnp.where((jnp.arange(a.shape[0]) < n).reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, state, fresh)


def _taken(state: Any, indices: Any) -> Any:
    return jax.tree.map(lambda values: jnp.take(values, indices, axis=0), state)
