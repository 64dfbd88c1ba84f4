"""The page: one HTML file that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from study.report.across_workloads import Workloads, workloads_section
from study.report.comparison import Comparison, figures
from study.report.figures.figure import Figure
from study.report.html.sections import Section, answer_block, sections


@dataclass(frozen=True, kw_only=True)
class Making:
    """How a page is made.

    Attributes:
        command: The command that makes it.
        ui: The base address of MLflow's pages, for links.
        experiment_ids: MLflow's id of each experiment.
        made: When, as text.
    """

    command: str
    ui: str
    experiment_ids: Mapping[str, str]
    made: str

    def link(self, experiment: str) -> str:
        """Return a link to a run of an experiment, with `{}` for its id."""
        base = self.ui.rstrip("/").replace("{", "%7B").replace("}", "%7D")
        return f"{base}/#/experiments/{self.experiment_ids.get(experiment, '0')}/runs/{{}}"


def render(comparisons: Sequence[Comparison], *, making: Making, workloads: Workloads | None = None) -> str:
    """Return the page as HTML.

    Args:
        comparisons: One an experiment.
        making: How it is made.
        workloads: The view across the experiments, where there are several.
    """
    drawn: dict[str, Figure] = {}
    parts: list[Section] = []
    single = len(comparisons) == 1
    if workloads is not None:
        across, own = workloads_section(workloads)
        parts.append(across)
        drawn |= own
    for index, comparison in enumerate(comparisons):
        prefix = "" if single else f"w{index + 1}-"
        own = {f"{prefix}{name}": figure for name, figure in figures(comparison).items()}
        drawn |= own
        link = making.link(comparison.evidence.experiment)
        parts += _experiment(comparison, prefix=prefix, single=single, drawn=own, link=link, making=making)
    title = " · ".join(comparison.evidence.experiment for comparison in comparisons)
    head = _head(comparisons[0]) if single else _head_of_many(comparisons)
    specs = {name: {**figure.spec(), "title": figure.title} for name, figure in drawn.items()}
    return _document(title=title, head=head, parts=parts, specs=specs, making=making)


def _experiment(
    comparison: Comparison, *, prefix: str, single: bool, drawn: Mapping[str, Figure], link: str, making: Making
) -> list[Section]:
    found = sections(comparison, prefix=prefix, drawn=drawn, link=link, command=making.command)
    if single:
        return found
    opening = Section(
        anchor=f"{prefix}answer",
        title=comparison.evidence.experiment,
        html=answer_block(comparison),
        level=1,
    )
    return [opening, *found]


def _head(comparison: Comparison) -> str:
    evidence = comparison.evidence
    return (
        f'<p class="eyebrow">Optimizer comparison</p><h1>{escape(evidence.experiment)}</h1>'
        f'<p class="workload">{_workload(comparison)}</p>{answer_block(comparison)}'
    )


def _head_of_many(comparisons: Sequence[Comparison]) -> str:
    names = ", ".join(escape(comparison.evidence.experiment) for comparison in comparisons)
    return (
        f'<p class="eyebrow">Optimizer comparison</p><h1>{len(comparisons)} workloads</h1>'
        f'<p class="workload">{names}</p>'
    )


def _workload(comparison: Comparison) -> str:
    evidence, record = comparison.evidence, comparison.evidence.records[0]
    target = f", target {evidence.measure.text(evidence.measure.target)}" if evidence.measure.target else ""
    n = len(evidence.entries)
    return (
        f"{escape(record.model)} on {escape(record.dataset)} · {escape(evidence.measure.name)}, "
        f"{evidence.measure.direction}d{target} · {n} optimizer setting{'s' if n != 1 else ''}"
    )


def _document(*, title: str, head: str, parts: Sequence[Section], specs: Mapping[str, Any], making: Making) -> str:
    style, script = (files("study.report.html").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    contents = "".join(
        f'<li class="level{part.level}"><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in parts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}: which optimizer is better?</title><style>{style}</style></head><body>"
        f'<header>{head}</header><nav aria-label="Contents"><ol>{contents}</ol></nav>'
        f"<main>{''.join(part.markup for part in parts)}</main>"
        "<footer><p>In figures: drag to zoom, double-click to reset; click a name in a legend to hide it, "
        "double-click to see it alone.</p>"
        f"Made {escape(making.made)} by <code>{escape(making.command)}</code></footer>"
        f'<script type="application/json" id="figures">{_json(specs)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{script}</script></body></html>\n"
    )


def _json(specs: Mapping[str, Any]) -> str:
    """Return JSON that can stand inside a script element."""
    return str(to_json_plotly(specs)).replace("<", "\\u003c")
