"""`study list`: experiments and studies, their progress and best results."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from study.cli.stores import add_search_option, add_store_options, find_stores, local_stores
from study.core.errors import StudyError

if TYPE_CHECKING:
    from study.config.schema import Stores
    from study.search.stored_searches import StoredSearch
    from study.tracking.connection import Connections


def main(arguments: list[str]) -> int:
    """Print a line for each of several experiments, or the studies of a single one and of those that are named.

    Args:
        arguments: The words after `study list`.

    Returns:
        The exit status.

    Raises:
        StudyError: The store has no experiment of a given name.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.optuna_url is not None and not options.all:
        parser.error("--optuna-url: expected together with --all, which reads the search too")
    # Imported late: MLflow takes seconds, and --help does not need it.
    from study.tracking.connection import Connections
    from study.tracking.read_studies import read_experiments

    if options.all:
        from study.cli.actions.both_stores import show_both

        show_both(local_stores(options), options.experiments)
        return 0
    stores = find_stores(options)
    uri, connections = stores.tracking_uri, Connections()
    searches = cache(partial(_list_searches, stores))  # read once, for what is lacking and for the table
    known = read_experiments(uri, connections=connections)
    unknown = [name for name in options.experiments if name not in known]
    chosen = options.experiments or list(known)
    if options.tracking_uri is None:  # another store of MLflow may belong to another search than the folder's
        from study.cli.actions.both_stores import told_of_search_alone
        from study.cli.actions.lacking import tell_of_lacking

        lines = told_of_search_alone(stores, known, connections=connections) if unknown or not known else []
        sys.stderr.writelines(f"study list: {line}\n" for line in lines)
        there = [*{*chosen} - {*unknown}]
        tell_of_lacking(stores, there, searches=searches, connections=connections, command="study list")
    for name in unknown:
        raise StudyError(
            f"EXPERIMENT={name}: expected one of {', '.join(known) or '(none yet)'}. See study list --all."
        )
    _show(uri, chosen, options, searches=searches, connections=connections)
    return 0


def _show(
    uri: str,
    chosen: Sequence[str],
    options: argparse.Namespace,
    *,
    searches: Callable[[], list[StoredSearch]],
    connections: Connections,
) -> None:
    from study.cli.actions.overview import show_experiments, show_studies
    from study.tracking.read_studies import read_studies

    if options.json:
        _show_json({name: read_studies(uri, name, connections=connections) for name in chosen})
    elif not chosen:
        sys.stdout.write("MLflow has no study. Begin one with study run; study list --all shows the search too.\n")
    elif len(chosen) > 1 and not options.experiments:
        show_experiments(uri, chosen, searches=[searches], connections=connections)
    else:
        show_studies({(uri, name) for name in chosen}, searches=[searches], connections=connections)


def _list_searches(stores: Stores) -> list[StoredSearch]:
    from study.search.stored_searches import list_searches  # imports Optuna, which not every table needs

    return list_searches(stores)


def _show_json(records: Mapping[str, Sequence[Any]]) -> None:
    found = {name: [asdict(study) for study in studies] for name, studies in records.items()}
    sys.stdout.write(json.dumps(_without_nan(found), indent=2, allow_nan=False) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study list",
        description="Show the experiments, or the studies of those that are named, or of the only one.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="the studies of these (default: a line for each experiment)",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--all", action="store_true", help="what each store has of them: the search and MLflow")
    forms.add_argument("--json", action="store_true", help="for programs: one JSON object, runs included")
    add_store_options(parser)
    add_search_option(parser)
    return parser


def _without_nan(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON cannot hold, by null; mappings become dictionaries."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
