"""Losses whose arguments go beyond those of the class that a config names: label smoothing of class indices."""

from __future__ import annotations

from study.config.instantiate import Section

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
