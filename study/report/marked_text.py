"""Sentences with marked names: plain text drops the marks, the page shows the names in bold."""

from __future__ import annotations

import re
from collections.abc import Sequence

from study.report.objective_metric import SPACE

# Control characters around a name. No name contains them.
_OPEN, _CLOSE = "\x02", "\x03"


def marked_name(label: str) -> str:
    """Return a name with its marks."""
    return f"{_OPEN}{label}{_CLOSE}"


def listed(labels: Sequence[str]) -> str:
    """Return marked names as `adam, nadam and sgd`."""
    return joined([marked_name(label) for label in labels])


def joined(parts: Sequence[str]) -> str:
    """Return parts with commas, and `and` before the last one."""
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def plain(text: str) -> str:
    """Return a sentence without marks, and with plain spaces."""
    return text.replace(_OPEN, "").replace(_CLOSE, "").replace(SPACE, " ")


def pieces(text: str) -> tuple[str, ...]:
    """Return a sentence cut at the names: text, name, text and so on, so that every second piece is a name."""
    return tuple(re.split(f"[{_OPEN}{_CLOSE}]", text))
