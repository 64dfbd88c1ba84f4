"""Sentences on the terminal, broken between words; elsewhere each stays one line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from study.core.readable_output import own_sequences, shown
from study.core.terminal import is_screen, width_of
from study.core.wrapped_text import folded_help, n_cells, wrapped

# Longer lines are hard to read.
_WIDEST = 120
# A word of a command, whose blanks are between quotes.
_TYPED = re.compile(r"(?:'[^']*'|\"[^\"]*\"|\S)+")
_BOLD, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[0m"


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A text for the terminal.

    Attributes:
        text: The text.
        look: `answer`: the text is bold. `caution`: its topic, up to the first colon, is bold and yellow. Default
            `plain`.
    """

    text: str
    look: Literal["plain", "answer", "caution"] = "plain"


def write_paragraphs(
    texts: Sequence[Paragraph | str], *, stream: TextIO, indent: str = "", hanging: str | None = None
) -> None:
    """Write texts, each from a new line on.

    Args:
        texts: The texts. Control characters are shown.
        stream: The stream to write to.
        indent: The start of the first line of each. Default: empty.
        hanging: The start of its further lines. None (the default): `indent`.
    """
    lines = paragraph_lines(texts, stream=stream, indent=indent, hanging=hanging)
    own_sequences(stream).write("".join(f"{line}\n" for line in lines))
    stream.flush()


def paragraph_lines(
    texts: Sequence[Paragraph | str], *, stream: TextIO, indent: str = "", hanging: str | None = None
) -> list[str]:
    """Return the lines that `write_paragraphs` writes.

    Args:
        texts: The texts. Control characters are shown.
        stream: The stream to write to.
        indent: The start of the first line of each. Default: empty.
        hanging: The start of its further lines. None (the default): `indent`.
    """
    width = min(width_of(stream), _WIDEST) if is_screen(stream) else None
    found: list[str] = []
    for each in texts:
        paragraph = each if isinstance(each, Paragraph) else Paragraph(text=each)
        text = shown(paragraph.text)
        if width is None:
            found.append(indent + text)
        else:
            found += _colored(wrapped(text, width=width, indent=indent, hanging=hanging), paragraph)
    return found


def write_help(text: str, *, stream: TextIO) -> None:
    """Write the help of a command, on a terminal in lines that fit it.

    Args:
        text: The help.
        stream: The stream to write to.
    """
    stream.write(folded_help(text, width=min(width_of(stream), _WIDEST)) if is_screen(stream) else text)
    stream.flush()


def write_commands(commands: Sequence[tuple[str, str]], *, stream: TextIO) -> None:
    """Write commands to type next, each with what it does.

    Args:
        commands: The commands with their purposes, at least one.
        stream: The stream to write to.
    """
    room = max(n_cells(shown(command)) for command, _ in commands)
    is_wide = not is_screen(stream) or width_of(stream) > room + max(len(purpose) for _, purpose in commands) + 5
    for command, purpose in commands:
        typed = shown(command)
        gap = " " * (room - n_cells(typed) + 3) if is_wide else "\n    "
        own_sequences(stream).write(f"  {typed}{gap}{purpose}\n")
    stream.flush()


def write_typed(commands: Sequence[str], *, stream: TextIO) -> None:
    """Write commands to type, each from a new line on.

    One that is wider than the terminal is broken between its words, after a backslash, so that a copy of its lines is
    the command. Elsewhere each stays one line.

    Args:
        commands: The commands, as `shlex.join` gives them.
        stream: The stream to write to.
    """
    width = width_of(stream) if is_screen(stream) else None
    lines = [line for command in commands for line in _typed_lines(shown(command), width)]
    own_sequences(stream).write("".join(f"  {line}\n" for line in lines))
    stream.flush()


def _typed_lines(command: str, width: int | None) -> list[str]:
    """Return the lines of a command that is indented by two cells; its quoted words stay whole."""
    if width is None or n_cells(command) + 2 <= width:
        return [command]
    first, *others = _TYPED.findall(command)
    lines = [first]
    for word in others:
        if n_cells(lines[-1]) + n_cells(word) + 5 > width:  # the indent, and ` \\` at the end
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    return lines


def _colored(lines: Sequence[str], paragraph: Paragraph) -> list[str]:
    if paragraph.look == "plain":
        return [*lines]
    if paragraph.look == "answer":
        return [f"{_BOLD}{line}{_PLAIN}" for line in lines]
    first, *rest = lines
    topic, colon, text = first.partition(":")
    color = "" if os.environ.get("NO_COLOR") else _YELLOW
    return [f"{_BOLD}{color}{topic}{colon}{_PLAIN}{text}" if colon else first, *rest]
