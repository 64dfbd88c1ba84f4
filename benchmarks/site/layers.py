"""The diagram of the layers of the code as HTML, since a program that draws Mermaid would come from another site."""

from __future__ import annotations

import html
import re


def layers_of(mermaid: str) -> str:
    """Return the boxes of a flowchart of subgraphs as HTML, a row for each subgraph, the first one last.

    Args:
        mermaid: The flowchart.
    """
    beside, *layers = re.findall(r'subgraph \w+\["(.*?)"\]\n(.*?)\n    end', mermaid, re.DOTALL)
    rows = [_row(title, body) for title, body in layers]
    arrow = '<div class="layers-arrow" aria-hidden="true">↓</div>'
    return f'<div class="layers">{arrow.join(rows)}{_row(*beside, kind="beside")}</div>'


def _row(title: str, body: str, *, kind: str = "layer") -> str:
    boxes = "".join(f"<code>{html.escape(name)}</code>" for name in re.findall(r'\["(.+?)"\]', body))
    return f'<div class="layers-{kind}"><span>{html.escape(title)}</span><div>{boxes}</div></div>'
