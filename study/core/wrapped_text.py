"""Break text into lines of a terminal between words, so that the terminal does not break it within one."""

from __future__ import annotations

import re
import unicodedata

# One word each: a command between backquotes, which a reader copies as a whole, and a number with its unit.
_WORDS = re.compile(r"[^ `]*`[^`\n]*`[^ `]*|\S*\d (?:(?:s|min|h|MB|GB)\b|%)\S*|[^ ]+")
_WIDE = ("W", "F")


def wrapped(text: str, *, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Return a text as lines that fit a terminal.

    Words stay whole, and so do commands between backquotes. One that is longer than a line has a line of its own,
    which the terminal breaks, so that copying it gives one line.

    Args:
        text: The text, without control characters. Its line ends stay.
        width: Width of the terminal, in cells.
        indent: The start of the first line. Default: empty.
        hanging: The start of each further line. None (the default): `indent`.

    >>> wrapped("one two three", width=8, indent="- ", hanging="  ")
    ['- one', '  two', '  three']
    """
    hanging = indent if hanging is None else hanging
    lines: list[str] = []
    for part in text.split("\n"):
        lead = part[: len(part) - len(part.lstrip(" "))]  # as of a traceback
        line = start = (hanging if lines else indent) + lead
        for word in _WORDS.findall(part):
            gap = "" if line == start else " "
            if gap and n_cells(line) + 1 + n_cells(word) > width:
                lines.append(line)
                line, start, gap = hanging + word, hanging, ""
            else:
                line += gap + word
        lines.append(line)
    return lines


def n_cells(text: str) -> int:
    """Return the number of cells that a text takes on a terminal.

    Args:
        text: The text, in one line.
    """
    if text.isascii():
        return len(text)
    return sum(_cells(sign) for sign in text)


def _cells(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in _WIDE else 1
