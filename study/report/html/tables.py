"""Contents of the page's tables; `macros.html.j2` lays them out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from study.core.number_text import short_number
from study.report.across_workloads import TAU_MAX, AcrossWorkloads
from study.report.comparison import Comparison
from study.report.configuration_kinds import kinds_text
from study.report.confirmed import divergence_text
from study.report.curve_data import LEAST_SECONDS, shares_time
from study.report.early_stops import epochs_text
from study.report.figures.style import Style
from study.report.html.untuned_cells import gain_cell, untuned_cell, untuned_notes
from study.report.objective_metric import SPACE, ObjectiveMetric
from study.report.summary_rows import Row
from study.report.training_conditions import length
from study.statistics.intervals import MIN_SEEDS, Interval

# A line of code or a note.
CellLine = tuple[Literal["code", "note"], str]
# Heading, kind and cells of a column; a strong number is bold, and a cell of the kind `lines` holds several lines.
Column = tuple[str, Literal["text", "number", "strong", "code", "lines"], Sequence[str | int | Sequence[CellLine]]]

# Columns of the summary that only some experiments have.
_RARE = frozenset({"over studies", "diverged confirmations", "epochs"})
_MEMORY_NOTE = "Optimizer memory: what the optimizer keeps beside the weights, such as momentum."
_EPOCHS_NOTE = "Epochs: the median over the confirmations, with the fewest and the most; a training may stop early."
_MOST_CONFIGURATIONS = 5  # of several studies, in one cell


@dataclass(frozen=True, kw_only=True)
class RowHeading:
    """The heading of a row.

    Attributes:
        label: Its text.
        color: Color of the entry in the figures; default: without.
        marker: Plotly's name of the entry's marker in the figures; default: a circle.
        runs: Addresses of MLflow's pages, by run; default: none.
        note: A note beside the text; default: none.
        is_winner: Whether the row is the winner's; default False.
        full: The name that the label shortens, shown when the pointer is on it; default: none.
    """

    label: str
    color: str = ""
    marker: str = "circle"
    runs: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    is_winner: bool = False
    full: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """A table of the page.

    Attributes:
        caption: Its content.
        subject: Heading of the first column, which holds the headings of the rows.
        headings: Headings of the rows.
        columns: The other columns.
        name: Its name for readers who cannot see it; default: the caption.
        notes: Sentences below it, such as the meaning of its columns; default: none.
        on_screen: Titles of columns, and notes, that are left out on paper, which is narrow; default: none.
    """

    caption: str
    subject: str
    headings: Sequence[RowHeading]
    columns: Sequence[Column]
    name: str = ""
    notes: Sequence[str] = ()
    on_screen: frozenset[str] = frozenset()


def entry_heading(label: str, style: Style, *, note: str = "") -> RowHeading:
    """Return the heading of an entry's row, with the mark that the entry has in figures.

    Args:
        label: The label.
        style: The style in the figures.
        note: A note beside the label; default: none.
    """
    return RowHeading(label=label, color=style.color, marker=style.marker, note=note)


def summary_table(comparison: Comparison, *, link: str, is_live: bool = False) -> ReportTable:
    """Return the summary table.

    Args:
        comparison: The comparison.
        link: A link to a run, with `{}` for its id.
        is_live: Studies run: columns that are still empty stay, so that none comes and goes. Default False.
    """
    metric, rows = comparison.experiment.metric, comparison.rows
    diverged: Column = ("diverged confirmations", "lines", [_apart(row) for row in rows])
    pruned: Column = ("pruned", "number", [row.states.get("pruned", 0) for row in rows])
    epochs: Column = ("epochs", "number", [epochs_text(row.epochs) if row.epochs else "" for row in rows])
    over_studies: Column = ("over studies", "number", [_interval(row.over_studies, metric) for row in rows])
    chosen: Column = (f"validation {metric.spoken}", "number", [_validation(row, metric) for row in rows])
    seconds: Column = ("training, s/trial", "number", seconds_texts([row.seconds_per_trial for row in rows]))
    return ReportTable(
        caption=f"Mean {metric.confirmed_on} result over n confirmation seeds, in the order of the mean validation "
        "result over the same confirmations.",
        subject="optimizer",
        headings=[_summary_heading(row, comparison, link=link) for row in rows],
        columns=filled(
            # Without a test split, the compared results are those of validation.
            *([chosen] if metric.confirmed_on == "test" else []),
            (metric.confirmed_spoken, "strong", [_mean(row.tuned, metric) for row in rows]),
            ("95 % interval", "number", [_span(row.tuned, metric) for row in rows]),
            over_studies,
            diverged,
            ("n", "number", [row.tuned.n if row.tuned else "" for row in rows]),
            ("untuned", "number", [untuned_cell(row, metric) for row in rows]),
            ("gain, points" if metric.is_share else "gain", "number", [gain_cell(row, metric) for row in rows]),
            ("best configuration", "lines", [_configurations(row) for row in rows]),
            ("trials", "number", [_trials(row) for row in rows]),
            ("diverged trials", "number", [row.states.get("diverged", 0) for row in rows]),
            *([pruned] if any(row.states.get("pruned") for row in rows) else []),
            epochs,
            *([seconds] if is_measured([row.seconds_per_trial for row in rows]) else []),
            ("optimizer memory", "number", [_bytes(row.state_bytes) for row in rows]),
            optional=_RARE if is_live else None,
        ),
        notes=_summary_notes(comparison),
        on_screen=frozenset({"trials", "pruned", "epochs", "optimizer memory", _MEMORY_NOTE, _EPOCHS_NOTE}),
    )


def _summary_heading(row: Row, comparison: Comparison, *, link: str) -> RowHeading:
    return replace(
        entry_heading(row.label, comparison.look[row.label], note="not ended" if row.running else ""),
        runs={run_id: link.format(run_id) for run_id in row.run_ids},
        is_winner=row.label == comparison.answer.winner,
        full=row.name if row.name != row.label else "",
    )


def filled(*columns: Column, optional: Collection[str] | None = None) -> list[Column]:
    """Return the columns that say something.

    Args:
        columns: All columns.
        optional: Titles of the columns that are left out if they are empty. None (the default): all columns.
    """
    return [
        (title, kind, cells)
        for title, kind, cells in columns
        if any(cell not in ("", []) for cell in cells) or (optional is not None and title not in optional)
    ]


def is_measured(seconds: Sequence[float | None]) -> bool:
    """Return whether some of the seconds are long enough to be compared.

    Args:
        seconds: The seconds; None where they are not known.
    """
    return any(each is not None and math.isfinite(each) and each >= LEAST_SECONDS for each in seconds)


def seconds_texts(seconds: Sequence[float | None]) -> list[str]:
    """Return the seconds of a column, all with the decimals that give the largest three digits.

    Those below what can be compared are without their digits.

    Args:
        seconds: The seconds; None: not known, infinite: never.
    """
    known = [each for each in seconds if each is not None and math.isfinite(each)]
    largest = max(known, default=0.0)
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest >= LEAST_SECONDS else 0

    def text(each: float | None) -> str:
        if each is None or not math.isfinite(each):
            return "" if each is None else "never"
        return f"< {LEAST_SECONDS:g}" if each < LEAST_SECONDS else f"{each:.{decimals}f}"

    return [text(each) for each in seconds]


def _validation(row: Row, metric: ObjectiveMetric) -> str:
    """Return the mean that decides the order; before any confirmation, the best trial's result, which then does."""
    if row.validation is not None:
        return metric.text(row.validation)
    return "" if row.search_best is None else f"{metric.text(row.search_best)} (best trial)"


