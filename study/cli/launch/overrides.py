"""Read `KEY=VALUE` words by Hydra's grammar, so that a value means the same in every command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from study.core.errors import StudyError
from study.core.names import hydra_text


@dataclass(frozen=True, kw_only=True)
class TypedValue:
    """An override, as it was typed.

    Attributes:
        key: The key or group, with its package, without `+` and `~`.
        text: The value's text, as typed; empty for a deletion without a value.
        value: The value; its text if it stands for several values.
        deletes: True if the key is deleted, as in `~key`.
    """

    key: str
    text: str
    value: Any
    deletes: bool


def read_overrides(words: Iterable[str]) -> tuple[TypedValue, ...]:
    """Parse overrides that Hydra has accepted.

    Args:
        words: The `KEY=VALUE` words.

    Raises:
        HydraException: A word does not follow the grammar.
    """
    return tuple(map(_typed, OverridesParser.create().parse_overrides(list(words))))


def given_texts(values: Iterable[TypedValue]) -> dict[str, str]:
    """Return the text of each key with a value other than null; the last value of a key counts.

    Args:
        values: The overrides, in order.
    """
    last = {typed.key: typed for typed in values if not typed.deletes}
    return {key: typed.text for key, typed in last.items() if typed.value is not None}


def value_text(value: Any) -> str:
    """Return a value as Hydra's grammar has it.

    Args:
        value: A single value, also of NumPy, a text that the grammar had in quotes, or lists and mappings of them.

    >>> value_text([[64], None, True, "a, b"])
    '[[64],null,true,"a, b"]'
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, QuotedString):
        return hydra_text(value.text)
    if isinstance(value, str):
        return hydra_text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{value_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(value_text, value)) + "]"
    plain = getattr(value, "tolist", None)  # of NumPy
    return str(value) if plain is None else value_text(plain())


def parse_changes(words: Sequence[str]) -> dict[str, Any]:
    """Read the changes of `study reproduce`, such as `trainer.batch_size=64`.

    Args:
        words: The `KEY=VALUE` words.

    Returns:
        The new values, by dotted key.

    Raises:
        StudyError: A word does not follow the grammar, or gives no single value.
    """
    changes = {}
    for word in words:
        override = _parse_change(word)
        typed = _typed(override)
        if override.is_sweep_override():
            raise StudyError(
                f"{word}: expected one value. Write a list as [a,b], and put a text with commas in quotes."
            )
        if "${" in typed.text:
            raise StudyError(f"{word}: expected a value, not a reference ${{...}}. Write out the value.")
        changes[typed.key] = typed.value
    return changes


def _parse_change(word: str) -> Override:
    expected = f"{word}: expected KEY=VALUE after the target, such as trainer.batch_size=64."
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException as error:
        if word.find("=") > 0:
            expected = f"{word}: expected a value in Hydra's grammar. {error}"
        raise StudyError(expected) from error
    if override.is_delete() or not override.key_or_group:
        raise StudyError(expected)
    return override


def _typed(override: Override) -> TypedValue:
    package = "" if override.package is None else f"@{override.package}"
    text = "" if override.value_type is None else override.get_value_string()
    return TypedValue(
        key=f"{override.key_or_group}{package}",
        text=text,
        value=text if override.is_sweep_override() else override.value(),
        deletes=override.is_delete(),
    )
