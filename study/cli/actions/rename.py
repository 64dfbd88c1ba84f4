"""`study rename`: give a study or an experiment another name, in both stores."""

from __future__ import annotations

import argparse
import sys

from study.cli.stores import add_search_option, add_store_options, local_stores


def main(arguments: list[str]) -> int:
    """Rename a study or an experiment, after a question.

    Args:
        arguments: The words after `study rename`.

    Returns:
        The exit status: 1 if the answer was no.

    Raises:
        StoreError: A store cannot be read or written.
        StudyError: No store has such a study, it is running, or the name is taken or not allowed.
    """
    parser = argparse.ArgumentParser(
        prog="study rename",
        description="Rename a study or an experiment in both stores: the search and MLflow. It keeps its identity: "
        "the command that began it continues it, a renamed experiment with experiment_name=NAME.",
    )
    parser.add_argument("target", metavar="TARGET", help="EXPERIMENT/STUDY, or EXPERIMENT")
    parser.add_argument("name", metavar="NAME", help="the new name of the study, or of the experiment")
    parser.add_argument("--yes", action="store_true", help="rename without asking")
    add_store_options(parser)
    add_search_option(parser)
    options = parser.parse_args(arguments)
    # Imported late: the libraries of the stores take seconds, and --help does not need them.
    from study.cli.actions.both_stores import confirmed, read_both
    from study.cli.actions.change_stores import find_renamed, rename_studies

    stores = local_stores(options)
    studies = find_renamed(read_both(stores), options.target, options.name)
    of_experiment = options.target == studies[0].experiment
    old = options.target if of_experiment else studies[0].name
    for study in studies:
        sys.stdout.write(f"{study.title}: {study.contents}\n")
    if not options.yes and not confirmed(f"Rename {old} to {options.name} in both stores?"):
        return 1
    rename_studies(stores, options.target, options.name)
    sys.stdout.write(f"Renamed {old} to {options.name}.\n")
    return 0
