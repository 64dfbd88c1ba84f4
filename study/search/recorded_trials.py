"""Ended trials of a search as plain records, and Optuna's trials made of such records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from study.config.schema import StudyConfig
from study.core.records import SearchedTrial
from study.core.search_space import to_arguments, to_coordinates
from study.core.seeds import trial_run_seed
from study.core.trainer_interface import State
from study.search.trial_index import ERROR, NUMBER, RUN_SEED, STATE

_STATES = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def recorded_trial(config: StudyConfig, frozen: FrozenTrial) -> SearchedTrial:
    """Return an ended trial of a search as a record.

    Args:
        config: The study's config.
        frozen: The trial, with all coordinates of its point.
    """
    reported = frozen.intermediate_values
    value = frozen.value if frozen.state == TrialState.COMPLETE else reported[max(reported)] if reported else None
    point = to_arguments(config.ranges, frozen.params)
    return SearchedTrial(
        number=frozen.user_attrs[NUMBER],
        hyperparameters=config.hyperparameters(point),
        run_seed=frozen.user_attrs[RUN_SEED],
        state=cast(State, frozen.user_attrs.get(STATE, "failed")),
        objective=math.nan if value is None else value,
        error=frozen.user_attrs.get(ERROR),
        reports=reported,
    )


def as_template(
    config: StudyConfig, trial: SearchedTrial, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial | None:
    """Return a recorded trial as one of Optuna's, to be added to a search; None if it is not of this study.

    Args:
        config: The study's config.
        trial: The record.
        distributions: Distributions of the study's coordinates, by name.
    """
    ranges, given = config.ranges, trial.hyperparameters
    is_complete = trial.state not in _STATES
    if not ranges.keys() <= given.keys() or not all(ranges[name].holds(given[name]) for name in ranges):
        return None
    if trial.run_seed != trial_run_seed(config.study_seed, trial.number):
        return None
    if is_complete and not math.isfinite(trial.objective):
        return None
    attributes = {NUMBER: trial.number, RUN_SEED: trial.run_seed, STATE: trial.state}
    return optuna.create_trial(
        state=_STATES.get(trial.state, TrialState.COMPLETE),
        params=to_coordinates(ranges, {name: given[name] for name in ranges}),
        distributions=dict(distributions),
        value=trial.objective if is_complete else None,
        intermediate_values=dict(trial.reports),
        user_attrs=attributes if trial.error is None else {**attributes, ERROR: trial.error},
    )
