"""Read a list of sections, each with a `_target_`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.arguments import section_faults
from study.config.instantiate import Section
from study.config.reader import Reader


def read_sections(read: Reader, key: str, node: Any, *, things: str, example: str) -> list[Section]:
    """Return the sections of a list, and check each section's arguments.

    Args:
        read: The reader, which collects faults.
        key: The dotted key of the list.
        node: The value under this key.
        things: What the sections build, as a plural, such as `layers`.
        example: A section, for messages.
    """
    form = f"Write [{example}]."
    if not isinstance(node, list | tuple):
        read.fault(key, node, allowed=f"a list of {things}", advice=form)
        return []
    sections = []
    for position, section in enumerate(node):
        if isinstance(section, Mapping) and section.get("_target_"):
            read.faults += section_faults(f"{key}.{position}", section)
            sections.append(section)
        else:
            read.fault(f"{key}.{position}", section, allowed="a section with a _target_", advice=form)
    return sections
