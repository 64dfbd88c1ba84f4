"""The comparison page, one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from study.report.across_workloads import AcrossWorkloads, sentence, workloads_figures
from study.report.comparison import Comparison
from study.report.html.figure_data import figure_data
from study.report.html.figure_table import figure_table
from study.report.html.live_state import LiveState
from study.report.html.sections import sections
from study.report.html.tables import ranks_table
from study.report.html.templates import fill_template


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
        return (
            f"{base}/#/experiments/{self.experiment_ids.get(experiment, '0')}/runs/{{}}?workflowType=machine_learning"
        )


def render(
    comparisons: Sequence[Comparison],
    *,
    origin: ReportOrigin,
    workloads: AcrossWorkloads | None = None,
    live: LiveState | None = None,
) -> str:
    """Return the page as HTML.

    Args:
        comparisons: One for each experiment.
        origin: The origin of the page.
        workloads: The comparison across the experiments; default None: without it.
        live: The state of the studies, for a page that follows them; default None: a page for keeping.
    """
    experiments = [
        sections(
            comparison,
            prefix="" if len(comparisons) == 1 else f"w{number}-",
            link=origin.link(comparison.experiment.name),
            command=origin.command,
            n_experiments=len(comparisons),
            is_live=live is not None and live.kind == "running",
        )
        for number, comparison in enumerate(comparisons, start=1)
    ]
    ranking = None
    drawn = {}
    if workloads is not None:
        drawn = workloads_figures(workloads)
        ranking = {"sentence": sentence(workloads), "table": ranks_table(workloads), "figures": drawn}
        ranking["numbers"] = {name: figure_table(figure) for name, figure in drawn.items()}
    own = {
        f"{each.prefix}{name}": each.comparison.figures[name]
        for each in experiments
        for name in each.comparison.figures
    }
    specs = {name: {**figure.spec(), "title": figure.title} for name, figure in {**drawn, **own}.items()}
    return fill_template(
        "report/html/page.html.j2",
        experiments=experiments,
        ranking=ranking,
        origin=origin,
        figures=figure_data(specs),
        live=live,
    )


def render_waiting(names: Sequence[str], *, live: LiveState, note: str = "") -> str:
    """Return the page of experiments in which no trial has begun; it waits for the first one.

    Args:
        names: Names of the experiments.
        live: The state of the studies.
        note: A sentence about experiments without a study. Default: empty.
    """
    return fill_template("report/html/waiting.html.j2", names=names, live=live, note=note)


def time_text() -> str:
    """Return the present time as pages show it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
