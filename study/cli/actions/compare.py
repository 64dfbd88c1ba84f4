"""The action of `study compare`: read, compare, write the page, keep it in MLflow."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from study.cli.actions.comparable_commands import with_commands, write_groups
from study.cli.actions.describe import describe
from study.cli.actions.lacking import tell_of_lacking
from study.cli.actions.read_comparison import (
    ReadComparison,
    check_experiments,
    check_output,
    make_page,
    read_comparison,
    write_page,
)
from study.cli.paragraphs import Paragraph, write_paragraphs
from study.cli.stores import find_stores, keeps_pages
from study.core.names import in_file_name, shortened
from study.core.status_line import status_line
from study.report.across_workloads import AcrossWorkloads, across, sentence
from study.report.comparable_groups import NotComparableError
from study.report.comparison import Comparison
from study.report.figures.svg import to_svg
from study.report.json_export import numbers
from study.report.studies import ComparedExperiment
from study.search.stored_searches import list_searches
from study.tracking.comparison_runs import log_comparison
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments

# Bytes of the names of experiments in the name of a file; the names of figures come after them.
_LONGEST_NAME = 120


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
    check_experiments(names, list(read_experiments(uri, connections=connections)))
    # Another store of MLflow may belong to another search than that of the folder.
    searches = [partial(list_searches, stores)] if options.tracking_uri is None else []
    for search in searches:
        tell_of_lacking(stores, names, searches=search, connections=connections, command="study compare")
    with status_line("study compare: reading and comparing the studies"):
        given = {"force": options.force, "where": options.where, "searches": searches}
        try:
            read = [read_comparison(uri, name, connections=connections, **given) for name in names]
        except NotComparableError as error:
            if options.json:
                write_groups(error, stream=sys.stdout)
            raise with_commands(error) from None
    output = options.output or Path(f"{_file_name(names)}.html")
    check_output(output)
    comparisons = [each.comparison for each in read]
    command = shlex.join(["study", "compare", *arguments])
    wanted = options.figures is not None or not options.no_log
    with status_line("study compare: drawing the page"):
        workloads = across(comparisons)
        found = numbers(comparisons, workloads)
        page = make_page(read, command=command, ui=options.ui, workloads=workloads)
        pictures = [_pictures(comparison) if wanted else {} for comparison in comparisons]
    written = write_page(output, page, pictures=_named(comparisons, pictures), folder=options.figures)
    # MLflow's description of an experiment is about all of its studies.
    is_kept = not options.no_log and not options.where and keeps_pages(uri, "study compare")
    with status_line("study compare: keeping the page in MLflow"):
        run_ids = _log(uri, read, pictures, connections, page=page, found=found) if is_kept else []
    if options.json:
        found |= {"files": [str(path) for path in written], "comparison_runs": run_ids}
        sys.stdout.write(f"{json.dumps(found, indent=1)}\n")
        return 0
    _show_answers(comparisons, workloads)
    sys.stdout.write(f"\nOpen the page:  {output}\n")
    return 0


def _show_answers(comparisons: Sequence[Comparison], workloads: AcrossWorkloads | None) -> None:
    """Print the answer of each experiment, with what limits it and the serious cautions."""
    for comparison in comparisons:
        first, *others = comparison.answer.sentences
        told = Paragraph(text=f"{comparison.experiment.name}: {first}", look="answer")
        write_paragraphs([told], stream=sys.stdout, hanging="  ")
        serious = [each for each in comparison.cautions if each.serious]
        cautions = [Paragraph(text=f"{each.topic}: {each.text}", look="caution") for each in serious]
        write_paragraphs([*others, *cautions], stream=sys.stdout, indent="  ", hanging="    ")
    if workloads is not None:
        write_paragraphs([f"Across workloads: {sentence(workloads)}"], stream=sys.stdout, hanging="  ")


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


def _log(
    uri: str,
    read: Sequence[ReadComparison],
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
        here = each.comparison
        describe(uri, experiment, rows=here.rows, found=here.answer, cautions=here.cautions, connections=connections)
    return run_ids
