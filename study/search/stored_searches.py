"""List, delete and rename the studies in the store of searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.config.schema import Stores
from study.core.readable_output import in_one_line
from study.search.optuna_internals import trial_id
from study.search.storage.interface import is_open, read_storage
from study.search.stored_claims import all_claims, claims_of, confirmed_last, is_of_claims
from study.search.study_names import BEGAN_IN, DIGEST, EXPERIMENT, NAME
from study.search.trial_index import NUMBER


@dataclass(frozen=True, kw_only=True)
class StoredSearch:
    """A study in the store of searches.

    Attributes:
        experiment: Name of the experiment, with control characters written out.
        name: Name of the study in its experiment, likewise.
        digest: Digest that identifies the study.
        optuna_name: Name of the Optuna study.
        n_ended: Number of trials that ended.
        confirmed: Keys of the confirmations that workers have trained, each of the point that was confirmed last.
        is_open: True if a living worker has the study open.
    """

    experiment: str
    name: str
    digest: str
    optuna_name: str
    n_ended: int
    confirmed: tuple[str, ...]
    is_open: bool


# Returns the studies in a store of searches; a command that needs them twice reads them once.
Searches = Callable[[], Sequence[StoredSearch]]


def list_searches(stores: Stores) -> list[StoredSearch]:
    """Return all studies in the store of searches, the oldest first; none if there is no store.

    Args:
        stores: The places of results.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    if storage is None:
        return []
    return [
        _stored(stores, storage, frozen.study_name, frozen.user_attrs)
        for frozen in storage.get_all_studies()
        if DIGEST in frozen.user_attrs and not is_of_claims(frozen.study_name)
    ]


def _stored(
    stores: Stores, storage: optuna.storages.BaseStorage, optuna_name: str, attrs: Mapping[str, Any]
) -> StoredSearch:
    experiment, name = _names(optuna_name, attrs)
    digest = str(attrs[DIGEST])
    claims = all_claims(storage, optuna_name)
    study_id = storage.get_study_id_from_name(optuna_name)
    return StoredSearch(
        experiment=in_one_line(experiment),
        name=in_one_line(name),
        digest=digest,
        optuna_name=optuna_name,
        n_ended=_n_ended(storage, optuna_name),
        confirmed=confirmed_last(claims),
        is_open=is_open(
            stores,
            digest=digest,
            running=[*_running(storage, optuna_name), *_running(storage, claims_of(optuna_name))],
            claiming=(study_id, {claim.worker for claim in claims if claim.state == "held"}),
        ),
    )


def delete_searches(stores: Stores, searches: Sequence[StoredSearch]) -> None:
    """Delete studies with their trials and claims; call this while the store is held.

    Args:
        stores: The places of results.
        searches: The studies.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    if storage is None:
        return
    names = {name for search in searches for name in (search.optuna_name, claims_of(search.optuna_name))}
    for frozen in storage.get_all_studies():
        if frozen.study_name in names:
            storage.delete_study(storage.get_study_id_from_name(frozen.study_name))


def rename_searches(
    stores: Stores, searches: Sequence[StoredSearch], *, name: str | None = None, experiment: str | None = None
) -> None:
    """Give a study another name, or studies another experiment; call this while the store is held.

    The digests of the studies stay, and the first name of their experiment is kept with them.

    Args:
        stores: The places of results.
        searches: The studies.
        name: The new name of the study. None (the default): it stays.
        experiment: The new name of the experiment. None (the default): it stays.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    if storage is None:
        return
    for search in searches:
        study_id = storage.get_study_id_from_name(search.optuna_name)
        attrs = storage.get_study_user_attrs(study_id)
        # A study of an earlier version has its names in Optuna's name alone.
        old_experiment, old_name = _names(search.optuna_name, attrs)
        changed = {NAME: name or old_name, EXPERIMENT: experiment or old_experiment}
        if experiment is not None:
            changed = {BEGAN_IN: str(attrs.get(BEGAN_IN, old_experiment)), **changed}
        for key, value in changed.items():
            storage.set_study_user_attr(study_id, key, value)


def _names(optuna_name: str, attrs: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of a study's experiment and of the study, as they are stored."""
    first, _, rest = optuna_name.rpartition("/")
    return str(attrs.get(EXPERIMENT, first)), str(attrs.get(NAME, rest))


def _running(storage: optuna.storages.BaseStorage, optuna_name: str) -> list[int]:
    return [trial_id(t) for t in _trials(storage, optuna_name) if t.state == TrialState.RUNNING]


def _trials(storage: optuna.storages.BaseStorage, optuna_name: str) -> list[FrozenTrial]:
    try:
        study_id = storage.get_study_id_from_name(optuna_name)
    except KeyError:  # a worker died before it made the study of the claims
        return []
    return storage.get_all_trials(study_id, deepcopy=False)


def _n_ended(storage: optuna.storages.BaseStorage, optuna_name: str) -> int:
    """Return the number of different trial numbers of ended trials: a number may be trained again."""
    study_id = storage.get_study_id_from_name(optuna_name)
    ended = [trial for trial in storage.get_all_trials(study_id, deepcopy=False) if trial.state.is_finished()]
    return len({trial.user_attrs.get(NUMBER) for trial in ended} - {None})
