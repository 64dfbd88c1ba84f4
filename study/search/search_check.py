"""Build a study's sampler and its pruner once while the config is checked, and let each decide once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import optuna

from study.config.instantiate import instantiate, parameters
from study.config.schema import Component, StudyConfig
from study.core.errors import Fault, blamed
from study.core.search_space import n_grid_points
from study.search.samplers import build_sampler, distribution, quiet

# Optuna makes a list of all points of a grid for each proposal.
_MAX_GRID = 100_000
# Largest number of trials that a sampler is given before it proposes one.
_MAX_STARTUP = 30
_N_EPOCHS = 3


def search_faults(config: StudyConfig) -> list[Fault]:
    """Return the faults of the sampler and of the pruner.

    Each is built and used once in a scratch study in memory.

    Args:
        config: The study's config.
    """
    if faults := _grid_faults(config):
        return faults
    parts = {"sampler": (config.sampler, _propose), "pruner": (config.pruner, _judge)}
    for key, (part, use) in parts.items():
        if error := _raised(use, config):
            works = partial(_works_without, use, config, key)
            faults.append(blamed(key, part.section, error, name=part.name, works_without=works))
    return faults


def _grid_faults(config: StudyConfig) -> list[Fault]:
    if not config.has_grid:
        return []
    n, key = config.sampler.section.get("n_points"), "sampler.n_points"
    if not isinstance(n, int) or isinstance(n, bool) or n < 2:
        return [Fault(key=key, value=n, allowed="a whole number of at least 2", advice=f"Set {key} to 2 or more.")]
    total = n_grid_points(config.ranges, n)
    if config.searched and total > config.budget.n_trials:
        allowed = f"a grid of at most budget.n_trials={config.budget.n_trials} points, and this one has {total}"
        advice = f"Set budget.n_trials={total}, lower {key}, or choose sampler=random."
        return [Fault(key=key, value=n, allowed=allowed, advice=advice)]
    if total <= _MAX_GRID:
        return []
    axes = ", ".join(config.ranges)
    allowed = f"a grid of at most {_MAX_GRID} points, and this one over {axes} has {total:.3g}"
    return [
        Fault(key=key, value=n, allowed=allowed, advice=f"Lower {key}, or search less: optimizer.search_only=[...].")
    ]


def _propose(config: StudyConfig) -> None:
    """Let the sampler propose a trial after its start-up. A Gaussian process, which takes seconds, is only built."""
    sampler = build_sampler(config, trial_number=0)
    ranges = config.ranges.values()
    if not ranges or isinstance(sampler, optuna.samplers.GPSampler):
        return
    distributions = {searched.coordinate: distribution(searched) for searched in ranges}
    scratch = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for value in range(min(config.n_startup, _MAX_STARTUP) + 1):
        scratch.tell(scratch.ask(distributions), float(value))
    scratch.sampler = sampler
    scratch.ask(distributions)


def _judge(config: StudyConfig) -> None:
    """Let the pruner judge two trials after each of their epochs."""
    scratch = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), pruner=instantiate(config.pruner.section)
    )
    for value in (1.0, 2.0):
        trial = scratch.ask()
        for epoch in range(_N_EPOCHS):
            trial.report(value, step=epoch)
            trial.should_prune()
        scratch.tell(trial, value)


def _works_without(use: Callable[[StudyConfig], None], config: StudyConfig, key: str, argument: str) -> bool:
    """Return whether a part can be used with the default of an argument; False if the argument has none."""
    part: Component = getattr(config, key)
    known = parameters(part.section["_target_"])
    if argument not in known or known[argument].default is inspect.Parameter.empty:
        return False
    changed: Any = {key: replace(part, section={**part.section, argument: known[argument].default})}
    return _raised(use, replace(config, **changed)) is None


def _raised(use: Callable[[StudyConfig], None], config: StudyConfig) -> Exception | None:
    """Return the exception of a use; None if it succeeds."""
    try:
        with quiet():
            use(config)
    except Exception as error:  # a class of the user's can fail in any way
        return error
    return None
