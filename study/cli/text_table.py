"""Tables on the terminal, as wide as the terminal allows, and Markdown elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from study.core.readable_output import in_one_line, own_sequences
from study.core.terminal import can_show, is_screen, width_of
from study.core.wrapped_text import n_cells, wrapped

# Wider than any table, so that no table is truncated. A Markdown table takes the width of its content.
_UNLIMITED = 100_000
_NUMBER = re.compile(r"[-+]?\d|$")
_INDENT, _GAP, _RULE = "  ", "  ", "─"
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"

Rows = Sequence[Sequence[str]]


def render_table(
    headers: Sequence[str], rows: Rows, *, stream: TextIO, below: Sequence[str] = (), second_lines: bool = True
) -> list[str]:
    """Print a table: with rules on a terminal, Markdown elsewhere; numbers are aligned right.

    A terminal that is too narrow gets two lines for each row. If this is too wide too, each row becomes a few lines of
    headers and values. Control characters in a cell are shown, line ends included.

    Args:
        headers: The headers of the columns.
        rows: The rows, each with a text for each column.
        stream: The stream to write to.
        below: Headers of the columns that go to the second line, as many as must, the first ones first. Default: the
            column of the longest text that is not the first one.
        second_lines: Show the columns that go to the second line. Default True: otherwise they are left out.

    Returns:
        The headers of the columns that were left out.
    """
    lines, left_out = table_lines(headers, rows, stream=stream, below=below, second_lines=second_lines)
    own_sequences(stream).write("".join(f"{line}\n" for line in lines))
    return left_out


def table_lines(
    headers: Sequence[str], rows: Rows, *, stream: TextIO, below: Sequence[str] = (), second_lines: bool = True
) -> tuple[list[str], list[str]]:
    """Return the lines of a table as `render_table` prints it, and the headers of the columns that were left out.

    Args:
        headers: The headers of the columns.
        rows: The rows, each with a text for each column.
        stream: The stream to write to.
        below: As for `render_table`. Default: the column of the longest text that is not the first one.
        second_lines: As for `render_table`. Default True.
    """
    titles = [in_one_line(header) for header in headers]
    cells = [[in_one_line(cell) for cell in row] for row in rows]
    behind = own_sequences(stream)
    left_out: list[str] = []
    if is_screen(stream):
        width, movable = width_of(stream), below or _longest(titles, cells)
        if not second_lines:
            left_out = _too_many(titles, cells, width, movable)
            kept = [index for index, title in enumerate(titles) if title not in left_out]
            titles, cells = [titles[index] for index in kept], [[row[index] for index in kept] for row in cells]
        lines = _for_terminal(titles, cells, width, movable)
        lines = lines if can_show(behind, _RULE) else [line.replace(_RULE, "-") for line in lines]
    else:
        lines = _markdown(titles, cells, behind)
    return lines, left_out


def _too_many(headers: Sequence[str], rows: Rows, width: int, below: Sequence[str]) -> list[str]:
    """Return the headers of as few columns as must be left out for one line a row; none if that is not enough."""
    movable = [header for header in below if header in headers[1:]]
    for n in range(len(movable) + 1):
        kept = [index for index, header in enumerate(headers) if header not in movable[:n]]
        titles = [_in_two_lines(headers[index]) for index in kept]
        if _width(_aligned(titles, [[row[index] for index in kept] for row in rows])) <= width:
            return movable[:n]
    return []


def _for_terminal(headers: Sequence[str], rows: Rows, width: int, below: Sequence[str]) -> list[str]:
    """Return the lines of a table in the widest form that fits."""
    whole = _aligned([[header] for header in headers], rows)
    if _width(whole) <= width:
        return _ruled(whole, 1)
    movable = [headers.index(header) for header in below if header in headers[1:]]
    for n in range(len(movable) + 1):
        kept = [column for column in range(len(headers)) if column not in movable[:n]]
        titles = [_in_two_lines(headers[column]) for column in kept]
        upper = _aligned(titles, [[row[column] for column in kept] for row in rows])
        if _width(upper) <= width:
            second = [_named_cells(headers, row, movable[:n]) for row in rows]
            return _with_second_lines(_ruled(upper, max(map(len, titles))), second, width)
    return [line for row in rows for line in _block(headers, row, width)]


def _aligned(titles: Sequence[Sequence[str]], rows: Rows) -> list[str]:
    """Return the lines of headers, of one or two lines each, and of rows, with the columns below one another."""
    n = max((len(title) for title in titles), default=1)
    columns = []
    for index, title in enumerate(titles):
        cells = [row[index] for row in rows]
        heads = [*[""] * (n - len(title)), *title]  # the last line of a header stands above the numbers
        room = max(map(n_cells, [*heads, *cells]), default=0)
        is_right = all(_NUMBER.match(cell) for cell in cells)
        columns.append([_padded(text, room, is_right) for text in [*heads, *cells]])
    return [(_INDENT + _GAP.join(parts)).rstrip() for parts in zip(*columns, strict=True)]


def _ruled(lines: Sequence[str], n_headers: int) -> list[str]:
    """Return the lines of a table with bold headers and a rule below them."""
    rule = _INDENT + _RULE * max(_width(lines) - len(_INDENT), 1)
    return [*(f"{_BOLD}{line}{_PLAIN}" if line else line for line in lines[:n_headers]), rule, *lines[n_headers:]]


def _with_second_lines(table: Sequence[str], second: Sequence[str], width: int) -> list[str]:
    """Return the lines of a table with a further line below each row, broken where it must be."""
    first_row = len(table) - len(second)
    lines = [*table[:first_row]]
    for line, text in zip(table[first_row:], second, strict=True):
        lines += [line, *(wrapped(text, width=width, indent=_INDENT * 2) if text else [])]
    return lines


def _named_cells(headers: Sequence[str], row: Sequence[str], columns: Sequence[int]) -> str:
    """Return cells with their headers, in the order of the columns."""
    return "; ".join(f"{headers[column]} {row[column]}" for column in sorted(columns) if row[column])


def _block(headers: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """Return a row as lines of headers and values, each with as many as fit."""
    rest = [f"{header} {cell}" for header, cell in zip(headers[1:], row[1:], strict=True) if cell]
    lines = [f"{_BOLD}{line}{_PLAIN}" for line in wrapped(f"{headers[0]} {row[0]}", width=width, indent=_INDENT)]
    for index, text in enumerate(rest):
        longer = f"{lines[-1]}   {text}"
        if index and n_cells(longer) <= width:
            lines[-1] = longer
        else:
            lines += wrapped(text, width=width, indent=_INDENT * 2, hanging=_INDENT * 3)
    return lines


def _longest(headers: Sequence[str], rows: Rows) -> list[str]:
    """Return the header of the column with the longest text that is not the first column."""
    longest = [max((n_cells(row[index]) for row in rows), default=0) for index in range(1, len(headers))]
    return [headers[1 + longest.index(max(longest))]] if longest else []


def _in_two_lines(header: str) -> list[str]:
    words = header.split(" ")
    return [" ".join(words[:-1]), words[-1]] if len(words) > 1 else [header]


def _padded(text: str, room: int, is_right: bool) -> str:
    blanks = " " * (room - n_cells(text))
    return blanks + text if is_right else text + blanks


def _width(lines: Sequence[str]) -> int:
    return max(map(n_cells, lines), default=0)


def _markdown(headers: Sequence[str], rows: Rows, stream: TextIO) -> list[str]:
    console = Console(file=stream, width=_UNLIMITED, highlight=False, force_terminal=False)
    table = Table(box=box.MARKDOWN)
    for index, header in enumerate(headers):
        is_number = all(_NUMBER.match(row[index]) for row in rows)
        table.add_column(Text(header), justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # Text, since brackets in a string would be read as markup
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return [line for line in lines if line]  # rich pads with lines of blanks
