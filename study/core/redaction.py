"""Keep passwords out of everything that is recorded or shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "***"
# scheme://user:password@host, and ?password=... behind an address. A password may hold a colon or a slash. In an
# address, an @ in the password must be written %40. If it is not, everything up to the last @ of the word is hidden.
_IN_ADDRESS = re.compile(r"(?P<before>://[^:/@\s'\"]*:)(?P<password>[^\s'\"]+)(?=@)")
_IN_QUERY = re.compile(r"(?P<before>[?&](?:password|passwd|secret)=)(?P<password>[^&\s'\"]+)", re.IGNORECASE)
_SECRET = r"(?:password|passwd|secret|api_key|access_key|auth_token|access_token)"
_IN_YAML = re.compile(rf"(?P<before>^[\s-]*(?:\w*_)?{_SECRET}: +)(?P<password>\S.*)", re.IGNORECASE | re.MULTILINE)
# Each pattern with a text that all its matches contain.
_PATTERNS = (("://", _IN_ADDRESS), ("=", _IN_QUERY), (": ", _IN_YAML))
_INTERPOLATION = re.compile(r"\$\{[^{}]*\}")
# Keys whose text is always a secret.
_SECRET_KEY = re.compile(rf"(?:^|_){_SECRET}$")


def redact(text: str) -> str:
    """Hide the passwords of all addresses in a text, and those on lines of YAML.

    Nothing is cached, since a cache would keep the passwords. Most texts are short and contain no mark of a secret;
    the check for a mark is quick.

    Args:
        text: The text, of any length and number of lines.

    Returns:
        The text with `***` for each password.
    """
    for mark, pattern in _PATTERNS:
        if mark in text:
            text = pattern.sub(rf"\g<before>{HIDDEN}", text)
    return text


def redacted(value: Any, *, key: str = "") -> Any:
    """Return a config, or the value of a key in it, without its passwords.

    Args:
        value: A plain value, or mappings and lists of them, nested.
        key: The dotted key of the value; the text of a key such as `password` is hidden completely. Default: the empty
            text, no key.
    """
    if isinstance(value, Mapping):
        return {name: redacted(item, key=str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, key=key) for item in value]
    if not isinstance(value, str):
        return value
    return HIDDEN if value and _SECRET_KEY.search(key.rpartition(".")[2].lower()) else redact(value)


def written_out(unresolved: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys whose passwords are written out, not taken from the environment, each with its redacted text.

    Args:
        unresolved: A config whose interpolations are not resolved yet.
    """
    return [
        (key, redacted(text, key=key))
        for key, text in texts(unresolved)
        # An interpolation is not a secret. So it is removed, and the rest is checked for a secret.
        if redacted(plain := _INTERPOLATION.sub("", text), key=key) != plain
    ]


def texts(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key of each text in a config, and the text.

    Args:
        section: The config, or a part of it.
        prefix: Dotted key of the part. Default: the empty text, the whole config.
    """
    if isinstance(section, Mapping):
        for key, value in section.items():
            yield from texts(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(section, list | tuple):
        for position, value in enumerate(section):
            yield from texts(value, f"{prefix}.{position}")
    elif isinstance(section, str):
        yield prefix, section
