"""Words of a command line: flags, `KEY=VALUE`, and others, each with the word that was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf

from study.cli.working_directory import own_conf, packaged_conf
from study.config.known_keys import SECTIONS, dotted_keys, nearest
from study.core.errors import NO_VALUE, Fault

# Groups of Hydra's store, filled from files that a command line names.
_FILES = ("best", "enqueue")
_EXPECTED = "KEY=VALUE, or a flag of study run --help"
_KEY = re.compile(r"\+{0,2}(?P<key>[A-Za-z_][\w.-]*)=")
_KEYLESS = re.compile(r"[+~]+=|=.")
_NO_NAME = re.compile(r"\+{0,2}(?P<group>\w+)=(?P<value>null|~|true|false|[+-]?[\d.]+|)$", re.IGNORECASE)
# Length of the longest name of a file with the ending .yaml, in bytes.
_LONGEST = 250
# Flags of Hydra for another config. Jobs are checked with this project's.
_OTHER_CONFIG = ("config_path", "config_name", "config_dir", "experimental_rerun")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of a command line.

    Attributes:
        kept: The words that Hydra can read, in their order.
        faults: A fault for each other word.
        groups: First parts of the keys that the faulty words probably name.
    """

    kept: tuple[str, ...]
    faults: tuple[Fault, ...]
    groups: frozenset[str]


def read_words(arguments: Sequence[str]) -> Words:
    """Separate the words that Hydra cannot read, such as `--optimizer adam`, from the others.

    Args:
        arguments: The words after `study run`.
    """
    options, unknown = flag_parser().parse_known_args(flags_first(arguments))
    elsewhere = any(getattr(options, flag, None) is not None for flag in _OTHER_CONFIG)
    if (options.shell_completion or options.hydra_help) and not elsewhere:
        return Words(kept=tuple(arguments), faults=(), groups=frozenset())
    strange = {word for word in unknown if word.startswith("-")}
    long = {word: key for word in options.overrides if (key := _too_long(word))}
    loose = {*strange, *(word for word in (*options.overrides, *unknown) if _is_loose(word))}
    names = dotted_keys({})
    kept, faults, groups = [], [], set()
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in long:
            faults.append(_long_fault(word, long[word]))
            groups.add(long[word].partition("/")[0])
            continue
        if (fault := _without_a_choice(word)) is not None:
            faults.append(fault)
            groups.add(fault.key)
            continue
        if word not in loose:
            kept.append(word)
            continue
        value = _value_after(word, left, loose)
        meant = _meant(word, value, names)
        groups.add(re.split(r"[.=]", meant)[0])
        shown = word if value is None else f"{word} {value}"
        advice = f"Did you mean {meant}?" if meant else "Correct or remove it."
        faults.append(Fault(key=shown, value=NO_VALUE, allowed=_EXPECTED, advice=advice))
    for flag in _OTHER_CONFIG:
        if (given := getattr(options, flag, None)) is not None:
            advice = "Put files of your own into conf/ of this folder, and defaults of your own into conf/study.yaml."
            key = f"--{flag.replace('_', '-')}"
            faults.append(Fault(key=key, value=given, allowed="the config of this project", advice=advice))
    return Words(kept=tuple(kept), faults=tuple(faults), groups=frozenset(groups))


def flags_first(arguments: Sequence[str]) -> list[str]:
    """Return words in the order that Hydra's parser needs; users type flags anywhere.

    Args:
        arguments: The words of a command line.
    """
    return sorted(arguments, key=lambda word: "=" in word and not word.startswith("-"))


def allow_new_keys(words: Sequence[str], *, swept: Collection[str] = ()) -> list[str]:
    """Let every `KEY=VALUE` set a key that no file lists; unknown keys are refused later, all of them together.

    Args:
        words: The words of the command line.
        swept: Keys that files sweep, and that exist therefore. Default: none.
    """
    if {"-sc", "--shell-completion", "--shell_completion"} & {*words}:
        return list(words)
    groups = option_groups()
    forced = []
    for word in words:
        match = _KEY.match(word)
        key = match["key"] if match else ""
        if not key or key.startswith("hydra."):
            forced.append(word if not key or _hydra_has(key) else word.lstrip("+"))
        elif key in groups:  # of the package's groups, each has a choice already
            forced.append(word.lstrip("+") if (packaged_conf() / key).is_dir() else word)
        else:
            forced.append(word.lstrip("+") if key in swept else f"++{word.lstrip('+')}")
    return forced


