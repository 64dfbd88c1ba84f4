"""`study delete`: delete studies in both stores, the search and MLflow."""

from __future__ import annotations

import argparse
import sys

from study.cli.stores import add_search_option, add_store_options, local_stores


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
    from study.cli.actions.both_stores import confirmed, read_both, refuse_open
    from study.cli.actions.change_stores import delete_studies, find_targets

    stores = local_stores(options)
    studies = find_targets(read_both(stores), options.targets)
    refuse_open(studies)
    for study in studies:
        sys.stdout.write(f"{study.title}: {study.contents}\n")
    if not options.yes and not confirmed(f"Delete {'it' if len(studies) == 1 else 'them'} in both stores?"):
        return 1
    studies = delete_studies(stores, options.targets)
    sys.stdout.write(f"Deleted {len(studies)} {'study' if len(studies) == 1 else 'studies'}.\n")
    return 0
