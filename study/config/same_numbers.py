"""Settings in the words of earlier versions, where today's mean the same numbers: their studies then go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.epoch_rules import without_idle_rules
from study.config.losses import SMOOTHING, SPARSE, built_loss
from study.config.task import has_target

_WARMUP_COSINE = "study.optimizers.warmup_cosine.WarmupCosine"
# `conf/schedule/warmup_cosine.yaml` until 2026-11-29, without `name` and `alpha`.
_EARLIER_WARMUP: Mapping[str, Any] = {
    "_target_": "keras.optimizers.schedules.CosineDecay",
    "initial_learning_rate": 0.0,
    "warmup_target": 1.0,
    "warmup_steps": {"fraction_of_steps": 0.05},
    "decay_steps": {"fraction_of_steps": 0.95},
}
_SHARE = "warmup_fraction"


def in_earlier_words(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a study as the first version had them that computed the same numbers.

    - `schedule=warmup_cosine` with a twentieth of the steps is the one of Keras, as long as its class computes so
      (NUMBERS_VERSION 1). A schedule whose numbers are searched stays as it is.
    - Early stopping that stops nothing, and an empty list of callbacks, are left out.
    - A smoothing of 0 is left out. Another one names the class that is built, so that its version counts.

    Args:
        settings: The settings: a resolved config, perhaps without some keys.
    """
    found = dict(settings)
    if isinstance(trainer := settings.get("trainer"), Mapping):
        found["trainer"] = without_idle_rules(trainer)
    schedule, search = settings.get("schedule"), settings.get("search")
    if isinstance(schedule, Mapping) and not (isinstance(search, Mapping) and search.get("schedule")):
        found["schedule"] = _earlier_schedule(schedule)
    dataset = settings.get("dataset")
    task = dataset.get("task") if isinstance(dataset, Mapping) else None
    loss = task.get("loss") if isinstance(task, Mapping) else None
    if isinstance(dataset, Mapping) and isinstance(task, Mapping) and isinstance(loss, Mapping):
        acting = loss if SMOOTHING in str(search) else _acting_losses(loss)
        found["dataset"] = {**dataset, "task": {**task, "loss": acting}}
    return found


def is_earlier_warmup(schedule: Mapping[str, Any]) -> bool:
    """Return whether a section has the keys of an earlier `schedule=warmup_cosine`, with any values.

    Args:
        schedule: The section.
    """
    return schedule.get("name") == "warmup_cosine" and schedule.get("_target_") == _EARLIER_WARMUP["_target_"]


def _earlier_schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in schedule.items() if key not in ("_target_", _SHARE)}
    is_same = schedule.get("_target_") == _WARMUP_COSINE and schedule.get(_SHARE, 0.05) == 0.05
    return {**_EARLIER_WARMUP, **others} if is_same and others.keys() <= {"name", "alpha"} else dict(schedule)


def _acting_losses(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of one loss, or those of several by output."""
    if not has_target(loss):
        return {str(output): _acting_losses(each) for output, each in loss.items()}
    is_idle = loss.get("_target_") == SPARSE and loss.get(SMOOTHING) == 0
    return {key: value for key, value in loss.items() if key != SMOOTHING} if is_idle else dict(built_loss(loss))
