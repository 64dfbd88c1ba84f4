"""Build a study's optimizer and its schedule once while the config is checked, at the ends of the searched ranges."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from study.config.instantiate import Section, Unimportable, locate
from study.config.schema import StudyConfig
from study.core.errors import BackendError, Fault, blamed
from study.core.search_space import Value
from study.training.build_optimizer import build_optimizer, build_schedule
from study.training.keras_internals import inferred

# Number of batches of the epochs that a schedule is built for; the data is not known yet.
_N_BATCHES = 10
_SHAPE = (2, 3)


def optimizer_faults(config: StudyConfig) -> list[Fault]:
    """Return a fault for the optimizer and for the schedule if they cannot be built, or cannot take a step.

    An optimizer that is no class of Keras is left to its trainer.

    Args:
        config: The study's config.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(_schedule_faults(config)) or list(_optimizer_faults(config))
    keras.utils.clear_session(free_memory=False)  # so that the names of a training's variables are as before
    return found


def _schedule_faults(config: StudyConfig) -> Iterator[Fault]:
    section, n_steps = config.schedule.section, config.budget.total_steps(_N_BATCHES)
    if section.get("_target_") is None:
        return

    def at_a_step(section: Section = section) -> None:
        schedule = build_schedule(section, n_steps=n_steps)
        if not _computes_eagerly():
            _check_factor(inferred(schedule, keras.KerasTensor((), "int32")))
            return
        for step in (0, n_steps // 2, n_steps - 1):  # a warm-up has other formulas than what follows it
            factor = keras.ops.convert_to_tensor(schedule(keras.ops.convert_to_tensor(step, "int32")))
            _check_factor(factor)
            if not math.isfinite(float(factor)):
                raise ValueError(f"the factor at step {step} of {n_steps} is {float(factor)}")

    def works_without(argument: str) -> bool:
        return _raised(partial(at_a_step, _without(section, argument))) is None

    if error := _raised(at_a_step):
        yield blamed("schedule", section, error, name=config.schedule.name, works_without=works_without)


def _check_factor(factor: Any) -> None:
    if tuple(getattr(factor, "shape", ())):
        raise ValueError(f"the factor at a step has the shape {tuple(factor.shape)}, not one number")


def _optimizer_faults(config: StudyConfig) -> Iterator[Fault]:
    optimizer = config.optimizer
    if not _is_of_keras(optimizer.target):
        return
    n_steps = config.budget.total_steps(_N_BATCHES)
    for point in _points(config):
        arguments = optimizer.arguments(point)

        def take_a_step(arguments: Mapping[str, Value] = arguments) -> None:
            built = build_optimizer(optimizer.target, arguments, schedule=config.schedule.section, n_steps=n_steps)
            _take_step(built)

        if error := _raised(take_a_step):

            def works_without(
                argument: str, given: Mapping[str, Value] = arguments, act: Callable[..., None] = take_a_step
            ) -> bool:
                return _raised(partial(act, _without(given, argument))) is None

            tell = partial(blamed, error=error, name=optimizer.name, works_without=works_without)
            fault = tell("optimizer", arguments)
            argument = fault.key.rpartition(".")[2]
            yield tell("optimizer.search", arguments) if argument in optimizer.ranges else fault
            return


def _without(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != name}


def _points(config: StudyConfig) -> Iterator[dict[str, Value]]:
    """Yield points that together have both ends of every range and all choices."""
    ranges = config.optimizer.ranges
    yield {name: r.low if r.choices is None else r.choices[0] for name, r in ranges.items()}
    high = {name: r.high if r.choices is None else r.choices[-1] for name, r in ranges.items()}
    if ranges:
        yield high
    for name, searched in ranges.items():
        yield from ({**high, name: choice} for choice in (searched.choices or ())[1:-1])


def _take_step(optimizer: Any) -> None:
    """Take a step for a small scratch variable; on JAX, infer it."""
    variable = keras.Variable(np.zeros(_SHAPE, np.float32))
    optimizer.build([variable])
    if _computes_eagerly():
        optimizer.apply([keras.ops.ones(_SHAPE)])
        return
    like = [keras.KerasTensor(v.shape, v.dtype) for v in (variable, variable, *optimizer.variables)]
    inferred(lambda gradient, value, *state: optimizer.stateless_apply(list(state), [gradient], [value]), *like)


def _computes_eagerly() -> bool:
    """Return False on JAX, which would compile every operation."""
    return bool(keras.backend.backend() != "jax")


def _raised(act: Callable[[], None]) -> Exception | None:
    """Return the exception of an act; None if it succeeds."""
    try:
        act()
    except BackendError:
        raise
    except Exception as error:  # a class of the user's can fail in any way
        return error
    return None


def _is_of_keras(target: str) -> bool:
    try:
        found: Any = locate(target)
    except Unimportable:
        return False
    return isinstance(found, type) and issubclass(found, keras.optimizers.Optimizer)
