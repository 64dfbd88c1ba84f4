"""Compute the initial weights of any trial, those of a fresh model under its seed, without building that model.

While a Keras model is built, it draws seeds from Python's `random`: one for each initializer and each random layer, in
the order of the code. The model is built once, without computing any value, to find out which variable gets which
draw. The draws of any other seed then follow without building the model.
"""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.training.keras_internals import initializer_of

# Keras 3.15 draws default seeds from 1 to this (keras.src.random.seed_generator.make_default_seed).
_MAX_SEED = 10**9
_MAX_DRAWS = 10_000
_SEED_STATE = "seed_generator_state"
# The seed under which a model is built to see what it draws: one that no model sets itself, unlike 0.
_PROBE = 982_451_653
# Attribute of an outlined model: the digest of the weights that it is given while it is built.
_GIVEN = "_study_given_weights"
_DETERMINISTIC = tuple(
    getattr(keras.initializers, name) for name in ("Zeros", "Ones", "Constant", "IdentityInitializer")
)


class NotReplayableError(Exception):
    """Raised if a model's initial weights do not follow from its seeds; the model is then built for every trial."""


@dataclass(frozen=True, kw_only=True)
class InitialValue:
    """The initial value of a variable, as a function of the seeds drawn.

    Attributes:
        variable: The variable.
        initializer: Computes the variable's value.
        draw: Index of the draw that is the initializer's seed; None if the value is the same for all seeds.
    """

    variable: Any
    initializer: Any
    draw: int | None

    def built(self, seeds: Sequence[int]) -> Any:
        """Return the initial value for the draws of a trial, computed as when the model is built.

        Args:
            seeds: The draws, shape (n_draws,).
        """
        if self.draw is None:
            initializer = self.initializer
        elif self.variable.name == _SEED_STATE:
            return np.asarray([seeds[self.draw], 0])  # Keras 3.15 turns an integer seed into this
        else:
            initializer = copy.copy(self.initializer)
            initializer.seed = seeds[self.draw]
        return initializer(self.variable.shape, dtype=self.variable.dtype)

    def described(self) -> str:
        """Return what decides the value, as text: the arguments of an initializer of Keras, else the value itself.

        Models that are built under one seed have the same seeds in their initializers.
        """
        initializer = self.initializer
        if isinstance(initializer, keras.initializers.Initializer) and type(initializer).__module__.startswith(
            "keras."
        ):
            arguments = initializer.get_config()
            if all(isinstance(each, bool | int | float | str | None) for each in arguments.values()):
                return f"{type(initializer).__name__} {arguments}"
        value = np.ascontiguousarray(
            keras.ops.convert_to_numpy(initializer(self.variable.shape, dtype=self.variable.dtype))
        )
        return hashlib.sha256(value.tobytes()).hexdigest()

    def value(self, seeds: Any) -> Any:
        """Return the initial value inside a JAX program for the draws of a trial.

        Args:
            seeds: The draws, shape (n_draws,).
        """
        import jax
        import jax.numpy as jnp

        shape, dtype = self.variable.shape, self.variable.dtype
        if self.draw is None:
            return keras.ops.convert_to_tensor(self.initializer(shape, dtype=dtype), dtype=dtype)
        # Keras 3.15 turns an integer seed into this key (keras.src.random.seed_generator.draw_seed).
        key = jnp.stack([seeds[self.draw], jnp.zeros((), seeds.dtype)])
        if self.variable.name == _SEED_STATE:
            return key.astype(dtype)
        if type(self.initializer) is keras.initializers.RandomNormal:
            # Otherwise XLA would combine the factors of the draw and of the deviation, and so round differently.
            drawn = jax.lax.optimization_barrier(keras.random.normal(shape, dtype=dtype, seed=key))
            return jax.lax.optimization_barrier(drawn * self.initializer.stddev) + self.initializer.mean
        seeded = copy.copy(self.initializer)
        seeded.seed = key
        return keras.ops.convert_to_tensor(seeded(shape, dtype=dtype), dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The initial values of a model's variables, as functions of a run seed.

    Attributes:
        initial_values: The initial value of each of `model.variables`.
        n_draws: Number of seeds drawn while the model is built.
        exhaustive: True if every draw is the seed of a variable.
    """

    initial_values: Sequence[InitialValue]
    n_draws: int
    exhaustive: bool

    def built(self, run_seed: int) -> list[Any]:
        """Return the initial value of each variable, computed as when the model is built.

        Args:
            run_seed: Seed of initialization and dropout.
        """
        seeds = _draws(run_seed, self.n_draws)
        return [initial.built(seeds) for initial in self.initial_values]

    def described(self) -> dict[str, str]:
        """Return what decides each variable's initial value, as text, by a name with the variable's place."""
        return {f"initial value {place}": each.described() for place, each in enumerate(self.initial_values)}

    def seeds(self, run_seed: int) -> NDArray[np.uint32]:
        """Return the seeds that are drawn under a run seed, shape (max(n_draws, 1),).

        Args:
            run_seed: Seed of initialization and dropout.
        """
        return np.asarray(_draws(run_seed, max(self.n_draws, 1)), dtype=np.uint32)


def build_without_values(build: Callable[[], Any]) -> tuple[Any, Replay]:
    """Build a model whose variables have no values yet, and find out how the values follow from a seed.

    Args:
        build: Builds the model, not compiled.

    Returns:
        The model and the replay of its initial values.

    Raises:
        NotReplayableError: The initial values depend on something else.
    """
    random.seed(_PROBE)
    before = numpy_state()
    try:
        with keras.StatelessScope(initialize_variables=False) as scope:
            model = build()
    except ValueError as error:  # a variable made from a value instead of an initializer
        raise NotReplayableError(str(error)) from error
    if numpy_state() != before:
        raise NotReplayableError("the model draws from numpy.random")
    draws = _draws_until(random.getstate())
    variables = list(model.variables)
    if not model.built or any(initializer_of(variable) is None for variable in variables):
        raise NotReplayableError("the model has variables that are made in another way, or later")
    if any(scope.get_current_value(variable) is not None for variable in variables):
        raise NotReplayableError("the model is given weights while it is built, such as those of a file")
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
    """Build a model to inspect it; without values if possible, which is faster. `given_weights` knows its values.

    Args:
        build: Builds the model, not compiled.
    """
    try:
        model, values = _without_values(build)
        digest = ""
        if any(value is not None for value in values):  # those that a second build has too, which no seed has drawn
            keras.utils.clear_session(free_memory=False)
            digest = _digest(_alike(values, _without_values(build)[1]))
    except Exception:
        model = build()
        digest = _digest(_alike(*([v.value for v in getattr(m, "variables", ())] for m in (model, build()))))
    finally:
        keras.utils.clear_session(free_memory=False)  # otherwise Keras's next scope would compute all values
    if isinstance(model, keras.Model):
        setattr(model, _GIVEN, digest)
    return model


def given_weights(model: Any) -> str:
    """Return the digest of the weights that a model is given while it is built, as by a file; empty without any.

    Args:
        model: A model that `outline` has built.
    """
    return str(getattr(model, _GIVEN, ""))


def _without_values(build: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """Return a model built without values, and the values that its build gives to its variables, or None."""
    with keras.StatelessScope(initialize_variables=False) as scope:
        model = build()
    return model, [scope.get_current_value(variable) for variable in getattr(model, "variables", ())]


def _alike(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return the values that two builds of a model have in common, which no seed has drawn; None for the others."""
    return [
        value
        if value is not None
        and other is not None
        and np.array_equal(keras.ops.convert_to_numpy(value), keras.ops.convert_to_numpy(other))
        else None
        for value, other in zip(values, others, strict=False)
    ]


def _digest(values: Sequence[Any]) -> str:
    hashed = hashlib.sha256()
    for place, value in enumerate(values):
        if value is not None:
            array = np.ascontiguousarray(keras.ops.convert_to_numpy(value))
            hashed.update(f"{place} {array.dtype} {array.shape}".encode() + array.tobytes())
    return hashed.hexdigest()[:12]


def built_with(build: Callable[[], Any], weights: Sequence[NDArray[np.generic]], *, example: Any) -> Any:
    """Build a model with given weights; on JAX without drawing its own, whose compilation takes seconds.

    Args:
        build: Builds the model, not compiled.
        weights: The weights, in the order of `model.get_weights()`.
        example: Inputs, for a subclass that makes its weights when it is called for the first time.
    """
    model = outline(build) if keras.backend.backend() == "jax" else build()
    if not model.built:
        model = build()
        model(example)
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
    """Return the seeds drawn since `random.seed(_PROBE)`, up to a state of the generator."""
    generator = random.Random(_PROBE)
    draws: list[int] = []
    while generator.getstate() != state:
        if len(draws) == _MAX_DRAWS:
            raise NotReplayableError("the model draws other numbers than seeds from Python's random")
        draws.append(generator.randint(1, _MAX_SEED))
    return draws


def numpy_state() -> tuple[Any, ...]:
    """Return the state of NumPy's global generator in a form that can be compared."""
    state: Any = np.random.get_state()  # noqa: NPY002 - models may draw from it
    return (state[0], state[1].tobytes(), *state[2:])
