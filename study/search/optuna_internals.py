"""Access to the private members of Optuna 5.0, all in one place.

Optuna may change them in any release. So `check_version` refuses every other version before a study is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from study.core.errors import StudyError
from study.core.search_space import Value

VERSION = "5.0"


def check_version() -> None:
    """Refuse a version of Optuna that this module was not written for.

    Raises:
        StudyError: Another version of Optuna is installed.
    """
    if not _is_known():
        raise StudyError(
            f"optuna=={optuna.__version__}: expected Optuna {VERSION}.x, since the search uses private parts of it. "
            f"Install it: pip install 'optuna~={VERSION}.0'."
        )


def trial_id(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the id of a trial in its storage (`_trial_id` in Optuna 5.0)."""
    return trial._trial_id


def study_id(optuna_study: optuna.Study) -> int:
    """Return the id of a study in its storage (`_study_id` in Optuna 5.0)."""
    return optuna_study._study_id


def storage_of(optuna_study: optuna.Study) -> optuna.storages.BaseStorage:
    """Return the storage of a study (`_storage` in Optuna 5.0)."""
    return optuna_study._storage


def database_of(storage: optuna.storages.BaseStorage) -> optuna.storages.RDBStorage:
    """Return the database behind the cache that `get_storage` puts before it (`_backend` in Optuna 5.0).

    Args:
        storage: The cache.

    Raises:
        TypeError: The storage is not a database behind a cache.
    """
    database = getattr(storage, "_backend", None)
    if not isinstance(database, optuna.storages.RDBStorage):
        raise TypeError(f"{type(storage).__name__}: expected a cached RDBStorage, as Optuna {VERSION} returns one")
    return database


def add_trial(optuna_study: optuna.Study, template: FrozenTrial) -> int:
    """Add a trial to a study and return its id (`_thread_local.cached_all_trials` in Optuna 5.0).

    `Study.ask` would read all trials to look for enqueued ones, and write each attribute separately. Like `ask`, this
    function empties the cache from which a sampler reads the study's trials.

    Args:
        optuna_study: The study.
        template: The trial, which gets an id and a number of its own.
    """
    optuna_study._thread_local.cached_all_trials = None
    return storage_of(optuna_study).create_new_trial(study_id(optuna_study), template)


def draw(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    """Draw a parameter of a trial and write it (`_suggest` in Optuna 5.0).

    The public `suggest_float` and similar methods take bounds or choices, not a distribution.

    Args:
        trial: The trial.
        name: Name of the parameter.
        distribution: The distribution to draw from.
    """
    trial._suggest(name, distribution)


def fixed_params(coordinates: Mapping[str, Value]) -> dict[str, Any]:
    """Return the system attributes of a trial that fix some of its parameters (`fixed_params` in Optuna 5.0).

    Args:
        coordinates: Values of these parameters, by name.
    """
    return {"fixed_params": dict(coordinates)} if coordinates else {}


def fix_search_space(sampler: optuna.samplers.BaseSampler, space: Mapping[str, BaseDistribution]) -> None:
    """Have a sampler draw from a known space (`infer_relative_search_space` as Optuna 5.0 calls it).

    Otherwise the quasi-random sampler looks through all earlier trials for the space of the first one.

    Args:
        sampler: The sampler, which is changed.
        space: Distributions by parameter.
    """
    sampler.infer_relative_search_space = lambda *_: dict(space)  # type: ignore[method-assign]


def _is_known() -> bool:
    return optuna.__version__.split(".")[:2] == VERSION.split(".")
