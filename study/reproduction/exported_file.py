"""The file that `study export` writes: a configuration as Hydra YAML, with its origin in the header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from study.config.instantiate import is_too_deep
from study.config.schema import NOT_ARGUMENTS
from study.core.errors import StudyError
from study.core.readable_output import in_one_line, shown

# Sections that are groups of conf/, chosen by their `name`.
GROUPS = ("dataset", "model", "optimizer", "schedule", "trainer", "budget")
_OTHERS = ("objective", "study_seed", "order_seed", "split_seed", "deterministic")
# Keys that say what a section builds.
_DESCRIBING = ("name", "kind", "requires", "_target_")
# Sections with keys that a search may have values for.
_SEARCHED = ("model", "schedule", "trainer")
_PACKAGE = "# @package _global_"
_PROVENANCE = "# provenance:"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported configuration.

    Attributes:
        path: Path of the file.
        sections: The configuration: the sections of `GROUPS`, and single values.
        provenance: The header's content; empty for a file written by hand.
    """

    path: Path
    sections: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """Values of the optimizer's arguments by name, and in sections those of other keys that can be searched."""
        section = self.sections["optimizer"]
        arguments = {key: value for key, value in section.items() if key not in NOT_ARGUMENTS and value is not None}
        others = {name: self.sections[name] for name in _SEARCHED if name in self.sections}
        if "dataset" in self.sections:
            data = self.sections["dataset"]
            others["dataset"] = {key: data[key] for key in ("task", "augment") if data.get(key) is not None}
        return {**arguments, **{name: _without_descriptions(each) for name, each in others.items() if each}}


def exported_text(sections: Mapping[str, Any], *, provenance: Mapping[str, Any]) -> str:
    """Return a configuration as the text of a file, which also works as an `experiment` of a user's own conf/.

    Args:
        sections: The configuration: the sections of `GROUPS`, and single values.
        provenance: The header's content, by key.
    """
    defaults = [{f"override /{group}": sections[group]["name"]} for group in GROUPS if group in sections]
    told = _dumped(dict(provenance), width=1000)
    optimizer = in_one_line(sections["optimizer"]["name"])
    header = [
        _PACKAGE,
        "# A configuration found by a study, exported by `study export`.",
        "#   study run best=FILE                          trains and confirms it, as a fixed setting",
        f"#   study run enqueue=FILE optimizer={optimizer:<11} begins a search with it",
        "#   study reproduce FILE                         trains its run again and compares",
        _PROVENANCE,
        *(f"#   {line}" for line in told.splitlines()),
    ]
    body = _dumped({"defaults": defaults, **sections})
    return "\n".join([*header, "", body])


def read_exported(path: Path) -> Exported:
    """Read an exported configuration, or one written by hand in the same form.

    Args:
        path: Path of the file.

    Raises:
        StudyError: The file does not exist, or is not such a configuration.
    """
    expected = "Give a file that `study export` wrote."
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        header = yaml.safe_load(_header(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise StudyError(
            f"{path}: expected a configuration as YAML, which cannot be read: {reason}. {expected}"
        ) from error
    if is_too_deep(content):
        raise StudyError(f"{path}: expected a few levels of sections, and these are deeper or much larger. {expected}")
    if not isinstance(content, Mapping) or not isinstance(content.get("optimizer"), Mapping):
        raise StudyError(f"{path}: expected a configuration with a section `optimizer`, and it has none. {expected}")
    sections = {key: value for key, value in content.items() if key != "defaults"}
    unknown = [str(key) for key in sections if key not in (*GROUPS, *_OTHERS)]
    unknown += [key for key in GROUPS if key in sections and not isinstance(sections[key], Mapping)]
    if unknown:
        allowed = ", ".join((*GROUPS, *_OTHERS))
        raise StudyError(f"{path}: {unknown[0]}: expected sections and values among {allowed}. {expected}")
    if any("${" in word for word in _words(sections)):  # it would be resolved here, for example from the environment
        raise StudyError(f"{path}: expected values, not a reference ${{...}}. {expected}")
    return Exported(path=path, sections=sections, provenance=header if isinstance(header, Mapping) else {})


def _without_descriptions(node: Any) -> Any:
    """Return a section without the keys that say what it builds."""
    if isinstance(node, Mapping):
        inner = {key: _without_descriptions(value) for key, value in node.items()}
        return {key: value for key, value in inner.items() if key not in _DESCRIBING and value != {}}
    return [_without_descriptions(item) for item in node] if isinstance(node, list) else node


class _ReadableDumper(yaml.SafeDumper):
    """Puts texts with control characters into double quotes, where YAML reads escapes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Return the node of a text."""
        quoted = '"' if shown(data) != data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=quoted)


_ReadableDumper.add_representer(str, _ReadableDumper.represent_str)


def _dumped(content: Mapping[str, Any], *, width: int | None = None) -> str:
    """Return a configuration as YAML that shows control characters, and from which they are read again."""
    text: str = yaml.dump(content, Dumper=_ReadableDumper, sort_keys=False, allow_unicode=True, width=width)
    return shown(text)


def _words(section: Any) -> Iterator[str]:
    if isinstance(section, Mapping):
        section = [*section, *section.values()]
    if isinstance(section, str):
        yield section
    elif isinstance(section, list):
        for item in section:
            yield from _words(item)


def _header(text: str) -> str:
    """Return the YAML in the comments after the word provenance."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip() == _PROVENANCE:
            break
    told = []
    for line in lines:
        if not line.startswith("#"):
            break
        told.append(line.removeprefix("#   "))
    return "\n".join(told)
