"""The description of an experiment in MLflow's pages: the answer of its comparison, its table, and links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow.tracking import MlflowClient

from study.core.names import typed_command
from study.tracking.connection import Connections, store_errors
from study.tracking.experiment_views import links_of, run_path, set_ranges
from study.tracking.mlflow_schema import now_ms, to_metrics, to_tags
from study.tracking.own_notes import NOTE, SEAL_LENGTH, is_own, plain, sealed, without_seal
from study.tracking.read_studies import find_experiment, find_runs
from study.tracking.run_colors import recolor

_SPACE = "\N{NO-BREAK SPACE}"
# A sign that would end a cell.
_BAR = re.compile(r"(?<!\\)\|")
# The longest tag of an experiment that MLflow's databases take, in characters.
_LONGEST = 5000
# The first line of a description whose runs have changed; the command that renews it ends the line.
_STALE = "Runs were deleted or restored since this answer was written. Renew it: "


@dataclass(frozen=True, kw_only=True)
class ExperimentNote:
    """The content of a description.

    Attributes:
        headline: The answer in one short line of plain text.
        sentences: The sentences that qualify it, as plain text.
        cautions: Topics and texts of the cautions that come right after the headline, as plain text. Default: none.
        table: The rows of a table in Markdown, its head first; fewer are shown where they are too long. Empty: none.
        below: Lines below the table, in Markdown.
        colors: Colors of the studies as `#rrggbb`, by id of the study's run.
        ranges: The vertical axes of charts that show differences, by the chart's id.
        lacking: Tags and metrics that studies of earlier versions lack, by id of the study's run. Default: none.
    """

    headline: str
    sentences: Sequence[str]
    table: Sequence[Sequence[str]]
    below: Sequence[str]
    colors: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float]]
    cautions: Sequence[tuple[str, str]] = ()
    lacking: Mapping[str, tuple[Mapping[str, str], Mapping[str, float]]] = field(default_factory=dict)


def write_note(
    tracking_uri: str, experiment: str, note: ExperimentNote, *, connections: Connections | None = None
) -> bool:
    """Describe an experiment in MLflow, and give its runs the colors and its charts the axes of the comparison.

    A description that a person wrote or changed stays.

    Args:
        tracking_uri: Address of the store.
        experiment: Name of the experiment.
        note: The content.
        connections: The command's connections. None (the default): open a new one.

    Returns:
        True if the description was written.

    Raises:
        StoreError: The store is missing or cannot be written.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the experiment cannot be described"):
        found = find_experiment(client, experiment)
        if found is None:
            return False
        experiment_id = str(found.experiment_id)
        recolor(client, experiment_id, note.colors)
        set_ranges(client, experiment_id, note.ranges)
        for run_id, (tags, values) in note.lacking.items():
            metrics = to_metrics(values, step=0, timestamp_ms=now_ms())
            client.log_batch(run_id, metrics=metrics, tags=to_tags(tags))
        if not is_own(found.tags.get(NOTE, "")):
            return False
        links = _links(client, experiment_id)
        client.set_experiment_tag(experiment_id, NOTE, sealed(_text(note, links)))
    return True


def mark_stale(client: MlflowClient, run_id: str) -> bool:
    """Say at the head of an experiment's description that runs have changed, as a person deletes them in MLflow.

    Args:
        client: A client of the store.
        run_id: Id of a run that was deleted or restored.

    Returns:
        True if the description was changed. One that a person wrote stays, and so does one that says it already.
    """
    run = client.get_run(run_id)
    experiment = client.get_experiment(run.info.experiment_id)
    text = experiment.tags.get(NOTE, "")
    is_counted = run.data.tags.get("role") in ("study", "trial", "confirmation")
    if not is_counted or not text.strip() or not is_own(text) or text.startswith(_STALE):
        return False
    told = f"{_STALE}`{typed_command('compare', experiment.name)}`\n\n{without_seal(text)}"
    client.set_experiment_tag(experiment.experiment_id, NOTE, sealed(told[: _LONGEST - SEAL_LENGTH].rstrip()))
    return True


def _text(note: ExperimentNote, links: str) -> str:
    """Return the description without its seal; of a table that is too long, the first rows."""
    first = [plain(note.headline), *([f"Caution: {plain(_topics(note))}."] if note.cautions else [])]
    cautions = "\n".join(f"- **{plain(topic)}.** {plain(text)}" for topic, text in note.cautions)
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in note.table]
    head, rows = [*lines[:1], *("|" + "---|" * len(row) for row in note.table[:1])], lines[1:]
    n = len(rows)
    while True:
        left_out = [f"{len(rows) - n} more are on the comparison page."] if n < len(rows) else []
        table = "\n".join([*head, *rows[:n]])
        parts = [" ".join(first), cautions, table, *left_out, *note.below, links, plain(" ".join(note.sentences))]
        text = "\n\n".join(part for part in parts if part)
        if len(text) + SEAL_LENGTH <= _LONGEST or n == 0:
            return text[: _LONGEST - SEAL_LENGTH].rstrip()
        n -= 1


def _topics(note: ExperimentNote) -> str:
    """Return the topics of the cautions, each once, such as `diverged confirmations, unequal budgets`."""
    topics = dict.fromkeys(topic for topic, _ in note.cautions)
    return ", ".join(topic[:1].lower() + topic[1:] for topic in topics)


def _links(client: MlflowClient, experiment_id: str) -> str:
    """Return links to the views, the studies best first at their head, and to the last comparison's page, if any."""
    views = links_of(client, experiment_id).items()
    parts = [f"[{purpose}]({path.removeprefix('/')})" for purpose, path in views]
    pages = find_runs(client, [experiment_id], "tags.role = 'comparison'")
    if pages:
        last = max(pages, key=lambda run: (run.info.start_time, run.info.run_id))
        place = run_path(experiment_id, last.info.run_id, artifacts=True).removeprefix("/")
        parts.insert(1, f"[the comparison page and its figures]({place})")
    return "Open: " + " · ".join(parts)


def _cell(text: str) -> str:
    """Return a cell with a space at its end that stays, since MLflow draws cells without a distance."""
    return _BAR.sub(r"\\|", text).replace("\n", " ") + 2 * _SPACE
