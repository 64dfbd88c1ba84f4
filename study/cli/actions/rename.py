"""`study rename`: give a study or an experiment another name, in both stores."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from study.cli.stores import add_search_option, add_store_options, local_stores
from study.core.errors import StudyError
from study.core.names import name_fault

if TYPE_CHECKING:
    from study.cli.actions.both_stores import BothStores, StudyInStores


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
    from study.cli.actions.both_stores import confirmed, held, read_both
    from study.search.stored_searches import rename_searches

    stores = local_stores(options)
    studies = _chosen(read_both(stores), options.target, options.name)
    of_experiment = options.target == studies[0].experiment
    old = options.target if of_experiment else studies[0].name
    for study in studies:
        sys.stdout.write(f"{study.title}: {study.contents}\n")
    if not options.yes and not confirmed(f"Rename {old} to {options.name} in both stores?"):
        return 1
    with held(stores) as both:
        studies = _chosen(both, options.target, options.name)  # again: something may have changed since
        searches = [study.search for study in studies if study.search is not None]
        if of_experiment:
            both.recorded.rename_experiment(old, options.name)
            rename_searches(both.stores, searches, experiment=options.name)
        else:
            if studies[0].record is not None:
                both.recorded.rename(studies[0].record, options.name)
            rename_searches(both.stores, searches, name=options.name)
    sys.stdout.write(f"Renamed {old} to {options.name}.\n")
    return 0


def _chosen(both: BothStores, target: str, name: str) -> list[StudyInStores]:
    """Return the studies to rename; refuse a name that is not allowed, or that another has in the same store."""
    from study.cli.actions.both_stores import refuse_open

    studies = both.find(target)
    refuse_open(studies)
    of_experiment = target == studies[0].experiment
    if allowed := name_fault(name, parts=of_experiment):
        raise StudyError(f"NAME={name}: expected {allowed}. Choose another name.")
    if of_experiment:
        others = [study for study in both.studies if study.experiment == name]
    else:
        others = [s for s in both.studies if (s.experiment, s.name) == (studies[0].experiment, name)]
    for part, store in (("search", "the search"), ("record", "MLflow")):
        if any(getattr(study, part) for study in studies) and any(getattr(study, part) for study in others):
            raise StudyError(
                f"NAME={name}: {store} has {name} already. Choose another name, or delete that one first."
            )
    return studies
