"""Tables on the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from study.core.readable_output import in_one_line, own_sequences

# Wider than any table, so that no table is truncated. A table takes the width of its content.
_UNLIMITED = 100_000


def render_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, stream: TextIO) -> None:
    """Print a table as wide as its content: with rules on a terminal, Markdown elsewhere; numbers are aligned right.

    Control characters in a cell are shown, line ends included.

    Args:
        headers: The headers of the columns.
        rows: The rows, each with a text for each column.
        stream: The stream to write to.
    """
    console = Console(file=stream, width=_UNLIMITED, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else box.MARKDOWN)
    for index, header in enumerate(headers):
        numeric = all(re.match(r"[-+]?\d|$", row[index]) for row in rows)
        table.add_column(Text(in_one_line(header)), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        # Text, since brackets in a string would be read as markup.
        table.add_row(*(Text(in_one_line(cell)) for cell in row))
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    own_sequences(stream).write("\n".join(line for line in lines if line) + "\n")  # rich pads with lines of blanks
