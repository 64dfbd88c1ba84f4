"""Let `best=FILE` and `enqueue=FILE` name an exported configuration, as if it stood in conf/."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from study.reproduction.exported_file import GROUPS, Exported, read_exported


def translate(words: Sequence[str]) -> list[str]:
    """Store the files that a command line names as options of Hydra's groups `best` and `enqueue`, and choose these.

    Kept in Hydra's own store they are there for every job and launcher, and what a user types wins over them as over
    any option. A section whose group a user chooses is left out: the values of one model are not those of another.

    Raises:
        StudyError: A file is not there, or is no exported configuration.
    """
    chosen = {word.partition("=")[0] for word in words}
    translated = []
    for word in words:
        group, _, value = word.partition("=")
        if group in ("best", "enqueue") and value not in ("", "null"):
            exported = read_exported(Path(value.strip("'\"")).expanduser())
            node, package = (
                (_configuration(exported, without=chosen), "_global_")
                if group == "best"
                else (exported.arguments, group)
            )
            name = re.sub(r"[^\w-]", "_", exported.path.stem)
            ConfigStore.instance().store(group=group, name=name, node=node, package=package)
            word = f"{group}={name}"
        translated.append(word)
    return translated


def _configuration(exported: Exported, *, without: set[str]) -> dict[str, Any]:
    """Return what is merged for `best`: the groups' options and on them the file's values."""
    kept = {key: value for key, value in exported.sections.items() if key not in without}
    named = [{f"override /{group}": kept[group]["name"]} for group in GROUPS if "name" in kept.get(group, {})]
    if "optimizer" in kept:  # a given point is trained as it is; ranges of other arguments are not searched
        kept["optimizer"] = {"search_only": [], **kept["optimizer"]}
    return {"defaults": named, **kept}
