"""The identity of a study: its settings, and the data, code and architecture from which its numbers come."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from study.config.allowlist import targets_in
from study.config.digests import digest_of_value, settings_of
from study.config.effective_settings import settings_digest
from study.config.instantiate import Unimportable, locate
from study.config.own_source import source_digests
from study.config.schema import StudyConfig
from study.core import seeds
from study.core.contents import Contents, ContentsChange
from study.core.errors import StudyError
from study.core.names import shortened
from study.core.session_objects import PREFIX
from study.datasets import Dataset
from study.search.study_names import KnownStudy, has_results, read_known_studies

# Sections whose code every study of a comparison shares.
_WORKLOAD = ("dataset", "model")
# Their versions are recorded with every run; they are no code that a user chooses by a `_target_`.
_LIBRARIES = frozenset({"keras", "optuna"})


@dataclass(frozen=True, kw_only=True)
class IdentifiedStudy:
    """A study with its identity.

    Attributes:
        config: The study's config, with contents and identity.
        messages: Lines for the user on changes since an earlier study with the same settings. Default: none.
    """

    config: StudyConfig
    messages: tuple[str, ...] = ()


def identify(config: StudyConfig, dataset: Dataset, model: Any) -> IdentifiedStudy:
    """Find the study with these settings and contents, or name a new one beside those with other contents.

    With `accept_changes`, the latest study of these settings goes on with the new contents. So does a study without
    any result, and with `only_trial` any study, which is only read.

    Args:
        config: The study's config.
        dataset: The study's data set.
        model: The study's model, built.

    Raises:
        StoreError: The store of searches cannot be read.
        StudyError: `study_name` belongs to a study with other contents.
    """
    contents = contents_of(config, dataset, model)
    settings = settings_digest(config)
    config = replace(config, contents=contents, identity=digest_of_value([settings, contents.digest]))
    known = read_known_studies(config.stores, config.experiment_name)
    acting = {"": settings} | {study.began_in: settings_digest(study.began(config)) for study in known.values()}
    of_settings = [s for s in known.values() if s.settings_digest == acting[s.began_in] and s.contents]
    namesake = known.get(config.study_name or "")
    # A study of the name that was typed comes first, then the oldest with these contents, then the latest.
    alike = [study for study in of_settings if study.contents[-1].digest == contents.digest]
    earlier = next((study for study in (namesake, *alike, *reversed(of_settings)) if study in of_settings), None)
    if earlier is None:
        return IdentifiedStudy(config=config, messages=tuple(_begun_otherwise(config, settings, known)))
    went_on = replace(config, identity=earlier.digest)
    if earlier in alike:
        return IdentifiedStudy(config=went_on)
    changes = _listed(contents.changes_from(earlier.contents[-1]))
    if config.study_name is not None and namesake is None:
        return IdentifiedStudy(config=config, messages=(f"changed since {earlier.name}: {changes}.",))
    if config.only_trial is not None:  # such as after the repair of a model
        lines = (f"changed since {earlier.name}: {changes}. Its trial is trained with what is there now.",)
        return IdentifiedStudy(config=went_on, messages=lines)
    if config.accept_changes:
        lines = (f"{earlier.name} goes on with changes that you accepted: {changes}.",)
        return IdentifiedStudy(config=went_on, messages=lines)
    if not has_results(config.stores, config.experiment_name, earlier.name):  # as after the repair of a model
        lines = (f"changed since {earlier.name} began: {changes}. It had no result yet, so it goes on.",)
        return IdentifiedStudy(config=went_on, messages=lines)
    if namesake is earlier:
        raise StudyError(
            f"study_name={namesake.name}: this study of {config.experiment_name} has other contents: {changes}. "
            "Choose another study_name for a new study, or continue this one all the same with accept_changes=true."
        )
    return _begin_beside(config, earlier)


def _begin_beside(config: StudyConfig, earlier: KnownStudy) -> IdentifiedStudy:
    """Name a new study beside an earlier one with other contents."""
    contents = cast(Contents, config.contents)
    changes = contents.changes_from(earlier.contents[-1])
    name = shortened(f"{config.labels[0]}-{_suffix(contents, changes)}")
    message = (
        f"changed since {earlier.name}: {_listed(changes)}. So this is a new study, {name}. "
        f"To continue {earlier.name} all the same, {_accepting(config)}."
    )
    return IdentifiedStudy(config=replace(config, labels=(name,)), messages=(message,))


def contents_of(config: StudyConfig, dataset: Dataset, model: Any) -> Contents:
    """Return the digests of a study's data, code and architecture; the same in every folder and on every backend.

    Args:
        config: The study's config.
        dataset: The study's data set.
        model: The study's model, built.
    """
    from study.training.architecture import architecture_digest, architecture_text  # imports Keras
    from study.training.initial_weights import given_weights

    settings = settings_of(config.raw, experiment_name=config.experiment_name)
    targets, workload = _names(settings), _names([settings.get(key) for key in _WORKLOAD])
    sizes = " + ".join(str(len(split)) for split in dataset.splits.values())
    shared = [source_digests(workload), _versions(workload)]
    return Contents(
        data=dataset.digest,
        data_text=f"{sizes} examples of shape {dataset.input_shape}",
        architecture=architecture_digest(model),
        architecture_text=architecture_text(model),
        source=source_digests(targets),
        versions={**_versions(targets), "seeds": str(seeds.VERSION)},
        workload_code=digest_of_value(shared),
        weights=given_weights(model),
    )


def _names(section: Any) -> list[str]:
    """Return the different targets of a part of a config."""
    return list(dict.fromkeys(target for _, target in targets_in(section) if isinstance(target, str)))


def _versions(targets: list[str]) -> dict[str, str]:
    """Return the version of the numbers of this project's targets, and the releases of other installed packages."""
    found = {}
    for target in targets:
        package = target.partition(".")[0]
        if package == "study":
            with contextlib.suppress(Unimportable):
                found[target] = version_of(target)
        elif package not in {*_LIBRARIES, PREFIX} and (distributions := _owners().get(package)):
            found[package] = importlib.metadata.version(distributions[0])
    return found


