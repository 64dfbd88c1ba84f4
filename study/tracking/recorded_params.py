"""Params of a study's run: each value once, and first what a comparison of runs in MLflow shows first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

# Params that are for people: they repeat a tag, or what other params say.
OPTIMIZER, RATE = "optimizer", "learning_rate_or_range"
# And the name of the experiment, a param of earlier versions.
_ELSEWHERE = (OPTIMIZER, RATE, "experiment_name")
# Sections of which a built-in file says the target by its name.
_SECTIONS = ("dataset", "model", "optimizer", "pruner", "sampler", "schedule", "trainer")
_LINE = r"^{}: *([^\s#]+)"
# Keys of a data set's own values, and the keys that have the values that a study took.
_COPIES = {
    "dataset.split_seed": "split_seed",
    "dataset.task.batch_size": "trainer.batch_size",
    "dataset.task.objective.direction": "objective.direction",
    "dataset.task.objective.metric": "objective.metric",
    "dataset.task.objective.target": "objective.target",
}


def without_doubles(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's params without those that repeat a tag or another param, which earlier versions recorded.

    Args:
        params: The params, by name.
    """
    copies = {key for key, of in _COPIES.items() if key in params and params[key] == params.get(of)}
    return {key: value for key, value in params.items() if key not in {*copies, *_ELSEWHERE}}


def for_people(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's params without the targets that names say, and with two that say what differs most.

    MLflow's comparison of runs takes the first three params that differ, by name, for its first picture. It cuts their
    values after ten characters, so that targets look alike there.

    Args:
        params: The params, by name.
    """
    targets = dict(_told_targets(params))
    kept = {key: value for key, value in params.items() if key not in targets or value != targets[key]}
    rate = params.get("optimizer.learning_rate", _range_text(params))
    told = {OPTIMIZER: params.get("optimizer.name"), RATE: rate}
    return {**kept, **{key: value for key, value in told.items() if value is not None}}


def with_targets(params: Mapping[str, str]) -> dict[str, str]:
    """Return the recorded params of a study with the targets that names say, as earlier versions recorded them.

    Args:
        params: The params, by name.
    """
    return {**dict(_told_targets(params)), **params}


def _told_targets(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the param and the value of each target that follows from the name of its section."""
    for section in _SECTIONS:
        if (target := _built_in_targets().get((section, str(params.get(f"{section}.name"))))) is not None:
            yield f"{section}._target_", target


def _range_text(params: Mapping[str, Any]) -> str | None:
    """Return the range of the learning rate, such as `1e-05..0.1 log`; None without one."""
    key = "optimizer.search.learning_rate"
    if f"{key}.choices" in params:
        return str(params[f"{key}.choices"])
    if f"{key}.low" not in params:
        return None
    low, high, scale = (params.get(f"{key}.{part}", "") for part in ("low", "high", "scale"))
    return f"{_short(low)}..{_short(high)} {scale}".rstrip()


def _short(value: object) -> str:
    """Return an end of a range without a `.0`: ten characters are shown."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


@cache
def _built_in_targets() -> dict[tuple[str, str], str]:
    """Return the target of each built-in choice that has one, by its section and name."""
    found: dict[tuple[str, str], str] = {}
    for section in _SECTIONS:
        for file in files("study.conf").joinpath(section).iterdir():
            text = file.read_text("utf-8") if file.name.endswith(".yaml") else ""
            name, target = (re.search(_LINE.format(key), text, re.MULTILINE) for key in ("name", "_target_"))
            if name is not None and target is not None and target[1] != "null":
                found[section, name[1]] = target[1]
    return found
