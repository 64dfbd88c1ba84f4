"""Short labels of the entries of a comparison: the optimizer, and what distinguishes its studies from one another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from study.core.names import in_label

# Names of studies are `adam-batch_size=64-schedule=cosine`. A hyphen that is no separator is part of a value.
_SEPARATOR = re.compile(r"-(?=[A-Za-z_][\w.]*=)")
# A value that is a word says enough without its key. A number does not.
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_NO_WORDS = frozenset({"true", "false", "null", "none", "nan", "inf", "auto"})


def entry_labels(names: Sequence[str], *, optimizers: Sequence[str], hidden: Collection[str] = ()) -> tuple[str, ...]:
    """Return a label for each name: the optimizer and, in parentheses, the settings in which the names differ.

    A setting that all names share is left out. Of a single key, a value that is a word stands alone. A name that is
    not made of settings is its own label, and so is each of several names that would have the same label.

    Args:
        names: Distinct names of the entries.
        optimizers: The optimizer's name of each.
        hidden: Keys that no label shows, such as a seed that the entry's studies do not share. Default: none.

    >>> entry_labels(["adam-setting=tuned", "adam-setting=published"], optimizers=["adam", "adam"])
    ('adam (tuned)', 'adam (published)')
    >>> entry_labels(["sgd", "sgd-batch_size=64-nesterov=true"], optimizers=["sgd", "sgd"])
    ('sgd', 'sgd (batch_size 64, nesterov true)')
    """
    read = [_settings(name, optimizer) for name, optimizer in zip(names, optimizers, strict=True)]
    known = [{} if found is None else found for found in read]
    shared = _shared(known) | set(hidden)
    told = [{key: text for key, text in found.items() if key not in shared} for found in known]
    is_alone = _are_words(told)
    short = [
        name if found is None else _label(in_label(optimizer), of, is_alone=is_alone)
        for name, optimizer, found, of in zip(names, optimizers, read, told, strict=True)
    ]
    taken = Counter(short)
    return tuple(label if taken[label] == 1 else name for label, name in zip(short, names, strict=True))


def _settings(name: str, optimizer: str) -> dict[str, str] | None:
    """Return the settings in a name, by key; None if the name is not made of an optimizer and settings."""
    first, *parts = _SEPARATOR.split(name)
    if first != in_label(optimizer):
        return None
    pairs = [part.partition("=") for part in parts]
    return {key: value for key, _, value in pairs}


def _shared(known: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the keys with the same value in all names, of which there are several."""
    if len(known) < 2:
        return set()
    return {key for key, text in known[0].items() if all(found.get(key) == text for found in known)}


def _are_words(told: Sequence[Mapping[str, str]]) -> bool:
    """Return whether all labels need one and the same key, and its values are words."""
    keys = {key for found in told for key in found}
    values = [text for found in told for text in found.values()]
    return len(keys) == 1 and all(_WORD.fullmatch(text) and text.lower() not in _NO_WORDS for text in values)


def _label(optimizer: str, told: Mapping[str, str], *, is_alone: bool) -> str:
    if not told:
        return optimizer
    inner = ", ".join(text if is_alone else f"{key} {text}" for key, text in told.items())
    return f"{optimizer} ({inner})"
