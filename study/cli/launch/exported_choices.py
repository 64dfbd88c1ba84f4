"""Let `best=FILE` and `enqueue=FILE` name an exported configuration, as if the file were in conf/."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from study.config.same_numbers import is_earlier_warmup
from study.reproduction.exported_file import GROUPS, Exported, read_exported

# The groups whose option may be a file.
FILE_GROUPS = ("best", "enqueue")
# Groups whose typed option leaves the file's section out, even if it is the file's own.
_ALWAYS_ANEW = ("optimizer", "budget")


def translate(words: Sequence[str]) -> list[str]:
    """Make options of Hydra's groups `best` and `enqueue` from the files that a command line names, and choose them.

    Hydra's own store gets them, so every job and launcher finds them. Values that a user types override them, as with
    any option. If a user chooses an option of a group, the file's section of this group is left out: the values of one
    model do not fit another. The option that the file has too keeps the file's values, since these may have been found
    by a search, but for the optimizer, which is then searched, and the budget. The batch size always stays, since the
    found optimizer fits it.

    Args:
        words: The words of the command line.

    Returns:
        The words, with the name of an option in place of each file.

    Raises:
        StudyError: A file does not exist, or is not an exported configuration.
    """
    chosen = dict(word.partition("=")[::2] for word in words)
    translated = []
    for word in words:
        group, _, value = word.partition("=")
        if group in FILE_GROUPS and value not in ("", "null"):
            exported = read_exported(Path(value.strip("'\"")).expanduser())
            node, package = (
                (_configuration(exported, chosen=chosen), "_global_")
                if group == "best"
                else (exported.arguments, group)
            )
            name = re.sub(r"[^\w-]", "_", exported.path.stem)
            # Messages name the file, which Hydra keeps as the provider of the option.
            provider = str(exported.path)
            ConfigStore.instance().store(group=group, name=name, node=node, package=package, provider=provider)
            word = f"{group}={name}"
        translated.append(word)
    return translated


def _configuration(exported: Exported, *, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return the config to merge for `best`: the groups' options, overridden by the file's values."""
    without = {group for group, option in chosen.items() if not _is_option_of(exported, group, option)}
    kept = {key: value for key, value in exported.sections.items() if key not in without}
    names = {group: kept[group]["name"] for group in GROUPS if "name" in kept.get(group, {})}
    if is_earlier_warmup(kept.get("schedule", {})):
        names["schedule"] = "constant"  # it has no keys, while today's option of that name has other keys
    named = [{f"override /{group}": name} for group, name in names.items()]
    if "optimizer" in kept:  # a given point is trained as it is, without a search over other arguments
        kept["optimizer"] = {"search_only": [], **kept["optimizer"]}
    if "trainer" in without and "batch_size" in exported.sections.get("trainer", {}):
        kept["trainer"] = {"batch_size": exported.sections["trainer"]["batch_size"]}  # every trainer has one
    return {"defaults": named, **kept}


def _is_option_of(exported: Exported, group: str, option: str) -> bool:
    """Return whether a typed option is the one whose values a file has."""
    name = exported.sections.get(group, {}).get("name") if group in GROUPS else None
    return name is not None and option == name and group not in _ALWAYS_ANEW
