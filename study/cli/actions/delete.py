"""`study delete`: delete studies in both stores, the search and MLflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.cli.stores import add_search_option, add_store_options, local_stores

if TYPE_CHECKING:
    from study.cli.actions.both_stores import BothStores, StudyInStores


def main(arguments: list[str]) -> int:
    """Delete studies, after a question.

    Args:
        arguments: The words after `study delete`.

    Returns:
        The exit status: 1 if the answer was no.

    Raises:
        StoreError: A store cannot be read or written.
        StudyError: No store has such a study, or it is running.
    """
    parser = argparse.ArgumentParser(
        prog="study delete",
        description="Delete studies in both stores: the search and MLflow's runs. A running study is refused.",
        epilog="The next `study run` of a deleted study begins anew. MLflow keeps deleted runs until `mlflow gc`.",
    )
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="EXPERIMENT/STUDY, or EXPERIMENT for all of its")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_store_options(parser)
    add_search_option(parser)
    options = parser.parse_args(arguments)
    # Imported late: the libraries of the stores take seconds, and --help does not need them.
    from study.cli.actions.both_stores import confirmed, held, read_both, refuse_open
    from study.search.stored_searches import delete_searches

    stores = local_stores(options)
    studies = _chosen(read_both(stores), options.targets)
    refuse_open(studies)
    for study in studies:
        sys.stdout.write(f"{study.title}: {study.contents}\n")
    if not options.yes and not confirmed(f"Delete {'it' if len(studies) == 1 else 'them'} in both stores?"):
        return 1
    with held(stores) as both:
        studies = _chosen(both, options.targets)  # again: something may have changed during the question
        refuse_open(studies)
        # MLflow first: if it fails, the search still knows the study, and the same command can be repeated.
        for study in studies:
            if study.record is not None:
                both.recorded.delete(study.record)
        delete_searches(both.stores, [study.search for study in studies if study.search is not None])
    sys.stdout.write(f"Deleted {len(studies)} {'study' if len(studies) == 1 else 'studies'}.\n")
    return 0


def _chosen(both: BothStores, targets: Sequence[str]) -> list[StudyInStores]:
    """Return the studies that targets name, each once."""
    return list({id(study): study for target in targets for study in both.find(target)}.values())
