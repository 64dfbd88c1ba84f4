"""Contents of the table of trials, which a reader sorts; `macros.html.j2` lays it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study.core.names import typed_command
from study.core.number_text import short_number
from study.report.comparison import Comparison
from study.report.figures.hyperparameters import label_of
from study.report.html.figure_table import text_columns
from study.report.html.tables import is_measured, seconds_texts
from study.report.marked_text import marked_command
from study.report.objective_metric import ObjectiveMetric
from study.report.trial_rows import TrialRow, trial_rows

# Rows of one table: with these the table takes about 150 kB of the page.
MOST_TRIALS = 500


@dataclass(frozen=True, kw_only=True)
class TrialTableRow:
    """One row.

    Attributes:
        label: The entry's name.
        color: Its color in the figures.
        marker: Plotly's name of its marker there.
        number: The trial's index, from 0.
        link: Address of its run in MLflow.
        cells: The other cells.
    """

    label: str
    color: str
    marker: str
    number: int
    link: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrialTable:
    """The table of trials.

    Attributes:
        note: Its content, and what is left out.
        columns: Headings of the cells after optimizer and trial.
        texts: Indices in `columns` of those that hold words.
        sorted_by: Index in `columns` of the one by which the rows are sorted.
        order: Their order there: `ascending` or `descending`.
        rows: The rows, the best result first.
    """

    note: str
    columns: tuple[str, ...]
    texts: frozenset[int]
    sorted_by: int
    order: str
    rows: tuple[TrialTableRow, ...]


def trial_table(comparison: Comparison, *, link: str, most_rows: int = MOST_TRIALS) -> TrialTable | None:
    """Return the trials, the best first; of too many, the best of each study. None without a trial.

    Args:
        comparison: The comparison.
        link: A link to a run, with `{}` for its id.
        most_rows: Number of rows from which on trials are left out. Default 500.
    """
    metric = comparison.experiment.metric
    if not (found := trial_rows(comparison.entries, metric)):
        return None
    shown = sorted(_best_of_each(found, metric, most_rows), key=lambda row: _key(row, metric))
    has_seeds = len({row.study for row in found}) > len({row.label for row in found})
    has_seconds = is_measured([row.seconds for row in shown])
    names = list(dict.fromkeys(name for row in shown for name in row.values))
    score = f"validation {metric.spoken}"
    columns = (
        *(["study seed"] if has_seeds else []),
        "state",
        score,
        *map(label_of, names),
        *(["seconds of training"] if has_seconds else []),
    )
    seconds = seconds_texts([row.seconds for row in shown])
    rows = tuple(
        TrialTableRow(
            label=row.label,
            color=comparison.look[row.label].color,
            marker=comparison.look[row.label].marker,
            number=row.number,
            link=link.format(row.run_id),
            cells=(
                *([str(row.study_seed)] if has_seeds else []),
                *_cells(row, metric, names),
                *([spent] if has_seconds else []),
            ),
        )
        for row, spent in zip(shown, seconds, strict=True)
    )
    return TrialTable(
        note=_note(comparison, n_shown=len(shown), n=len(found)),
        columns=columns,
        texts=text_columns([row.cells for row in rows]),
        sorted_by=columns.index(score),
        order="descending" if metric.direction == "maximize" else "ascending",
        rows=rows,
    )


def _cells(row: TrialRow, metric: ObjectiveMetric, names: Sequence[str]) -> list[str]:
    score = "" if row.score is None else metric.text(row.score)
    return [row.state, score, *(short_number(row.values.get(name, "")) for name in names)]


def _key(row: TrialRow, metric: ObjectiveMetric) -> tuple[bool, float, str, int, int]:
    score = 0.0 if row.score is None else -metric.sign * row.score
    return (row.score is None, score, row.label, row.study_seed, row.number)


def _best_of_each(rows: Sequence[TrialRow], metric: ObjectiveMetric, most: int) -> list[TrialRow]:
    """Return the best trials of each study: as many of each as fit, and all of a study with few."""
    by_study: dict[str, list[TrialRow]] = {}
    for row in sorted(rows, key=lambda row: _key(row, metric)):
        by_study.setdefault(row.study, []).append(row)
    kept: list[TrialRow] = []
    # The smallest first, so that what it does not need is left for the others.
    for left, trials in zip(range(len(by_study), 0, -1), sorted(by_study.values(), key=len), strict=True):
        kept += trials[: max(1, (most - len(kept)) // left)]
    return kept


def _note(comparison: Comparison, *, n_shown: int, n: int) -> str:
    experiment = comparison.experiment
    all_of_them = "The only trial" if n == 1 else f"All {n} trials"
    told = all_of_them if n_shown == n else f"The best {n_shown} of {n} trials, as many of each study as fit"
    told += ". A heading sorts by its column; the number of a trial leads to its run in MLflow."
    if n_shown < n:
        command = marked_command(typed_command("list", experiment.name).replace("list", "list --json", 1))
        told += (
            f" All are in the figure above, in MLflow ({marked_command('study ui')}), and in what {command} prints."
        )
    beyond = experiment.n_trials is not None and any(
        study.ranges and study.n_spent > experiment.n_trials for study in experiment.studies
    )
    if beyond:
        told += f" Those from number {experiment.n_trials} on are beyond the budget that all studies have in common."
    return told