def _summary_notes(comparison: Comparison) -> list[str]:
    metric, entries = comparison.experiment.metric, comparison.experiment.entries
    some = any(row.tuned is not None and math.isfinite(row.tuned.low) for row in comparison.rows)
    kind = kinds_text(comparison.experiment)
    told = [
        "An interval is Student's t of one mean alone, not of a difference. The best of several means is partly luck, "
        "so its interval holds less often than in 95 % of comparisons."
        if some
        else f"There is no interval with fewer than {MIN_SEEDS} seeds.",
        _seconds_note(comparison),
    ]
    told[1:1] = untuned_notes(comparison.rows)
    if any(row.state_bytes is not None for row in comparison.rows):
        told.append(_MEMORY_NOTE)
    if any(row.epochs for row in comparison.rows):
        told.append(_EPOCHS_NOTE)
    if any(len(entry.studies) > 1 for entry in entries):
        told.insert(0, "Results of several study seeds are averaged; n counts the confirmation seeds of one study.")
    if any(row.over_studies for row in comparison.rows):
        text = (
            f"The 95 % interval, also in the figure, is over confirmation seeds, for these {kind}configurations; that "
        )
        told.insert(1, f"{text}over studies includes the luck of the search.")
    if any(_apart(row) for row in comparison.rows):
        counted = (
            f"The mean validation {metric.spoken}, which is the order, and the gain count a diverged confirmation as "
            f"{metric.text(metric.worst)}"
            if metric.is_share
            else "An optimizer with a diverged confirmation comes after the others with confirmations and has no gain"
        )
        told.append(f"{counted}; the other means leave it out.")
    return told


