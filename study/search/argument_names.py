"""A search whose store shows each trial by its arguments, such as `beta_1`, for other programs that read the store.

Samplers draw `one_minus_beta_1`, and see the trials by these coordinates: a sampler's numbers depend on the names, by
whose order it goes, and on the last bit of every value. So the store has both: `beta_1` as the trial's parameter, and
the drawn number, which is not exactly one minus it, as a system attribute.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Container, Mapping
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from study.core.search_space import Range
from study.search.optuna_internals import storage_of, study_id, trial_id
from study.search.samplers import distribution

# The system attribute of an enqueued trial with its given parameters, in Optuna 5.0.
_FIXED = "fixed_params"


def by_coordinates(optuna_study: optuna.Study, ranges: Mapping[str, Range]) -> optuna.Study:
    """Return a study whose trials have the coordinates that are drawn, while its store shows their arguments.

    A study that began with the coordinates in its store, as all did in earlier versions, goes on with them.

    Args:
        optuna_study: The study.
        ranges: The searched ranges, by argument.
    """
    turned = {
        searched.coordinate: searched for searched in ranges.values() if searched.coordinate != searched.argument
    }
    if not turned:
        return optuna_study
    storage = storage_of(optuna_study)
    view = _ByCoordinates(storage, turned, writes=not _began_with(optuna_study, turned))
    return optuna.load_study(
        study_name=optuna_study.study_name,
        storage=cast(optuna.storages.BaseStorage, view),
        sampler=optuna_study.sampler,
        pruner=optuna_study.pruner,
    )


def _began_with(optuna_study: optuna.Study, turned: Mapping[str, Range]) -> bool:
    """Return whether the first trial that has parameters has the coordinates in the store."""
    storage, of = storage_of(optuna_study), study_id(optuna_study)
    for number in itertools.count():
        try:
            found = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(of, number))
        except KeyError:
            return False
        if found.params:
            return bool(turned.keys() & found.params.keys())
    raise AssertionError("unreachable")


class _ByCoordinates:
    """Optuna's storage with trials by their coordinates. What it does not define is the storage's own.

    Trials that the store has by coordinates are returned as they are.

    Args:
        storage: The storage.
        turned: The ranges whose coordinate is not the argument, by coordinate.
        writes: True to write arguments; False to write the coordinates.
    """

    def __init__(self, storage: optuna.storages.BaseStorage, turned: Mapping[str, Range], *, writes: bool) -> None:
        self._storage, self._turned, self._writes = storage, turned, writes
        self._known: dict[int, tuple[FrozenTrial, FrozenTrial]] = {}

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the storage."""
        return getattr(self._storage, name)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial and return its id.

        Args:
            study_id: Id of the study.
            template_trial: The trial by its coordinates. None (the default): a running one without parameters.
        """
        if template_trial is not None and self._writes:
            template_trial = _by_arguments(template_trial, self._turned)
        return self._storage.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Write a coordinate. The drawn number comes first: the parameter shows that both are there.

        Args:
            trial_id: Id of the trial.
            param_name: The coordinate.
            param_value_internal: The drawn number.
            distribution: The distribution of the coordinate.
        """
        if self._writes and (searched := self._turned.get(param_name)) is not None:
            self._storage.set_trial_system_attr(trial_id, param_name, param_value_internal)
            param_name, param_value_internal = searched.argument, _shown(searched, param_value_internal)
            distribution = _shown_distribution(searched)
        self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial by its coordinates.

        Args:
            trial_id: Id of the trial.
        """
        return _turned(self._storage.get_trial(trial_id), self._turned)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study by their coordinates.

        Args:
            study_id: Id of the study.
            deepcopy: Return copies that can be changed. Default True, as in Optuna.
            states: The states of the trials. None (the default): all.
        """
        found = [self._turn(trial) for trial in self._storage.get_all_trials(study_id, deepcopy=False, states=states)]
        return copy.deepcopy(found) if deepcopy else found

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial by its coordinates.

        Args:
            study_id: Id of the study.
        """
        return _turned(self._storage.get_best_trial(study_id), self._turned)

    def get_trial_params(self, trial_id: int) -> dict[str, Any]:
        """Return the coordinates of a trial.

        Args:
            trial_id: Id of the trial.
        """
        return self.get_trial(trial_id).params

    def get_trial_param(self, trial_id: int, param_name: str) -> float:
        """Return a coordinate of a trial as Optuna's stores have it.

        Args:
            trial_id: Id of the trial.
            param_name: The coordinate.
        """
        found = self.get_trial(trial_id)
        return found.distributions[param_name].to_internal_repr(found.params[param_name])

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Return the system attributes of a trial, with coordinates for the given parameters.

        Args:
            trial_id: Id of the trial.
        """
        return self.get_trial(trial_id).system_attrs

    def _turn(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial of the store by its coordinates; one that has not changed since is turned only once.

        Optuna's stores replace a trial that changes, and pruners read all trials of a batch for each of its trials.
        """
        number = trial_id(trial)
        known = self._known.get(number)
        if known is None or known[0] is not trial:
            known = self._known[number] = trial, _turned(trial, self._turned)
        return known[1]


def _by_arguments(trial: FrozenTrial, turned: Mapping[str, Range]) -> FrozenTrial:
    """Return a trial by its arguments, with the drawn numbers in its system attributes."""
    given = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
    drawn = {name: value for name, value in given.items() if name in turned}
    names = {name: searched.argument for name, searched in turned.items()}
    arguments = {name: _shown(turned[name], value) for name, value in drawn.items()}
    return _with_names(
        trial,
        names,
        values=arguments,
        distributions={name: _shown_distribution(turned[name]) for name in drawn},
        system_attrs={**trial.system_attrs, **drawn},
    )


def _turned(trial: FrozenTrial, turned: Mapping[str, Range]) -> FrozenTrial:
    """Return a trial by its coordinates, the inverse of `_by_arguments`; a new one, which Optuna may change."""
    attrs, given = trial.system_attrs, {**trial.system_attrs.get(_FIXED, {}), **trial.params}
    found = {searched.argument: searched for searched in turned.values() if searched.argument in given}
    return _with_names(
        trial,
        {name: searched.coordinate for name, searched in found.items()},
        values={n: attrs.get(searched.coordinate, searched.drawn(given[n])) for n, searched in found.items()},
        distributions={name: distribution(searched) for name, searched in found.items()},
        system_attrs={name: value for name, value in attrs.items() if name not in turned},
    )


def _with_names(
    trial: FrozenTrial,
    names: Mapping[str, str],
    *,
    values: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    system_attrs: Mapping[str, Any],
) -> FrozenTrial:
    """Return a copy of a trial with other names, values and distributions for some parameters, by their old names."""
    changed = copy.copy(trial)
    changed.params = {names.get(name, name): values.get(name, value) for name, value in trial.params.items()}
    changed.distributions = {
        names.get(name, name): distributions.get(name, each) for name, each in trial.distributions.items()
    }
    fixed = {names.get(n, n): values.get(n, value) for n, value in system_attrs.get(_FIXED, {}).items()}
    changed.system_attrs = {**system_attrs, **({_FIXED: fixed} if fixed else {})}
    return changed


def _shown(searched: Range, drawn: float) -> float:
    """Return the argument of a drawn number, inside its range, which the subtraction can leave by rounding."""
    return min(max(cast(float, searched.value(drawn)), cast(float, searched.low)), cast(float, searched.high))


def _shown_distribution(searched: Range) -> BaseDistribution:
    """Return the distribution of an argument in the store: Optuna has none that is logarithmic towards one."""
    return FloatDistribution(cast(float, searched.low), cast(float, searched.high))
