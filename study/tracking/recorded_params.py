"""Params of a study's run: each value once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Params of earlier versions that are the tag of a study, and the name of its experiment.
_ELSEWHERE = ("optimizer", "experiment_name")
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
