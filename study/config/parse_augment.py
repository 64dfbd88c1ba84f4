"""Read `dataset.augment`: layers that change the inputs of training steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.arguments import section_faults
from study.config.instantiate import Section
from study.config.reader import Reader


def read_augment(read: Reader) -> list[Section] | dict[str, list[Section]]:
    """Read the layers of augmentation: a list of sections, or such a list for each input of several.

    Args:
        read: The reader, which collects the faults.
    """
    given = read.value("dataset.augment", default=None) or []
    lists = given if isinstance(given, Mapping) else {"": given}
    found = {
        str(name): _layer_sections(read, f"dataset.augment.{name}".rstrip("."), node) for name, node in lists.items()
    }
    return found if isinstance(given, Mapping) else found[""]


def _layer_sections(read: Reader, key: str, node: Any) -> list[Section]:
    form = "Write [{_target_: keras.layers.RandomFlip, mode: horizontal}]."
    if not isinstance(node, list | tuple):
        read.fault(key, node, allowed="a list of layers", advice=form)
        return []
    sections = []
    for position, section in enumerate(node):
        if isinstance(section, Mapping) and section.get("_target_"):
            read.faults += section_faults(f"{key}.{position}", section)
            sections.append(section)
        else:
            read.fault(f"{key}.{position}", section, allowed="a section with a _target_", advice=form)
    return sections
