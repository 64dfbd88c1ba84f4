r"""Show control characters in a text, such as `\x1b`, instead of sending them to a terminal.

Names, tags and params of a store that was handed on may hold sequences that a terminal obeys. All text of a command
goes through the streams of `readable_output`, so no writer can forget to escape. Our own sequences, those of rich,
are written to `own_sequences(stream)`, with each text escaped before.
"""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# Characters without a picture of their own that Unicode counts among letters and marks, or has not assigned.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\uffa0"
# Every character that may have to be written out; `_escaped` decides.
_SUSPECTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    f"\ufff0-\ufffb{_BLANK}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_BREAKS = re.compile("[\t\n]")
_JOINERS = "\u200c\u200d"  # zero width non-joiner and joiner
_VIRAMA = 9  # the combining class of a sign after which a joiner is spelling


def shown(text: str) -> str:
    r"""Return a text with its control characters written out, such as `\x1b`; line ends and tabs stay.

    Control characters are those of Unicode's categories Cc, Cf, Cs, Zl and Zp without a picture, and other blank ones.
    Joiners stay where they are spelling: in emoji, after a virama, and between Arabic letters (RFC 5892, appendix A).

    Args:
        text: The text, of any length.

    >>> shown("red \x1b[31m, 漢字")
    'red \\x1b[31m, 漢字'
    """
    return _SUSPECTS.sub(_escaped, text)


def in_one_line(text: str) -> str:
    r"""Return a text as a part of a line: its control characters are written out, line ends and tabs included.

    Args:
        text: The text.

    >>> in_one_line("a\nb")
    'a\\nb'
    """
    return _BREAKS.sub(lambda found: repr(found[0])[1:-1], shown(text))


class ReadableStream:
    """A text stream that shows the control characters of all that is written to it.

    Everything else, such as `isatty` and `buffer`, is the stream's behind it.

    Args:
        behind: The stream that receives the text.
    """

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def write(self, text: str) -> int:
        """Write a text and return its length, like a stream of Python.

        Args:
            text: The text.
        """
        self.behind.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other.

        Args:
            lines: The texts.
        """
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def __enter__(self) -> ReadableStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.behind.close()


def readable(stream: TextIO) -> TextIO:
    """Return a stream that shows control characters in front of a stream; a readable one is returned unchanged.

    Args:
        stream: The stream.
    """
    given: object = stream
    return stream if isinstance(given, ReadableStream) else cast(TextIO, ReadableStream(stream))


def own_sequences(stream: TextIO) -> TextIO:
    """Return the stream behind a readable one, for text with our own sequences in which all else is `shown`.

    Args:
        stream: The stream.
    """
    given: object = stream
    return given.behind if isinstance(given, ReadableStream) else stream


def open_streams() -> None:
    """Open input, output and errors on the null device where the calling process has closed them.

    Otherwise the next file that is opened, such as a database, gets their descriptor, and what libraries write there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)  # inheritable, as streams are
            if null != number:
                os.close(null)
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - the process's own
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def show_controls() -> None:
    """Let this process's output and errors show control characters from now on, tracebacks included.

    Characters that the terminal's encoding lacks are escaped too, where Python would end with an error after a good
    run.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = readable(sys.stdout), readable(sys.stderr)


@contextmanager
def readable_output() -> Iterator[None]:
    """Let output and errors show control characters during the block."""
    before = sys.stdout, sys.stderr
    show_controls()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _JOINERS and _is_spelling(found.string, found.start()):
        return sign
    return sign.encode("ascii", "backslashreplace").decode() if ord(sign) > 0x7F else f"\\x{ord(sign):02x}"


def _is_spelling(text: str, place: int) -> bool:
    """Return whether a joiner belongs to an emoji or to a word of a script that joins its letters."""
    before = text[:place].rstrip("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")[-1:]
    after = text[place + 1 : place + 2]
    if not before or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    both = (before, after)
    if text[place] == "\u200d":
        return all(unicodedata.category(sign) in ("So", "Cn") for sign in both)
    return all(unicodedata.bidirectional(sign) == "AL" for sign in both)
