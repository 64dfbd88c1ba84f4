"""Access to the private members of Optuna 5.0, all in one place.

Optuna may change them in any release. So `check_version` refuses every other version before a study is opened.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Container, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from study.core.deferred_import import absent, deferred
from study.core.errors import StudyError
from study.core.search_space import Value

VERSION = "5.0"
# Modules that import scikit-learn for its `RandomForestRegressor`.
_FOREST_MODULES = ("optuna.importance._fanova._fanova", "optuna.importance._mean_decrease_impurity")


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


def plot_function(name: str) -> Callable[[optuna.Study], Any]:
    """Return a function of `optuna.visualization`, such as `plot_slice` (in its module `_slice` in Optuna 5.0).

    The whole of `optuna.visualization` imports Matplotlib, for other plots, which takes most of the time. It is
    imported if someone uses it, or with another version of Optuna.

    Args:
        name: The function's name without `plot_`.
    """
    if not _is_known():
        return getattr(optuna.visualization, f"plot_{name}")  # type: ignore[no-any-return]
    with deferred(["optuna.visualization"]):
        module = importlib.import_module(f"optuna.visualization._{name}")
    return getattr(module, f"plot_{name}")  # type: ignore[no-any-return]


def import_importance() -> None:
    """Import `optuna.importance` without scikit-learn, which the modules `_FOREST_MODULES` of Optuna 5.0 import.

    scikit-learn is imported with the first random forest. Other versions of Optuna are imported whole.
    """
    if not _is_known() or "sklearn" in sys.modules or "optuna.importance" in sys.modules:
        importlib.import_module("optuna.importance")
        return
    with absent("sklearn"):
        importlib.import_module("optuna.importance")
    for name in _FOREST_MODULES:
        module: Any = sys.modules[name]
        module.RandomForestRegressor = _forest
        module._imports._deferred = None  # the error that scikit-learn was not found


def _forest(**arguments: Any) -> Any:
    """Return a random forest of scikit-learn, which is imported here."""
    return importlib.import_module("sklearn.ensemble").RandomForestRegressor(**arguments)


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


class StudySnapshot(optuna.Study):
    """A study whose trials were read once, for plots (`Study.__init__`, `_storage` and `_study_id` in Optuna 5.0).

    The trials are returned without a copy, since plots do not change them.

    Args:
        optuna_study: The study.
    """

    def __init__(self, optuna_study: optuna.Study) -> None:
        super().__init__(optuna_study.study_name, storage_of(optuna_study))
        self._trials = self._storage.get_all_trials(self._study_id, deepcopy=False)

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the trials of some states.

        Args:
            deepcopy: Ignored: trials are never copied. Default True, as in Optuna.
            states: The states. None (the default): all.
        """
        del deepcopy
        return [trial for trial in self._trials if states is None or trial.state in states]


def _is_known() -> bool:
    return optuna.__version__.split(".")[:2] == VERSION.split(".")
