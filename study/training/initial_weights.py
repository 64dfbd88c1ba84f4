"""The initial weights of any trial, as a fresh model under its own seed has them, without building that model.

A Keras model draws its seeds from Python's `random` while it is built: one for each initializer and each layer with
randomness of its own, in the order of the code. Built once without computing any value, the model shows which draw
went where; the draws of another seed are then known without building anything.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.training.keras_internals import initializer_of

# Keras draws default seeds from 1 to this (keras.src.random.seed_generator.make_default_seed).
_MAX_SEED = 10**9
_MAX_DRAWS = 10_000
_SEED_STATE = "seed_generator_state"
_DETERMINISTIC = tuple(
    getattr(keras.initializers, name) for name in ("Zeros", "Ones", "Constant", "IdentityInitializer")
)


class NotReplayableError(Exception):
    """Raised where a model's initial weights cannot be told from its seeds; it is then built for every trial."""


@dataclass(frozen=True, kw_only=True)
class InitialValue:
    """Where the initial value of a variable comes from.

    Attributes:
        variable: The variable.
        initializer: What computes its value.
        draw: Index of the draw that is its seed; None where its value is the same for all seeds.
    """

    variable: Any
    initializer: Any
    draw: int | None

    def built(self, seeds: Sequence[int]) -> Any:
        """Return the initial value, computed as building does it, given the draws of a trial."""
        if self.draw is None:
            initializer = self.initializer
        elif self.variable.name == _SEED_STATE:
            return np.asarray([seeds[self.draw], 0])  # what Keras makes of an integer seed
        else:
            initializer = copy.copy(self.initializer)
            initializer.seed = seeds[self.draw]
        return initializer(self.variable.shape, dtype=self.variable.dtype)

    def value(self, seeds: Any) -> Any:
        """Return the initial value inside a JAX program, given the draws of a trial, shape (n_draws,)."""
        import jax
        import jax.numpy as jnp

        shape, dtype = self.variable.shape, self.variable.dtype
        if self.draw is None:
            return keras.ops.convert_to_tensor(self.initializer(shape, dtype=dtype), dtype=dtype)
        # What Keras makes of an integer seed (keras.src.random.seed_generator.draw_seed).
        key = jnp.stack([seeds[self.draw], jnp.zeros((), seeds.dtype)])
        if self.variable.name == _SEED_STATE:
            return key.astype(dtype)
        if type(self.initializer) is keras.initializers.RandomNormal:
            # Within one program XLA would join the factors of the draw and of the deviation, and round otherwise.
            drawn = jax.lax.optimization_barrier(keras.random.normal(shape, dtype=dtype, seed=key))
            return jax.lax.optimization_barrier(drawn * self.initializer.stddev) + self.initializer.mean
        seeded = copy.copy(self.initializer)
        seeded.seed = key
        return keras.ops.convert_to_tensor(seeded(shape, dtype=dtype), dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A model without values, and where they come from.

    Attributes:
        initial_values: One for each of `model.variables`.
        n_draws: Seeds drawn while the model is built.
        exhaustive: Whether every draw is the seed of a variable, and none went elsewhere.
    """

    initial_values: Sequence[InitialValue]
    n_draws: int
    exhaustive: bool

    def built(self, run_seed: int) -> list[Any]:
        """Return the initial value of each variable, computed as building does it."""
        seeds = _draws(run_seed, self.n_draws)
        return [initial.built(seeds) for initial in self.initial_values]

    def seeds(self, run_seed: int) -> NDArray[np.uint32]:
        """Return the seeds that are drawn under a run seed, shape (max(n_draws, 1),)."""
        return np.asarray(_draws(run_seed, max(self.n_draws, 1)), dtype=np.uint32)


def build_without_values(build: Callable[[], Any]) -> tuple[Any, Replay]:
    """Build a model whose variables have no values yet, and find out where these come from.

    Raises:
        NotReplayableError: The initial values depend on something that cannot be followed.
    """
    random.seed(0)
    before = numpy_state()
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = build()
    except ValueError as error:  # a variable made from a value instead of an initializer
        raise NotReplayableError(str(error)) from error
    if numpy_state() != before:
        raise NotReplayableError("the model draws from numpy.random")
    draws = _draws_until(random.getstate())
    variables = list(model.variables)
    if not model.built or any(initializer_of(variable) is None for variable in variables):
        raise NotReplayableError("the model has variables that are made in another way, or later")
    initial_values = [_initial_value(variable, draws) for variable in variables]
    followed = {initial.draw for initial in initial_values}
    exhaustive = followed - {None} == set(range(len(draws)))
    opaque = any(
        initial.draw is None and not isinstance(initial.initializer, _DETERMINISTIC) for initial in initial_values
    )
    if opaque and not exhaustive:
        raise NotReplayableError("an initializer that is not Keras's own may be random")
    return model, Replay(initial_values=initial_values, n_draws=len(draws), exhaustive=exhaustive)


def outline(build: Callable[[], Any]) -> Any:
    """Build a model to look at, without values where it lets itself be built so: computing them takes longer."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    except Exception:
        return build()
    finally:
        keras.utils.clear_session(free_memory=False)  # or the next scope of Keras would compute all values


def built_with(build: Callable[[], Any], weights: Sequence[NDArray[np.generic]]) -> Any:
    """Build a model of given weights, on JAX without drawing its own: that is compiled first, which takes seconds."""
    model = outline(build) if keras.backend.backend() == "jax" else build()
    model.set_weights(list(weights))
    given = {id(variable) for variable in model.weights}
    for variable in model.variables:
        if id(variable) not in given:  # the state of a seed generator
            variable.assign(variable.value)
    return model


def _initial_value(variable: Any, draws: Sequence[int]) -> InitialValue:
    initializer = initializer_of(variable)
    seed = getattr(initializer, "seed", None)
    if variable.name == _SEED_STATE:
        seed = int(np.asarray(initializer(variable.shape, dtype=variable.dtype))[0])
    if seed is not None and not isinstance(seed, int):
        raise NotReplayableError(f"the initializer of {variable.path} shares its generator with others")
    return InitialValue(variable=variable, initializer=initializer, draw=draws.index(seed) if seed in draws else None)


def _draws(seed: int, n: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randint(1, _MAX_SEED) for _ in range(n)]


def _draws_until(state: Any) -> list[int]:
    """Return the seeds drawn since `random.seed(0)`, up to a state of the generator."""
    generator = random.Random(0)
    draws: list[int] = []
    while generator.getstate() != state:
        if len(draws) == _MAX_DRAWS:
            raise NotReplayableError("the model draws other numbers than seeds from Python's random")
        draws.append(generator.randint(1, _MAX_SEED))
    return draws


def numpy_state() -> tuple[Any, ...]:
    """Return the state of NumPy's global generator, to be compared."""
    state: Any = np.random.get_state()  # noqa: NPY002 - this is about what others draw
    return (state[0], state[1].tobytes(), *state[2:])
