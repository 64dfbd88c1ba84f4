"""Read the words of `study run`, with sweep words of Hydra as ranges of the search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.errors import HydraException

from study.cli.launch.overrides import TypedValue, read_overrides
from study.cli.launch.own_defaults import experiment_content, read_own_defaults
from study.cli.launch.search_words import SEARCH, fixed_and_searched, is_marked, to_ranges
from study.cli.launch.words import Words, option_groups, read_words

_SWEEPER = "hydra/sweeper"
_TARGET = "hydra.sweeper._target_"
_BASIC = ("basic", "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")


def read_command_words(arguments: Sequence[str]) -> Words:
    """Separate the words that Hydra cannot read from the others, and replace the search words by ranges.

    Another sweeper than Hydra's basic one gets the sweep words as they are, except those with the tag `search`.

    Args:
        arguments: The words after `study run`.

    Raises:
        StudyError: conf/study.yaml cannot be read.
    """
    words = read_words(arguments)
    if not any(is_marked(word) or word.lstrip("+").startswith(SEARCH) for word in words.kept):
        return words
    layers = [read_own_defaults(), *(experiment_content(name) for name in _experiments(words.kept))]
    of_files: dict[str, Any] = {}
    for layer in layers:
        of_files = _merged(of_files, layer.get(SEARCH))
    left = _sweeper(words.kept, layers) not in _BASIC
    kept, faults = to_ranges(words.kept, groups=option_groups(), of_files=of_files, left=left)
    twice = fixed_and_searched(list(_values(kept)))
    fixed = {fault.key for fault in twice}  # left out, so that the rest is checked
    kept = [word for word in kept if word.startswith("-") or word.lstrip("+").partition("=")[0] not in fixed]
    return replace(words, kept=tuple(kept), faults=(*words.faults, *faults, *twice))


def _values(words: Sequence[str]) -> Iterator[TypedValue]:
    """Yield the overrides among words, without those that Hydra refuses later."""
    for word in words:
        if "=" in word and not word.startswith("-"):
            try:
                yield from read_overrides([word])
            except HydraException:
                continue


def _experiments(words: Sequence[str]) -> list[str]:
    """Return the names of the experiments of a command line."""
    given = [word.lstrip("+").partition("=") for word in words]
    return [name for key, _, value in given if key == "experiment" for name in value.split(",")]


def _sweeper(words: Sequence[str], layers: Sequence[Mapping[str, Any]]) -> str:
    """Return the name or the class of Hydra's sweeper; typed ones win over those of files."""
    found = _BASIC[0]
    for layer in layers:
        listed = layer.get("defaults")
        for item in listed if isinstance(listed, list) else ():
            for key, name in item.items() if isinstance(item, Mapping) else ():
                if str(key).removeprefix("override").strip().removeprefix("/") == _SWEEPER:
                    found = str(name)
        node: Any = layer
        for part in _TARGET.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        found = found if node is None else str(node)
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        found = value if key in (_SWEEPER, _TARGET) else found
    return found


def _merged(below: Mapping[str, Any], above: Any) -> dict[str, Any]:
    """Return a section with the keys of another one over its own."""
    merged = dict(below)
    for key, value in above.items() if isinstance(above, Mapping) else ():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[str(key)] = _merged(inner, value) if both and isinstance(inner, Mapping) else value
    return merged
