"""The settings of a study by their effect: written-out and left-out defaults give the same digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from study.config.digests import digest_of_value, settings_of
from study.config.instantiate import Unimportable, parameters
from study.config.schema import StudyConfig

_UNSET = object()


def settings_digest(config: StudyConfig) -> str:
    """Return the digest of the settings by their effect: twelve hexadecimal digits.

    An argument with its default value is left out, so that writing out a default changes nothing. In the section
    `optimizer`, null means the default, and a range of a fixed argument has no effect.

    Args:
        config: The study's config.
    """
    settings = settings_of(config.raw, experiment_name=config.experiment_name)
    optimizer = {
        "name": config.optimizer.name,
        "_target_": config.optimizer.target,
        "fixed": _without_defaults(config.optimizer.fixed, _defaults(config.optimizer.target)),
        "ranges": {argument: searched.parameters for argument, searched in config.optimizer.ranges.items()},
    }
    if config.optimizer.exclude is not None:
        optimizer["exclude"] = _acting(asdict(config.optimizer.exclude))
    # A sampler with n_startup_trials proposes fewer trials at once than one without.
    acting = {key: value if key == "sampler" else _acting(value) for key, value in settings.items()}
    # `auto` is the metric's own direction; the section `objective` acts, the data set's only fills it.
    acting.get("dataset", {}).get("task", {}).pop("objective", None)
    objective = {**acting.get("objective", {}), "direction": config.objective.direction}
    if config.searched:
        acting["search"] = {key: searched.parameters for key, searched in config.searched.items()}
    return digest_of_value({**acting, "optimizer": optimizer, "objective": objective})


def _acting(value: Any) -> Any:
    """Leave out the arguments that have their default, in every section with a `_target_`."""
    if isinstance(value, list):
        return [_acting(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    target = value.get("_target_")
    kept = _without_defaults(value, _defaults(target)) if isinstance(target, str) else value
    return {key: _acting(inner) for key, inner in kept.items()}


def _without_defaults(section: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if not _is_default(value, defaults.get(key, _UNSET))}


def _is_default(value: Any, default: Any) -> bool:
    if default is _UNSET or isinstance(value, bool) != isinstance(default, bool):
        return False
    given = list(value) if isinstance(value, tuple) else value
    return bool(given == (list(default) if isinstance(default, tuple) else default))


def _defaults(target: str) -> dict[str, Any]:
    try:
        found = parameters(target)
    except Unimportable:
        return {}
    return {name: each.default for name, each in found.items() if each.default is not each.empty}
