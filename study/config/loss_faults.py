"""Faults of the arguments of a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.arguments import section_faults
from study.config.losses import SMOOTHING, SPARSE, keras_loss
from study.config.reader import is_number
from study.core.errors import Fault


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
    value, is_sparse = section[SMOOTHING], SPARSE.endswith(f".{keras_loss(section)}")
    allowed = f"a number of at least 0 and {'below' if is_sparse else 'at most'} 1"
    if not is_number(value) or not 0 <= value <= 1 or (is_sparse and value == 1):
        found.append(Fault(key=smoothing, value=value, allowed=allowed, advice=f"Set {smoothing}=0 for none."))
    return found
