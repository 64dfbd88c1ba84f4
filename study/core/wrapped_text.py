"""Break text into lines of a terminal between words, so that the terminal does not break it within one."""

from __future__ import annotations

import re
import unicodedata

# One word each: a command between backquotes, which a reader copies as a whole, and a number with its unit.
_WORDS = re.compile(r"[^ `]*`[^`\n]*`[^ `]*|\S*\d (?:(?:s|min|h|MB|GB)\b|%)\S*|[^ ]+")
_WIDE = ("W", "F")
# A remark stands beside a term that ends at this cell or before; the remark of a longer one gets a line of its own.
_TERM_END = 16
# The gap between two options on one line, and that between a term and its remark.
_NEXT_OPTION, _REMARK = re.compile(r" {2,}(?=-)"), re.compile(r"(?<=\S) {2,}")


def wrapped(text: str, *, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Return a text as lines that fit a terminal.

    Words stay whole, and so do commands between backquotes. One that is longer than a line has a line of its own,
    which the terminal breaks, so that copying it gives one line.

    Args:
        text: The text, without control characters. Its line ends stay, and the blanks at the start of its lines.
        width: Width of the terminal, in cells.
        indent: The start of each line of the text. Default: empty.
        hanging: The start of the further lines into which one is broken. None (the default): `indent`.

    >>> wrapped("one two three", width=8, indent="- ", hanging="  ")
    ['- one', '  two', '  three']
    """
    hanging = indent if hanging is None else hanging
    lines: list[str] = []
    for part in text.split("\n"):
        lead = part[: len(part) - len(part.lstrip(" "))]  # as of a traceback
        line = start = indent + lead
        for word in _WORDS.findall(part):
            gap = "" if line == start else " "
            if gap and n_cells(line) + 1 + n_cells(word) > width:
                lines.append(line)
                line, start, gap = hanging + lead + word, hanging + lead, ""
            else:
                line += gap + word
        lines.append(line)
    return lines


def folded_help(text: str, *, width: int) -> str:
    """Return a help in lines that fit a terminal: its terms, their remarks, and sentences.

    Only lines that are too long are changed: they are broken before a second option, before the remark of a long term,
    and between words.

    Args:
        text: The help.
        width: Width of the terminal, in cells.

    >>> print(folded_help("  run     search, confirm", width=24))
      run     search,
              confirm
    """
    return "\n".join(line for each in text.split("\n") for line in _folded(each, width))


def _folded(line: str, width: int) -> list[str]:
    if n_cells(line) <= width:
        return [line]
    margin = line[: len(line) - len(line.lstrip(" "))]
    options = _NEXT_OPTION.split(line.strip())
    if len(options) > 1:
        return [each for option in options for each in _folded(margin + option, width)]
    found = _REMARK.search(line)
    if found is None:
        return wrapped(line.strip(), width=width, indent=margin)
    remark, term = line[found.end() :], line[: found.start()]
    if found.start() > _TERM_END or found.end() > width // 2:
        return [term, *wrapped(remark, width=width, indent=f"{margin}    ")]
    return wrapped(remark, width=width, indent=line[: found.end()], hanging=" " * found.end())


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
