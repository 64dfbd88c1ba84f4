"""Tables on the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wider than any table, so that no table is truncated. A table takes the width of its content.
_UNLIMITED = 100_000


def render_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, stream: TextIO) -> None:
    """Print a table as wide as its content: with rules on a terminal, Markdown elsewhere; numbers are aligned right.

    Args:
        headers: The headers of the columns.
        rows: The rows, each with a text for each column.
        stream: The stream to write to.
    """
    console = Console(file=stream, width=_UNLIMITED, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else box.MARKDOWN)
    for index, header in enumerate(headers):
        numeric = all(re.match(r"[-+]?\d|$", row[index]) for row in rows)
        table.add_column(Text(header), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # Text, since brackets in a string would be read as markup
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    stream.write("\n".join(line for line in lines if line) + "\n")  # rich pads with lines of blanks
