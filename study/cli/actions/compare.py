"""The action of `study compare`: read, compare, write the page, keep it in MLflow."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from study.cli.actions.lacking import tell_of_lacking
from study.cli.stores import find_stores, keeps_pages
from study.core.errors import StudyError
from study.core.names import in_file_name, shortened
from study.core.records import RunRecord
from study.core.search_space import Range, Value
from study.report.across_workloads import across, sentence
from study.report.comparison import Comparison, compare
from study.report.figures.svg import to_svg
from study.report.html.page import ReportOrigin, render
from study.report.json_export import numbers
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, Entry, gather, point_of
from study.search.importance import importances
from study.search.stored_searches import list_searches
from study.tracking.comparison_runs import log_comparison, read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments, read_histories, read_studies

# Bytes of the names of experiments in the name of a file; the names of figures come after them.
_LONGEST_NAME = 120


@dataclass(frozen=True, kw_only=True)
class _Read:
    """The comparison of an experiment, and the experiment's id in MLflow."""

    comparison: Comparison
    experiment_id: str


def compare_experiments(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Compare experiments, write the page, keep it in MLflow, and print the answers.

    Args:
        options: The parsed options of `study compare`.
        arguments: The words after `study compare`, which the page shows.

    Returns:
        The exit status.
    """
    stores, connections = find_stores(options), Connections()
    uri, names = stores.tracking_uri, list(dict.fromkeys(options.experiments))
    _check_names(names, list(read_experiments(uri, connections=connections)))
    if options.tracking_uri is None:
        searches = partial(list_searches, stores)
        tell_of_lacking(stores, names, searches=searches, connections=connections, command="study compare")
    read = [_read(uri, name, connections, force=options.force) for name in names]
    output = options.output or Path(f"{_file_name(names)}.html")
    _check_output(output)
    comparisons = [each.comparison for each in read]
    workloads = across(comparisons)
    found = numbers(comparisons, workloads)
    origin = ReportOrigin(
        command=shlex.join(["study", "compare", *arguments]),
        ui=options.ui,
        experiment_ids={name: each.experiment_id for name, each in zip(names, read, strict=True)},
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    page = render(comparisons, origin=origin, workloads=workloads)
    wanted = options.figures is not None or not options.no_log
    pictures = [_pictures(comparison) if wanted else {} for comparison in comparisons]
    written = _write(output, page, _named(comparisons, pictures), options.figures)
    is_kept = not options.no_log and keeps_pages(uri, "study compare")
    run_ids = _log(uri, read, pictures, connections, page=page, found=found) if is_kept else []
    if options.json:
        found |= {"files": [str(path) for path in written], "comparison_runs": run_ids}
        sys.stdout.write(f"{json.dumps(found, indent=1)}\n")
        return 0
    for comparison in comparisons:
        first, *others = comparison.answer.sentences
        sys.stdout.write(f"{comparison.experiment.name}: {first}\n")
        sys.stdout.writelines(f"  {other}\n" for other in others)
        for caution in comparison.cautions:
            if caution.serious:
                sys.stdout.write(f"  {caution.topic}: {caution.text}\n")
    if workloads is not None:
        sys.stdout.write(f"Across workloads: {sentence(workloads)}\n")
    sys.stdout.write(f"\nOpen the page:  {output}\n")
    return 0


def _check_names(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            advice = f"Did you mean {' or '.join(near)}?" if near else "See study list."
            raise StudyError(f"EXPERIMENT={name}: expected one of {', '.join(known) or '(none yet)'}. {advice}")


def _check_output(output: Path) -> None:
    if not output.parent.is_dir() or output.is_dir():
        raise StudyError(
            f"--output={output}: expected a file in an existing folder. Create the folder, or name another file."
        )


def _read(uri: str, experiment: str, connections: Connections, *, force: bool) -> _Read:
    context = read_context(uri, experiment, connections=connections)
    read = gather(
        experiment,
        read_studies(uri, experiment, connections=connections),
        digests=context.digests,
        read_histories=lambda run_ids, metrics: read_histories(uri, run_ids, metrics, connections=connections),
        force=force,
    )
    weighed = {entry.label: _importances(entry, read.metric) for entry in read.entries}
    return _Read(comparison=compare(replace(read, importances=weighed)), experiment_id=context.experiment_id)


def _importances(entry: Entry, metric: ObjectiveMetric) -> Mapping[str, float]:
    """Return the importance of each argument. A diverged trial gets the worst score of the others, or 0."""
    ranges = {argument: of for study in entry.studies for argument, of in study.ranges.items()}
    runs = [run for run in entry.trials if run.state != "failed" and _has_values(run, ranges)]
    scores = [metric.worst if (score := metric.validation(run)) is None else score for run in runs]
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return {}
    worst = min(finite) if metric.direction == "maximize" else max(finite)
    points = [{a: _value(point_of(run)[a], of) for a, of in ranges.items()} for run in runs]
    return importances(points, [score if math.isfinite(score) else worst for score in scores], ranges)


def _has_values(run: RunRecord, ranges: Mapping[str, Range]) -> bool:
    """Return whether a run has a value for each range; the argument of an optional range may be null."""
    return all(a in run.params and (of.choices is not None or run.params[a] != "null") for a, of in ranges.items())


def _value(text: str, searched: Range) -> Value:
    if searched.choices is None:
        return float(text)
    return next((choice for choice in searched.choices if str(choice) == text), searched.choices[0])


def _file_name(names: Sequence[str]) -> str:
    return shortened("+".join(map(in_file_name, names)), longest=_LONGEST_NAME)


def _pictures(comparison: Comparison) -> dict[str, str]:
    """Return SVG documents by file name, without parallel coordinates: only the page has these, since they move."""
    drawn = comparison.figures.values()
    return {f"{figure.name}.svg": to_svg(figure) for figure in drawn if not figure.name.startswith("parallel-")}


def _named(comparisons: Sequence[Comparison], pictures: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the pictures of all experiments by file name; with several, the experiment's name comes first."""
    prefixes = [f"{_file_name([comparison.experiment.name])}-" for comparison in comparisons]
    if len(prefixes) == 1:
        return dict(pictures[0])
    return {
        f"{prefix}{name}": text for prefix, own in zip(prefixes, pictures, strict=True) for name, text in own.items()
    }


def _write(output: Path, page: str, pictures: Mapping[str, str], folder: Path | None) -> list[Path]:
    try:
        output.write_text(page, encoding="utf-8")
        written = [output]
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture in pictures.items():
                (folder / name).write_text(picture, encoding="utf-8")
                written.append(folder / name)
    except OSError as error:
        raise StudyError(
            f"--output={output} --figures={folder}: cannot be written ({error}). Name other places."
        ) from error
    return written


def _log(
    uri: str,
    read: Sequence[_Read],
    pictures: Sequence[Mapping[str, str]],
    connections: Connections,
    *,
    page: str,
    found: Mapping[str, Any],
) -> list[str]:
    """Keep the page, its numbers and its figures on a new run in every experiment compared."""
    run_ids = []
    for each, own in zip(read, pictures, strict=True):
        experiment: ComparedExperiment = each.comparison.experiment
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "comparison.html": page,
                "comparison.json": json.dumps(found, indent=1),
                **own,
            }
            for name, text in files.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            tags = {
                "answer": each.comparison.answer.sentences[0],
                "mlflow.note.content": "  \n".join(each.comparison.answer.sentences),
                **({"winner": each.comparison.answer.winner} if each.comparison.answer.winner else {}),
            }
            studies = [record.run_id for record in experiment.records]
            paths = [Path(folder) / name for name in files]
            run_ids.append(
                log_comparison(
                    uri,
                    experiment.name,
                    files=paths,
                    tags=tags,
                    study_run_ids=studies,
                    connections=connections,
                )
            )
    return run_ids