def _seconds_note(comparison: Comparison) -> str:
    seconds = [row.seconds_per_trial for row in comparison.rows]
    if not any(each is not None for each in seconds):
        return "The seconds of training are not recorded."
    shared = shares_time(comparison.experiment)
    if not is_measured(seconds):
        return (
            f"Training takes less than a second a trial, which is too little to compare.{f' {shared}' * bool(shared)}"
        )
    told = "Seconds of training are the median over the trials, without compilation and evaluation; below one second "
    return f"{told}they are not compared.{f' {shared}' * bool(shared)}"


def target_table(comparison: Comparison) -> ReportTable | None:
    """Return the times to the target; None without a target."""
    if not comparison.targets:
        return None
    found = comparison.targets
    seconds: Column = ("median seconds", "number", seconds_texts([each.median_seconds for each in found.values()]))
    return ReportTable(
        caption="A seed that never meets the target counts as infinitely late; never: more than half of the seeds. "
        "Of an even number, the median is the earlier one of the two in the middle.",
        subject="optimizer",
        headings=[entry_heading(label, comparison.look[label]) for label in found],
        columns=[
            ("seeds that met it", "number", [f"{each.n_met} of {each.steps.size}" for each in found.values()]),
            ("median steps", "strong", [_time(each.median_steps, ".0f") for each in found.values()]),
            *([seconds] if is_measured([each.median_seconds for each in found.values()]) else []),
        ],
    )


def studies_table(comparison: Comparison, *, link: str) -> ReportTable:
    """Return the settings, seeds and data of each study."""
    studies = comparison.studies
    records = [study.record for study in studies]
    digests = comparison.experiment.digests

    def params(key: str) -> list[str]:
        return [record.params.get(key, "") for record in records]

    # The one place on paper that says which study a label stands for.
    labels: Column = ("label", "text", [entry.label for entry in comparison.entries for _ in entry.studies])
    is_shortened = any(entry.name not in ("", entry.label) for entry in comparison.entries)
    searched = zip(params("sampler.name"), params("pruner.name"), strict=True)
    started = [datetime.fromtimestamp(record.started, UTC) for record in records]
    return ReportTable(
        caption="Settings of each study; its config.yaml in MLflow has all of them.",
        subject="study",
        headings=[
            RowHeading(label=record.name, runs={record.run_id: link.format(record.run_id)}) for record in records
        ],
        columns=[
            *([labels] if is_shortened else []),
            ("status", "text", [record.status.lower() for record in records]),
            ("length", "text", [length(study) for study in studies]),
            ("sampler, pruner", "text", [f"{sampler}, {pruner}" for sampler, pruner in searched]),
            ("study seed", "number", params("study_seed")),
            ("order seed", "number", params("order_seed")),
            ("split seed", "number", params("split_seed")),
            ("data digest", "code", [digests.get(record.run_id, "unknown") for record in records]),
            ("commit", "code", [record.tags.get("git_commit", "unknown")[:10] for record in records]),
            ("started (UTC)", "text", [f"{time:%Y-%m-%d %H:%M}" for time in started]),
        ],
        on_screen=frozenset({"order seed", "split seed", "started (UTC)"}),
    )


