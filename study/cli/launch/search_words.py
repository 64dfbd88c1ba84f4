"""Read Hydra's sweep words, such as `model.dropout=interval(0,0.5)`, as ranges of one study's search.

Hydra refuses an interval without `-m`, and its basic sweeper refuses it with `-m`. So these words are free for a
search over the key in one study. They become words of the section `search` before Hydra sees them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException

from study.cli.launch.overrides import TypedValue, given_texts, value_text
from study.config.reader import did_you_mean
from study.core.errors import Fault
from study.core.search_space import SCALES

SEARCH = "search"
# The parts of a range, with the values by which a range of a file loses them.
PARTS: Mapping[str, str] = {
    "low": "null",
    "high": "null",
    "scale": "linear",
    "integer": "false",
    "step": "null",
    "choices": "null",
}
_IN_CHOICES = {**PARTS, "scale": "null", "integer": "null"}
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_MARKED = re.compile(r"\b(?:interval|tag)\s*\(")
_TAG = re.compile(r"\btag\s*\(")
_ORDERED = re.compile(r"\b(shuffle|sort|glob)\s*\(")
_INT = re.compile(r"\bint\s*\(")
_TAGGED_SEARCH = re.compile(r"\btag\s*\((?:\s*\w+\s*,)*?\s*search\s*,")
_RANGES = "interval(LOW,HIGH) or int(interval(LOW,HIGH)) of two numbers"
_TAGGED = "tag(search,choice(A,B)) or tag(search,range(START,STOP,STEP))"
_ALLOWED = f"{_RANGES}, {_TAGGED}, with a scale as in tag(log,interval(LOW,HIGH))"
_TAGS = (SEARCH, *SCALES)


class _Refused(Exception):
    """A search word that is not allowed.

    Args:
        allowed: The allowed words.
        advice: The next step.
    """

    def __init__(self, allowed: str, advice: str) -> None:
        super().__init__(allowed)
        self.allowed, self.advice = allowed, advice


def to_ranges(
    words: Sequence[str],
    *,
    groups: Collection[str] = (),
    of_files: Mapping[str, Any] | None = None,
    left: bool = False,
) -> tuple[list[str], list[Fault]]:
    """Replace the search words of a command line by words of the section `search`.

    Args:
        words: The words of the command line.
        groups: Names of groups, whose choices cannot be searched. Default: none.
        of_files: The section `search` of the files that the command line names. A typed range replaces a range of
            them. None (the default): no section.
        left: Leave words to another sweeper of Hydra, unless they have the tag `search`. Default False.

    Returns:
        The words, and a fault for each word that is left out because it is not allowed.
    """
    last = {_searched(_key(word)): index for index, word in enumerate(words) if is_marked(word)}
    kept: list[str] = []
    faults = []
    for index, word in enumerate(words):
        try:
            parts = _parts(word, groups, left=left)
        except _Refused as refused:
            text = word.partition("=")[2]
            faults.append(Fault(key=_key(word), value=text, allowed=refused.allowed, advice=refused.advice))
            continue
        if parts is None:
            kept.append(word)
        elif last[key := _searched(_key(word))] == index:
            kept += [
                f"{SEARCH}.{key}.{part}={text}" for part, text in {**parts, **_reset(key, parts, of_files)}.items()
            ]
    return kept, faults


def is_marked(word: str) -> bool:
    """Return whether a word has an interval or a tag, outside of quotes.

    Args:
        word: A word of a command line.
    """
    is_override = "=" in word and word[:1] not in ("-", "~") and not _key(word).startswith(("hydra.", "hydra/"))
    return is_override and _MARKED.search(_QUOTED.sub("''", word.partition("=")[2])) is not None


def fixed_and_searched(values: Sequence[TypedValue]) -> list[Fault]:
    """Return a fault for each key that was typed both as a value and as a range.

    Args:
        values: The overrides.
    """
    given = given_texts(values)
    faults = []
    for key in sorted(searched_keys(values)):
        if key in given:
            name = f"{SEARCH}.{key}"
            advice = f"Remove {key}={given[key]}, or {name}."
            faults.append(
                Fault(key=key, value=given[key], allowed=f"no value, since {name} searches it", advice=advice)
            )
    return faults


def without_fixed_ranges(raw: Mapping[str, Any], values: Sequence[TypedValue]) -> dict[str, Any]:
    """Return a config without the ranges of files on keys whose value was typed: a typed value fixes a key.

    Args:
        raw: The resolved config.
        values: The overrides.
    """
    search = raw.get(SEARCH)
    if not isinstance(search, Mapping):
        return dict(raw)
    for key in given_texts(values):
        search = _without(search, key.split("."))
    return {**raw, SEARCH: search}


def _without(node: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    first, *rest = path
    inner = node.get(first)
    if first not in node or not isinstance(inner, Mapping):
        return dict(node)
    if rest:
        return {**node, first: _without(inner, rest)}
    is_range = not PARTS.keys().isdisjoint(inner)
    return {key: value for key, value in node.items() if key != first or not is_range}


def searched_keys(values: Sequence[TypedValue]) -> dict[str, dict[str, str]]:
    """Return the parts of the ranges that were typed, by searched key, as texts.

    Args:
        values: The overrides.
    """
    found: dict[str, dict[str, str]] = {}
    for typed in values:
        if typed.deletes or (typed.key != SEARCH and not typed.key.startswith(f"{SEARCH}.")):
            continue
        for dotted, text in _leaves(typed.key, typed.value, typed.text):
            key, _, part = dotted.removeprefix(f"{SEARCH}.").rpartition(".")
            if part in PARTS and key:
                found.setdefault(key, {})[part] = text
    return found


def _leaves(key: str, value: Any, text: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield key, text
        return
    for name, inner in value.items():
        yield from _leaves(f"{key}.{name}", inner, value_text(inner))


def _key(word: str) -> str:
    return word.lstrip("+").partition("=")[0]


def _searched(key: str) -> str:
    """Return the key that is searched; users may type its place in `search` or `optimizer.search` too."""
    if key == "optimizer.search" or key.startswith("optimizer.search."):
        return key.replace(f".{SEARCH}", "", 1)
    return key.removeprefix(f"{SEARCH}.")


def _parts(word: str, groups: Collection[str], *, left: bool) -> dict[str, str] | None:
    """Return the parts of the range that a word gives; None for a word that is no search word."""
    if not is_marked(word):
        return None
    key, _, text = word.lstrip("+").partition("=")
    bare = _QUOTED.sub("''", text)
    is_left = left and _TAGGED_SEARCH.search(bare) is None
    override = _parsed(word)
    if override is None:
        if is_left:
            return None
        if _ORDERED.search(bare):
            raise _Refused(_ALLOWED, "Write the values without shuffle, sort and glob: the sampler orders the trials.")
        advice = f"Correct it. Choices with null are written as {SEARCH}.{_searched(key)}.choices=[A,null]."
        raise _Refused(_ALLOWED, advice)
    value = override.value()
    if is_left or not _is_ours(value):
        return None
    _check_key(key, groups)
    if not isinstance(value, Sweep):
        raise _Refused("the range of one key in each word", f"Write {key}.KEY=interval(LOW,HIGH).")
    if isinstance(value, ChoiceSweep) and any(isinstance(each, Sweep) for each in value.list or ()):
        raise _Refused("an interval alone, or choices without one", "Write one of them.")
    _check_form(bare, value)
    scale = _scale(value)
    if isinstance(value, ChoiceSweep):
        return _of_choices(value, scale)
    return _of_interval(value, text) | scale if isinstance(value, IntervalSweep) else _of_steps(value) | scale


def _parsed(word: str) -> Override | None:
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException:
        return None
    return override


def _is_ours(value: Any) -> bool:
    """Return whether a value is searched, or has something to search in it; a plain choice makes separate studies."""
    if isinstance(value, IntervalSweep):
        return True
    if isinstance(value, RangeSweep):
        return _is_tagged(value)
    if isinstance(value, ChoiceSweep):
        return _is_tagged(value) or any(isinstance(each, Sweep) for each in value.list or ())
    nested: Any = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(isinstance(each, Sweep) or _is_ours(each) for each in nested)


def _is_tagged(value: Sweep) -> bool:
    """Return whether a value has a tag of ours, or one that is nearly one."""
    return any(difflib.get_close_matches(tag, _TAGS, n=1, cutoff=0.75) for tag in value.tags)


def _check_key(key: str, groups: Collection[str]) -> None:
    """Refuse a group, whose choices are a study each, and a part of a range in place of the key."""
    searched = _searched(key)
    if searched.partition("@")[0] in groups or "@" in key:
        advice = f"Make a study of each choice: -m {searched}=A,B."
        raise _Refused(f"names of {searched} in place of a search over them", advice)
    whole, _, part = searched.rpartition(".")
    if searched == SEARCH or (searched != key and part in PARTS):
        advice = f"Write {whole or 'KEY'}=interval(LOW,HIGH)."
        raise _Refused("the key that is searched, not a part of a range", advice)


def _check_form(bare: str, value: Sweep) -> None:
    """Refuse functions whose effect a search would not have, and tags that it does not know."""
    if found := _ORDERED.search(bare):
        advice = f"Remove {found[1]}: the sampler orders the trials."
        raise _Refused(f"{_ALLOWED}, without shuffle, sort and glob", advice)
    if len(_TAG.findall(bare)) > 1:
        raise _Refused("one tag() with all tags, such as tag(search,log,interval(LOW,HIGH))", "Put the tags into one.")
    if unknown := sorted(value.tags - {*_TAGS}):
        raise _Refused(f"tags of {', '.join(_TAGS)}", did_you_mean(unknown[0], _TAGS))
    if not isinstance(value, IntervalSweep) and SEARCH not in value.tags:
        advice = "Add the tag search; without tags, -m makes a study of each value."
        raise _Refused(f"{_TAGGED}, or an interval", advice)


def _scale(value: Sweep) -> dict[str, str]:
    scales = sorted(value.tags & {*SCALES})
    if len(scales) > 1:
        raise _Refused(f"one scale: {', '.join(SCALES)}", f"Remove {' or '.join(scales)}.")
    return {"scale": scales[0]} if scales and scales != ["linear"] else {}


def _of_choices(value: ChoiceSweep, scale: Mapping[str, str]) -> dict[str, str]:
    if scale:
        raise _Refused("a scale of an interval or of a range, and choices have none", "Remove the scale.")
    if any(isinstance(choice, Mapping) for choice in value.list or ()):
        raise _Refused("choices of single values, or of lists of them", "Make a study of each section, with -m.")
    return {"choices": value_text(list(value.list or ()))}


def _of_interval(value: IntervalSweep, text: str) -> dict[str, str]:
    is_integer = isinstance(value.start, int)
    if is_integer:  # the cast has cut the ends
        override = _parsed("key=" + _INT.sub("float(", text))
        uncut = value if override is None else override.value()
        if isinstance(uncut, IntervalSweep) and (uncut.start, uncut.end) != (value.start, value.end):
            raise _Refused("whole numbers as the ends of int(interval(LOW,HIGH))", "Correct the ends.")
    ends = {"low": _number(value.start), "high": _number(value.end)}
    return {**ends, "integer": "true"} if is_integer else ends


def _of_steps(value: RangeSweep) -> dict[str, str]:
    """Return the range of Hydra's `range`, whose end is not one of its values."""
    start, stop, step = (Decimal(str(each)) for each in (value.start, value.stop, value.step))
    n_steps = math.ceil((stop - start) / step) - 1 if step and all(map(Decimal.is_finite, (start, stop, step))) else 0
    if n_steps < 1:
        raise _Refused("range(START,STOP,STEP) with two values or more; STOP is not one of them", "Correct the range.")
    ends = sorted((start, start + n_steps * step))
    are_whole = all(isinstance(each, int) for each in (value.start, value.step))
    found = {"low": _number(ends[0]), "high": _number(ends[1])}
    if are_whole:
        found["integer"] = "true"
    return found if are_whole and abs(step) == 1 else {**found, "step": _number(abs(step))}


def _number(value: Any) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else str(number)


def _reset(key: str, parts: Mapping[str, str], of_files: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the parts by which a typed range takes the place of a file's."""
    node: Any = of_files or {}
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    before = node if isinstance(node, Mapping) else {}
    without = _IN_CHOICES if "choices" in parts else PARTS
    return {part: text for part, text in without.items() if part in before and part not in parts}