@functools.cache  # takes a tenth of a second, and most configs name no other package
def _owners() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def version_of(target: str) -> str:
    """Return the version of the numbers of a part of this project: `NUMBERS_VERSION` of its module; 1 without one.

    A change that gives other numbers for the same settings must raise this version. Else
    tests/test_numbers_of_parts.py fails.

    Args:
        target: Dotted path of the part, such as `study.models.mlp.build`.

    Raises:
        Unimportable: The part cannot be imported.
    """
    home = sys.modules[locate(target).__module__]
    return str(getattr(home, "NUMBERS_VERSION", 1))


def _begun_otherwise(config: StudyConfig, settings: str, known: Mapping[str, KnownStudy]) -> Iterator[str]:
    """Say which studies of the same typed settings are not continued, and the reason."""
    for study in known.values():
        if study.typed_digest != config.typed_digest:
            continue
        if not study.contents:
            yield (
                f"{study.name} was recorded by an earlier version of this project, without the digests of its data "
                "and code, so it is not known whether they are the same. This is a new study beside it."
            )
        elif study.settings_digest != settings:
            yield (
                f"{study.name}: its settings as typed act in another way now, for example by the direction of the "
                "metric or by a default. This is a new study beside it."
            )


def _accepting(config: StudyConfig) -> str:
    is_of_session = any(target.startswith(f"{PREFIX}.") for target in _names(config.raw))
    return 'give compare() overrides=["accept_changes=true"]' if is_of_session else "set accept_changes=true"


def _suffix(contents: Contents, changes: tuple[ContentsChange, ...]) -> str:
    """Return what tells the new study from the old one, such as `data-3f2a91`; the same for every worker."""
    digests = {
        "data": contents.data[:6],
        "code": contents.code,
        "model": (contents.weights or contents.architecture)[:6],
    }
    kinds = list(dict.fromkeys(change.kind for change in changes))
    kinds = [kind for kind in kinds if kind != "model" or kinds == ["model"]]  # a cause tells more than its effect
    return "-".join(f"{kind}-{digests[kind]}" for kind in kinds)


def _listed(changes: tuple[ContentsChange, ...]) -> str:
    return "; ".join(map(str, changes))