def ranks_table(found: AcrossWorkloads) -> ReportTable:
    """Return mean results of confirmations and average ranks over the workloads."""
    splits = sorted({metric.confirmed_on for metric in found.metrics})
    missing = f" Left out because some workload lacks them: {', '.join(found.missing)}." if found.missing else ""
    profile: Column = ("profile score", "number", [f"{score:.2f}" for score in found.profile_scores])
    return ReportTable(
        caption=f"Mean {' or '.join(splits)} results and their average rank; 1 is the best.{missing}",
        subject="optimizer",
        headings=[RowHeading(label=label) for label in found.labels],
        columns=[
            ("average rank", "strong", [f"{rank:.2f}" for rank in found.ranks]),
            *(
                (
                    name if len(splits) == 1 else f"{name} ({metric.confirmed_on})",
                    "number",
                    [metric.text(metric.sign * score) for score in scores],
                )
                for name, metric, scores in zip(found.experiments, found.metrics, found.scores, strict=True)
            ),
            *([profile] if found.taus.size else []),
        ],
        name="Ranks",
        notes=_PROFILE_NOTES if found.taus.size else (),
    )


_PROFILE_NOTES = (
    "Profile score: the share of the workloads on which the target is met within a factor of the fewest steps, "
    f"averaged over the factors from 1 to {TAU_MAX:g}; 1 is the fastest everywhere. Steps are medians over seeds.",
)


def _mean(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else metric.text(interval.estimate)


def _apart(row: Row) -> list[CellLine]:
    """Return notes that a mean is that of the confirmations that did not diverge; empty where none diverged."""
    found = {"tuned": row.confirmed, "untuned": row.untuned_confirmed}
    texts = {setting: divergence_text(each) for setting, each in found.items()}
    return [("note", f"{setting}: {text}") for setting, text in texts.items() if text]


def _span(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else metric.span(interval.low, interval.high)


def _interval(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else f"{_mean(interval, metric)} ({_span(interval, metric)})"


def _trials(row: Row) -> str:
    return f"{row.n_trials}" if row.n_trials == row.n_planned else f"{row.n_trials}/{row.n_planned}"


def _configurations(row: Row) -> list[CellLine]:
    """Return a line for each study's best configuration, and one for each optimum near an edge."""
    edges = sorted({(edge.argument, edge.edge) for edge in row.edges})
    n_more = len(row.configuration) - _MOST_CONFIGURATIONS
    more: list[CellLine] = [("note", f"and {n_more} more, below under the best values")] if n_more > 0 else []
    return [
        *(
            ("code", " ".join(f"{key}={short_number(value)}" for key, value in each.items()))
            for each in row.configuration[:_MOST_CONFIGURATIONS]
        ),
        *more,
        *(("note", f"{argument} near its {edge} edge") for argument, edge in edges),
    ]


def _bytes(n: float | None) -> str:
    if n is None:
        return ""
    value, unit = (n, "B") if n < 1e3 else (n / 1e3, "kB") if n < 1e6 else (n / 1e6, "MB")
    return f"{value:.3g}{SPACE}{unit}"


def _time(value: float, digits: str) -> str:
    return "never" if not math.isfinite(value) else f"{value:{digits}}"
