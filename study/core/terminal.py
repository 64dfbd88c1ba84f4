"""The terminal behind a stream: whether there is one, and its width."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from study.core.interactive import in_kernel
from study.core.log_capture import behind_the_log
from study.core.readable_output import own_sequences

_WIDTH, _HEIGHT = 80, 24
_LEAST = 20


def is_screen(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can move its cursor.

    Args:
        stream: The stream.
    """
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def can_show(stream: TextIO, signs: str) -> bool:
    """Return whether the encoding of a stream has some signs.

    Args:
        stream: The stream.
        signs: The signs.
    """
    try:
        signs.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def width_of(stream: TextIO) -> int:
    """Return the width of a terminal, in cells: that of the variable COLUMNS, else its own, else 80; at least 20.

    Args:
        stream: A stream to the terminal.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return max(int(given), _LEAST)
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # no terminal, or one that was closed
        found = 0
    return max(found or _WIDTH, _LEAST)


def height_of(stream: TextIO) -> int:
    """Return the height of a terminal, in lines: that of the variable LINES, else its own, else 24.

    Args:
        stream: A stream to the terminal.
    """
    given = os.environ.get("LINES", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).lines or _HEIGHT
    except (OSError, ValueError):  # no terminal, or one that was closed
        return _HEIGHT


def terminal_of_errors() -> TextIO | None:
    """Return the terminal of standard error, for our own sequences; None without one, and in a notebook.

    While a study's log has standard error, this is the terminal behind it.
    """
    stream = behind_the_log(sys.stderr) or sys.stderr
    return own_sequences(stream) if is_screen(stream) and not in_kernel() else None


def clear_line() -> None:
    """Go to the start of an empty line of standard error: of the present one on a terminal, which may show `^C`."""
    terminal = terminal_of_errors()
    if terminal is None:
        sys.stderr.write("\n")
        return
    terminal.write("\r\x1b[2K")
    terminal.flush()
