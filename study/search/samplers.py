"""Samplers, which propose trials, and the distributions that they draw from."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.config.instantiate import instantiate, parameters
from study.config.schema import StudyConfig
from study.core.search_space import Range, Value
from study.core.seeds import sampler_seed
from study.search.optuna_internals import fix_search_space


def build_sampler(config: StudyConfig, *, trial_number: int) -> optuna.samplers.BaseSampler:
    """Build a new sampler for one proposal, so that the proposal depends only on its seed and the store.

    Optuna warns of experimental samplers, except inside `quiet`.

    Args:
        config: The study's config.
        trial_number: Index of the trial in the study, from 0.
    """
    section = config.sampler.section
    seed = sampler_seed(config.study_seed, trial_number)
    accepted = parameters(section["_target_"])
    supplied = {"seed": seed, "study_seed": config.study_seed, "ranges": config.ranges}
    if "qmc_type" in accepted:  # a quasi-random sequence is one sequence only under one seed
        supplied["seed"] = config.study_seed
    built = instantiate(section, **{key: value for key, value in supplied.items() if key in accepted})
    if "qmc_type" in accepted and trial_number > 0:
        fix_search_space(built, {r.coordinate: distribution(r) for r in config.ranges.values()})
    return built  # type: ignore[no-any-return]


def is_blind(config: StudyConfig) -> bool:
    """Return whether the sampler's proposals do not depend on the results of other trials.

    Args:
        config: The study's config.
    """
    with quiet():
        built = build_sampler(config, trial_number=0)
    return isinstance(built, (optuna.samplers.RandomSampler, optuna.samplers.QMCSampler, optuna.samplers.GridSampler))


def drawn_alone(
    sampler: optuna.samplers.BaseSampler,
    distributions: Mapping[str, BaseDistribution],
    coordinates: Mapping[str, Value],
) -> dict[str, Value]:
    """Draw all coordinates if the sampler does not read the store: one write is then enough; otherwise none.

    Args:
        sampler: The sampler.
        distributions: The distributions, by coordinate.
        coordinates: Coordinates that are not drawn.
    """
    if type(sampler) is not optuna.samplers.RandomSampler:
        return {}
    alone = optuna.create_study(sampler=sampler)
    if coordinates:
        alone.enqueue_trial(dict(coordinates))
    return alone.ask(dict(distributions)).params


def distribution(searched: Range) -> BaseDistribution:
    """Return the distribution of a range's coordinate.

    Args:
        searched: The range.
    """
    if searched.choices is not None:
        return CategoricalDistribution(cast(Sequence[CategoricalChoiceType], searched.grid(0)))
    low, high = searched.bounds
    if searched.integer:
        return IntDistribution(round(low), round(high), log=searched.scale == "log", step=round(searched.step or 1))
    return FloatDistribution(low, high, log=searched.scale != "linear", step=searched.step)


def grid_sampler(*, ranges: Mapping[str, Range], n_points: int, study_seed: int) -> optuna.samplers.BaseSampler:
    """Return a sampler over a grid: `n_points` along each interval, at equal distances on its scale, and all choices.

    Args:
        ranges: The searched ranges, by argument.
        n_points: Number of points along each interval, both ends included.
        study_seed: Seed of the order of the grid's points.
    """
    space: dict[str, Any] = {searched.coordinate: list(searched.grid(n_points)) for searched in ranges.values()}
    return optuna.samplers.GridSampler(space, seed=study_seed)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide Optuna's warnings of experimental features, which the user chose by name."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
