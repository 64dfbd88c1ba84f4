"""A notebook as a page of the site: its texts, its code and its stored outputs."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import nbformat

# Outputs that are larger than this are left out of the page, in characters: they hold whole pictures of other pages.
_LARGEST = 400_000
_TEXT = "``` { .text .no-copy .output }"


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown.

    Args:
        path: The notebook, with outputs.
    """
    blocks: list[str] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            blocks.append(cell.source)
        elif cell.cell_type == "code":
            blocks.append(f"```python\n{cell.source}\n```")
            for text in filter(None, map(_output, cell.outputs)):
                if text.startswith(_TEXT) and blocks[-1].startswith(_TEXT):  # one block, as in the notebook
                    blocks[-1] = blocks[-1].removesuffix("```") + text.removeprefix(f"{_TEXT}\n")
                else:
                    blocks.append(text)
    return "\n\n".join(blocks) + "\n"


def _output(output: Any) -> str:
    """Return an output as Markdown, in the richest form that a page without scripts can show."""
    if output.output_type == "stream":
        return f"{_TEXT}\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if "text/html" in data and len(data["text/html"]) < _LARGEST:
        return _html(data["text/html"])
    if "image/png" in data:
        picture = f"data:image/png;base64,{data['image/png'].strip()}"
        return f'<p><img alt="A figure of the cell above" src="{picture}"></p>'
    return f"{_TEXT}\n{data.get('text/plain', '').rstrip()}\n```"


def _html(text: str) -> str:
    """Return the HTML of an output without scripts and styles, and without blank lines, which would end it."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if re.search(r"<(table|svg|img)\b", text):
        return '<div class="notebook-output">' + "\n".join(lines) + "</div>"
    # Lines of progress, which are preformatted.
    plain = html.unescape(re.sub(r"<[^>]+>", "", text)).strip("\n")
    return f"{_TEXT}\n{plain}\n```"
