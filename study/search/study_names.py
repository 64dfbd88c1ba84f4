"""Names and digests, which identify the studies in the store of searches."""

from __future__ import annotations

from collections.abc import Mapping

import optuna

from study.config.schema import Stores, StudyConfig
from study.core.errors import StudyError
from study.search.claims import is_of_claims
from study.search.storage.interface import read_storage

# The attribute of an Optuna study that holds our digest.
DIGEST = "digest"


def check_name(config: StudyConfig) -> None:
    """Check, without writing anything, that the store opens and that `study_name` is not another study's.

    Args:
        config: The study's config.

    Raises:
        StoreError: The store cannot be read.
        StudyError: `study_name` belongs to another study.
    """
    if (storage := read_storage(config.stores)) is not None:
        choose_name(config, known_studies(storage, config.experiment_name))


def choose_name(config: StudyConfig, known: Mapping[str, str]) -> str:
    """Name a study in its experiment: the explicit name, or the name of the study with the same digest, or a new one.

    Args:
        config: The study's config.
        known: Digests of the experiment's studies, by name.

    Raises:
        StudyError: `study_name` belongs to another study.
    """
    if config.study_name is not None:
        if known.get(config.study_name, config.digest) != config.digest:
            raise StudyError(
                f"study_name={config.study_name}: this name belongs to another study of {config.experiment_name} "
                f"(digest {known[config.study_name]}, this one is {config.digest}). Choose another study_name, or "
                "leave it out: the study is then named by the settings in which it differs."
            )
        return config.study_name
    for name, digest in known.items():
        if digest == config.digest:
            return name
    free = (label for label in config.labels if label not in known)
    return next(free, f"{config.labels[-1]}-{config.digest[:6]}")


def known_digests(stores: Stores, experiment: str) -> frozenset[str]:
    """Return the digests of an experiment's studies; none if there is no store yet.

    Args:
        stores: The places of results.
        experiment: Name of the experiment.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    return frozenset() if storage is None else frozenset(known_studies(storage, experiment).values())


def count_studies(stores: Stores) -> int:
    """Return the number of studies in the store of searches.

    Args:
        stores: The places of results.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    studies = [] if storage is None else storage.get_all_studies()
    return sum(not is_of_claims(study.study_name) for study in studies)


def known_studies(storage: optuna.storages.BaseStorage, experiment: str) -> dict[str, str]:
    """Return the digests of an experiment's studies, by name.

    Args:
        storage: Optuna's storage.
        experiment: Name of the experiment.
    """
    prefix = f"{experiment}/"
    return {
        frozen.study_name.removeprefix(prefix): str(frozen.user_attrs[DIGEST])
        for frozen in storage.get_all_studies()
        # A process that was killed before it wrote the digest has left an empty study. The name of this study is free.
        if frozen.study_name.startswith(prefix) and DIGEST in frozen.user_attrs
    }
