"""Sentences with marked names and commands, which plain text drops; the page shows names bold, commands as code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from study.report.objective_metric import SPACE

# Control characters around a name, and the one by which a command begins inside of them. No name contains them.
_OPEN, _CLOSE, _COMMAND = "\x02", "\x03", "\x04"


class Command(str):
    """A piece of a sentence that is a command."""

    __slots__ = ()


def marked_name(label: str) -> str:
    """Return a name with its marks."""
    return f"{_OPEN}{label}{_CLOSE}"


def marked_command(command: str) -> str:
    """Return a command with its marks."""
    return f"{_OPEN}{_COMMAND}{command}{_CLOSE}"


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
    return text.replace(_OPEN, "").replace(_CLOSE, "").replace(_COMMAND, "").replace(SPACE, " ")


def pieces(text: str) -> tuple[str, ...]:
    """Return a sentence cut at its marks: text, name, text and so on; every second piece is a name or a Command."""
    found = re.split(f"[{_OPEN}{_CLOSE}]", text)
    return tuple(Command(piece[1:]) if piece.startswith(_COMMAND) else piece for piece in found)
