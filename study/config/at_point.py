"""The config of one trial: the study's config with the values of a point."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from study.config.parse import read_parts
from study.config.schema import StudyConfig
from study.core.search_space import Value, frozen, of_config


def at(config: StudyConfig, hyperparameters: Mapping[str, Value]) -> StudyConfig:
    """Return the config of one trial, from which its model, schedule, loss and batches are built.

    The optimizer's arguments stay with the trial. The study is the same: its identity, seeds and stores.

    Args:
        config: The study's config.
        hyperparameters: The trial's hyperparameters, or some of them; a dot in its name makes one a key of the config.

    Returns:
        The study's own config if it has these values.
    """
    values = {key: value for key, value in of_config(hyperparameters).items() if not _has(config, key, value)}
    if not values:
        return config
    raw = with_values(config.raw, values)
    return replace(config, raw=raw, identity=config.digest, **read_parts(raw))


def with_values(raw: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Return a config with other values for some keys.

    Args:
        raw: The resolved config.
        values: The values, by dotted key.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    for key, value in values.items():
        *parents, last = key.split(".")
        node: Any = changed
        for part in parents:
            node = node[_place(node, part)]
        node[_place(node, last)] = list(value) if isinstance(value, tuple) else value
    return changed


def _place(node: Any, part: str) -> Any:
    if isinstance(node, list):
        return int(part)
    return int(part) if part.isdecimal() and part not in node and int(part) in node else part


def _has(config: StudyConfig, key: str, value: Value) -> bool:
    """Return whether a config has a value, written out or not."""
    node: Any = config.raw
    for part in key.split("."):
        place = _place(node, part)
        if isinstance(node, Mapping) and place not in node:
            own = config.own_values.get(key, config)  # left out: the default of a signature
            return type(value) is type(own) and value == own
        node = node[place]
    return type(value) is type(frozen(node)) and value == frozen(node)
