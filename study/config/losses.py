"""Losses whose arguments go beyond those of the class that a config names: label smoothing of class indices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.arguments import section_faults
from study.config.instantiate import Section
from study.config.reader import is_number
from study.core.errors import Fault

# Keras 3.15 smooths the labels of this loss only where targets are rows of 0 and 1.
SPARSE = "keras.losses.SparseCategoricalCrossentropy"
SMOOTHED = "study.training.smoothed_crossentropy.SmoothedSparseCategoricalCrossentropy"
SMOOTHING = "label_smoothing"
_KERAS = "keras.losses."


def built_loss(section: Section) -> Section:
    """Return the section from which a loss is built; our class stands in for Keras's, which has no label smoothing.

    Args:
        section: The section of one loss in a config.
    """
    is_smoothed = section.get("_target_") == SPARSE and SMOOTHING in section
    return {**section, "_target_": SMOOTHED} if is_smoothed else section


def keras_loss(section: Section) -> str:
    """Return the name in `keras.losses` of the loss that a section names; empty for a loss of one's own.

    Args:
        section: The section of one loss in a config.
    """
    target = str(section.get("_target_"))
    name = SPARSE if target == SMOOTHED else target
    return name.removeprefix(_KERAS) if name.startswith(_KERAS) and name.count(".") == _KERAS.count(".") else ""


def loss_faults(key: str, section: Mapping[str, Any]) -> list[Fault]:
    """Check that the target of a loss can be imported and takes the section's other keys, also label smoothing.

    Args:
        key: The section's key, such as `dataset.task.loss`.
        section: `_target_` and its arguments.
    """
    further = (SMOOTHING,) if section.get("_target_") == SPARSE else ()
    found = section_faults(key, section, further=further)
    smoothing = f"{key}.{SMOOTHING}"
    if SMOOTHING not in section or not keras_loss(section) or any(fault.key == smoothing for fault in found):
        return found
    value, is_sparse = section[SMOOTHING], keras_loss(section) == SPARSE.removeprefix(_KERAS)
    allowed = f"a number of at least 0 and {'below' if is_sparse else 'at most'} 1"
    if not is_number(value) or not 0 <= value <= 1 or (is_sparse and value == 1):
        found.append(Fault(key=smoothing, value=value, allowed=allowed, advice=f"Set {smoothing}=0 for none."))
    return found
