"""Read an experiment as `study compare` shows it, and make its page: one way for the command and for Python."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from study.cli.actions.liveness import living
from study.core.errors import StudyError
from study.core.records import RunRecord, StudyRecord
from study.core.search_space import Range, Value, text_of
from study.report.across_workloads import AcrossWorkloads
from study.report.comparable_groups import selected
from study.report.comparison import Comparison, compare
from study.report.html.live_state import LiveState
from study.report.html.page import ReportOrigin, render, time_text
from study.report.objective_metric import ObjectiveMetric
from study.report.searched_ranges import choice_of
from study.report.studies import Entry, gather, point_of
from study.search.importance import importance_errors, importances
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_histories, read_studies

if TYPE_CHECKING:
    from study.search.stored_searches import Searches


@dataclass(frozen=True, kw_only=True)
class ReadComparison:
    """An experiment that was read and compared.

    Attributes:
        comparison: The comparison.
        experiment_id: MLflow's id of the experiment.
    """

    comparison: Comparison
    experiment_id: str


def read_comparison(
    tracking_uri: str,
    experiment: str,
    *,
    connections: Connections,
    force: bool = False,
    where: Sequence[str] = (),
    records: Sequence[StudyRecord] | None = None,
    searches: Iterable[Searches] = (),
) -> ReadComparison:
    """Read an experiment and compare its studies.

    Args:
        tracking_uri: Address of the store.
        experiment: Name of the experiment.
        connections: The caller's connections.
        force: Compare studies that are not comparable. Default False.
        where: Words `KEY=VALUE`: compare only the studies with these settings. Default: all.
        records: The studies with their trials, if they were read already. None (the default): read them.
        searches: Each returns the studies in a store of searches, which knows whether a study still has a worker; they
            are called only if a study is running. Default: none, so that this is not known.

    Raises:
        StoreError: The store cannot be read, has no such experiment, or values in it were changed.
        StudyError: There is no study with a trial, or the studies are not comparable.
    """
    context = read_context(tracking_uri, experiment, connections=connections)
    if records is None:
        records = read_studies(tracking_uri, experiment, connections=connections)
    read = gather(
        experiment,
        selected(experiment, records, where, digests=context.digests),
        digests=context.digests,
        read_histories=lambda run_ids, metrics: read_histories(
            tracking_uri, run_ids, metrics, connections=connections
        ),
        force=force,
    )
    chosen = {record.settings_id for record in read.records}
    weighed = {entry.label: _importances(entry, read.metric) for entry in read.entries}
    read = replace(
        read,
        importances={label: shares for label, (shares, _) in weighed.items()},
        importance_errors={label: errors for label, (_, errors) in weighed.items()},
        has_worker=living(read.records, searches),
        unselected=frozenset(record.settings_id for record in records if where) - chosen,
    )
    return ReadComparison(comparison=compare(read), experiment_id=context.experiment_id)


def make_page(
    read: Sequence[ReadComparison],
    *,
    command: str,
    ui: str,
    workloads: AcrossWorkloads | None = None,
    live: LiveState | None = None,
    made: str = "",
) -> str:
    """Return the page of experiments as HTML.

    Args:
        read: The experiments.
        command: The command that makes the page, which the page shows.
        ui: Address of MLflow's pages, for links to runs.
        workloads: The comparison across the experiments. None (the default): without it.
        live: The state of the studies, for a page that follows them. None (the default): a page for keeping.
        made: The time when the page is made, as text. Default: now.
    """
    comparisons = [each.comparison for each in read]
    origin = ReportOrigin(
        command=command,
        ui=ui,
        experiment_ids={each.comparison.experiment.name: each.experiment_id for each in read},
        made=made or time_text(),
    )
    return render(comparisons, origin=origin, workloads=workloads, live=live)


def write_page(output: Path, page: str, *, pictures: Mapping[str, str], folder: Path | None = None) -> list[Path]:
    """Write a page, and pictures into a folder, and return the paths of the files.

    Args:
        output: Path of the page; a file that exists is replaced.
        page: The page.
        pictures: SVG documents by file name.
        folder: The folder of the pictures. None (the default): write the page alone.

    Raises:
        StudyError: A file cannot be written.
    """
    try:
        output.write_text(page, encoding="utf-8")
        written = [output]
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture in pictures.items():
                (folder / name).write_text(picture, encoding="utf-8")
                written.append(folder / name)
    except OSError as error:
        beside = "" if folder is None else f" --figures={folder}"
        raise StudyError(f"--output={output}{beside}: cannot be written ({error}). Name other places.") from error
    return written


def check_experiments(names: Sequence[str], known: Sequence[str]) -> None:
    """Check that a store has experiments of these names.

    Args:
        names: The names.
        known: The names of all experiments with studies.

    Raises:
        StudyError: A name is unknown.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            advice = f"Did you mean {' or '.join(near)}?" if near else "See study list."
            raise StudyError(f"EXPERIMENT={name}: expected one of {', '.join(known) or '(none yet)'}. {advice}")


def check_output(output: Path) -> None:
    """Check the place of a page before it is made.

    Args:
        output: Path of the page.

    Raises:
        StudyError: Its folder does not exist, or it is a folder itself.
    """
    if not output.parent.is_dir() or output.is_dir():
        raise StudyError(
            f"--output={output}: expected a file in an existing folder. Create the folder, or name another file."
        )


def _importances(entry: Entry, metric: ObjectiveMetric) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return the importance of each argument and its standard error.

    A diverged trial gets the worst score of the others, or 0.
    """
    ranges = {argument: of for study in entry.studies for argument, of in study.ranges.items()}
    runs = [run for run in entry.trials if run.state != "failed" and _has_values(run, ranges)]
    scores = [metric.worst if (score := metric.validation(run)) is None else score for run in runs]
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return {}, {}
    worst = min(finite) if metric.direction == "maximize" else max(finite)
    points = [{a: _value(point_of(run)[a], of) for a, of in ranges.items()} for run in runs]
    scores = [score if math.isfinite(score) else worst for score in scores]
    return importances(points, scores, ranges), importance_errors(points, scores, ranges)


def _has_values(run: RunRecord, ranges: Mapping[str, Range]) -> bool:
    """Return whether a run has a value for each range; the argument of an optional range may be null."""
    return all(
        a in run.params and (run.params[a] != "null" if of.choices is None else _is_choice(run.params[a], of))
        for a, of in ranges.items()
    )


def _is_choice(text: str, searched: Range) -> bool:
    return text in map(text_of, searched.choices or ())


def _value(text: str, searched: Range) -> Value:
    """Return a recorded value as a number, or as the choice that is written alike."""
    return float(text) if searched.choices is None else choice_of(searched, text)
