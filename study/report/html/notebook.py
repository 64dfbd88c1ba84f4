"""A comparison as a part of a notebook: the answer, the serious cautions, the summary and some figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from study.report.comparison import Comparison
from study.report.figures.svg import to_svg
from study.report.html.tables import summary_table
from study.report.html.templates import fill_template


def notebook_html(comparison: Comparison, *, figures: Sequence[str]) -> str:
    """Return HTML without scripts that shows in a notebook and in what is exported of it.

    Each figure is an image of its own: names inside of one SVG document would be mixed with those of another.

    Args:
        comparison: The comparison.
        figures: Names of the figures' files; those without data are left out.
    """
    table = summary_table(comparison, link="")
    drawn = [comparison.figures[name] for name in figures if name in comparison.figures]
    return fill_template(
        "report/html/notebook.html.j2",
        comparison=comparison,
        table=replace(table, headings=[replace(heading, runs={}) for heading in table.headings]),
        figures=[(figure, base64.b64encode(to_svg(figure).encode()).decode()) for figure in drawn],
    )


def notebook_text(name: str, text: str) -> str:
    """Return HTML with a sentence in place of a comparison.

    Args:
        name: Name of the experiment.
        text: The sentence.
    """
    return fill_template("report/html/notebook_text.html.j2", name=name, text=text)
