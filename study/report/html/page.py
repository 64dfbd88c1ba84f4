"""The comparison page, one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from study.report.across_workloads import AcrossWorkloads, workloads_section
from study.report.comparison import Comparison
from study.report.figures.figure import Figure
from study.report.html.sections import PageSection, answer_block, sections


@dataclass(frozen=True, kw_only=True)
class ReportOrigin:
    """The origin of a page.

    Attributes:
        command: The command that makes it.
        ui: The base address of MLflow's pages, for links.
        experiment_ids: MLflow's id of each experiment.
        made: The time when the page is made, as text.
    """

    command: str
    ui: str
    experiment_ids: Mapping[str, str]
    made: str

    def link(self, experiment: str) -> str:
        """Return a link to a run of an experiment, with `{}` for its id."""
        base = self.ui.rstrip("/").replace("{", "%7B").replace("}", "%7D")
        return f"{base}/#/experiments/{self.experiment_ids.get(experiment, '0')}/runs/{{}}"


def render(
    comparisons: Sequence[Comparison], *, origin: ReportOrigin, workloads: AcrossWorkloads | None = None
) -> str:
    """Return the page as HTML.

    Args:
        comparisons: One for each experiment.
        origin: The origin of the page.
        workloads: The comparison across the experiments; default None: without it.
    """
    drawn: dict[str, Figure] = {}
    parts: list[PageSection] = []
    single = len(comparisons) == 1
    if workloads is not None:
        across, own = workloads_section(workloads)
        parts.append(across)
        drawn |= own
    for index, comparison in enumerate(comparisons):
        prefix = "" if single else f"w{index + 1}-"
        own = {f"{prefix}{name}": figure for name, figure in comparison.figures.items()}
        drawn |= own
        link = origin.link(comparison.experiment.name)
        parts += _experiment(comparison, prefix=prefix, single=single, drawn=own, link=link, origin=origin)
    title = " · ".join(comparison.experiment.name for comparison in comparisons)
    head = _head(comparisons[0]) if single else _head_of_many(comparisons)
    specs = {name: {**figure.spec(), "title": figure.title} for name, figure in drawn.items()}
    return _document(title=title, head=head, parts=parts, specs=specs, origin=origin)


def _experiment(
    comparison: Comparison, *, prefix: str, single: bool, drawn: Mapping[str, Figure], link: str, origin: ReportOrigin
) -> list[PageSection]:
    found = sections(comparison, prefix=prefix, drawn=drawn, link=link, command=origin.command)
    if single:
        return found
    opening = PageSection(
        anchor=f"{prefix}answer",
        title=comparison.experiment.name,
        html=answer_block(comparison),
        level=1,
    )
    return [opening, *found]


def _head(comparison: Comparison) -> str:
    experiment = comparison.experiment
    return (
        f'<p class="eyebrow">Optimizer comparison</p><h1>{escape(experiment.name)}</h1>'
        f'<p class="workload">{_workload(comparison)}</p>{answer_block(comparison)}'
    )


def _head_of_many(comparisons: Sequence[Comparison]) -> str:
    names = ", ".join(escape(comparison.experiment.name) for comparison in comparisons)
    return (
        f'<p class="eyebrow">Optimizer comparison</p><h1>{len(comparisons)} workloads</h1>'
        f'<p class="workload">{names}</p>'
    )


def _workload(comparison: Comparison) -> str:
    experiment, record = comparison.experiment, comparison.experiment.records[0]
    target = f", target {experiment.metric.text(experiment.metric.target)}" if experiment.metric.target else ""
    n = len(experiment.entries)
    return (
        f"{escape(record.model)} on {escape(record.dataset)} · {escape(experiment.metric.name)}, "
        f"{experiment.metric.direction}d{target} · {n} optimizer setting{'s' if n != 1 else ''}"
    )


def _document(
    *, title: str, head: str, parts: Sequence[PageSection], specs: Mapping[str, Any], origin: ReportOrigin
) -> str:
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
        f"Made {escape(origin.made)} by <code>{escape(origin.command)}</code></footer>"
        f'<script type="application/json" id="figures">{_json(specs)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{script}</script></body></html>\n"
    )


def _json(specs: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element."""
    return str(to_json_plotly(specs)).replace("<", "\\u003c")