def flag_parser() -> argparse.ArgumentParser:
    """Return the parser of Hydra's flags, under the name of our command."""
    parser: argparse.ArgumentParser = get_args_parser()
    parser.prog = "study run"
    return parser


def option_groups() -> set[str]:
    """Return the names of the groups of conf/, a user's own ones included."""
    folders = [folder for folder in (packaged_conf(), own_conf()) if folder is not None]
    return {*_FILES, *(path.name for folder in folders for path in folder.iterdir() if path.is_dir())}


def as_typed(text: str) -> str:
    """Return a message of Hydra without the signs that `allow_new_keys` puts before a word.

    Args:
        text: The message.
    """
    return text.replace("'++", "'").replace(" ++", " ")


def _without_a_choice(word: str) -> Fault | None:
    """Return the fault of a word such as `budget=10`, which gives a group no name; None for other words."""
    match = _NO_NAME.match(word)
    if match is None or match["group"] in _FILES or match["group"] not in _built_in_groups():
        return None
    names = choices(match["group"])
    advice = f"Name one of them, or leave {match['group']} out for its default."
    return Fault(key=match["group"], value=match["value"], allowed=f"one of {', '.join(names)}", advice=advice)


def _is_loose(word: str) -> bool:
    """Return whether a word has no key, or no value where it needs one."""
    return _KEYLESS.match(word) is not None if "=" in word else word[:1] != "~"


def _too_long(word: str) -> str:
    """Return the key of a word with a name too long for a file, which Hydra looks for; empty for other words."""
    key, sign, value = word.lstrip("+~").partition("=")
    key = key.partition("@")[0]
    is_group = key in option_groups() - {*_FILES} or key.startswith("hydra/")
    names = re.split(r"[\[\],]", value) if sign and is_group else []
    return key if any(len(part.encode(errors="replace")) > _LONGEST for part in (*key.split("/"), *names)) else ""


def _long_fault(word: str, key: str) -> Fault:
    """Return the fault of a word with a name that is too long."""
    allowed = f"names of at most {_LONGEST} bytes"
    if "=" in word and len(key) <= _LONGEST:
        return Fault(key=key, value=word.partition("=")[2], allowed=allowed, advice=f"Correct the name of the {key}.")
    return Fault(key=word, value=NO_VALUE, allowed=allowed, advice="Correct the key.")


def _built_in_groups() -> Collection[str]:
    return {path.name for path in packaged_conf().iterdir() if path.is_dir()}


def choices(group: str) -> list[str]:
    """Return the names of a group's files, in our conf/ and in the user's.

    Args:
        group: The group, such as `optimizer`.
    """
    folders = [folder / group for folder in (packaged_conf(), own_conf()) if folder is not None]
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})


def _value_after(word: str, left: list[str], loose: Collection[str]) -> str | None:
    """Take the value of a key from the words after it; None if there is no such word."""
    if word.startswith("-") and "=" in word:
        return None
    if left[:1] == ["="]:
        left.pop(0)
    if left and left[0] in loose and not left[0].startswith("-"):
        return left.pop(0)
    return None


def _meant(word: str, value: str | None, names: Collection[str]) -> str:
    """Return the `KEY=VALUE` that was probably meant; empty if no key is similar."""
    key, _, text = re.sub(r"^(\w[\w.]*):", r"\1=", word.lstrip("-")).partition("=")
    if value is None and not text:
        for group in SECTIONS:
            if key in choices(group):
                return f"{group}={key}"
    key = key.replace("-", "_")
    known = key if key in names or key in option_groups() else nearest(key, names)
    return f"{known}={value or text or 'VALUE'}" if known else ""


def _hydra_has(key: str) -> bool:
    """Return whether Hydra has a key, or a section that takes any key; with `+`, Hydra itself accepts all keys."""
    node: Any = HydraConf
    for part in key.split(".")[1:]:
        if not is_dataclass(node):
            return True
        kinds = get_type_hints(node)
        if part not in kinds:
            return False
        node = kinds[part]
    return True
