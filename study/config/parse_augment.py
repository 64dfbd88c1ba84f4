"""Read `dataset.augment`: layers that change the inputs of training steps."""

from __future__ import annotations

from collections.abc import Mapping

from study.config.instantiate import Section
from study.config.parse_sections import read_sections
from study.config.reader import Reader


def read_augment(read: Reader) -> list[Section] | dict[str, list[Section]]:
    """Read the layers of augmentation: a list of sections, or such a list for each input of several.

    Args:
        read: The reader, which collects the faults.
    """
    given = read.value("dataset.augment", default=None) or []
    lists = given if isinstance(given, Mapping) else {"": given}
    how = {"things": "layers", "example": "{_target_: keras.layers.RandomFlip, mode: horizontal}"}
    found = {
        str(name): read_sections(read, f"dataset.augment.{name}".rstrip("."), node, **how)
        for name, node in lists.items()
    }
    return found if isinstance(given, Mapping) else found[""]
