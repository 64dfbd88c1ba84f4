"""Delete and rename studies in both stores, the search and MLflow, without a question."""

from __future__ import annotations

from collections.abc import Sequence

from study.cli.actions.both_stores import BothStores, StudyInStores, held, refuse_open
from study.cli.actions.describe import describe_without_answer
from study.config.schema import Stores
from study.core.errors import StudyError
from study.core.names import name_fault
from study.search.stored_searches import delete_searches, rename_searches
from study.tracking.event_files import delete_event_files, move_event_files


def delete_studies(stores: Stores, targets: Sequence[str]) -> list[StudyInStores]:
    """Delete studies in both stores, and return them.

    Args:
        stores: The places of results.
        targets: `EXPERIMENT/STUDY`, or `EXPERIMENT` for all of its studies.

    Raises:
        StoreError: A store cannot be read or written, or a process works on one of the studies.
        StudyError: No store has such a study.
    """
    with held(stores) as both:
        studies = find_targets(both, targets)
        refuse_open(studies)
        # MLflow first: if it fails, the search still knows the study, and the same command can be repeated.
        for study in studies:
            if study.record is not None:
                both.recorded.delete(study.record)
        delete_searches(both.stores, [study.search for study in studies if study.search is not None])
        for study in studies:
            delete_event_files(both.stores, study.experiment, study.name)
    for experiment in {study.experiment for study in studies if study.record is not None}:
        headline = "Studies were deleted since the last comparison."
        describe_without_answer(stores.tracking_uri, experiment, headline=headline)
    return studies


def rename_studies(stores: Stores, target: str, name: str) -> None:
    """Rename a study or an experiment in both stores.

    Args:
        stores: The places of results.
        target: `EXPERIMENT/STUDY` or `EXPERIMENT`.
        name: The new name of the study, or of the experiment.

    Raises:
        StoreError: A store cannot be read or written, or a process works on one of the studies.
        StudyError: No store has such a study, or the name is taken or not allowed.
    """
    with held(stores) as both:
        studies = find_renamed(both, target, name)
        searches = [study.search for study in studies if study.search is not None]
        if target == studies[0].experiment:
            both.recorded.rename_experiment(target, name)
            rename_searches(both.stores, searches, experiment=name)
        else:
            if studies[0].record is not None:
                both.recorded.rename(studies[0].record, name)
            rename_searches(both.stores, searches, name=name)
        for study in studies:
            new = (name, study.name) if target == study.experiment else (study.experiment, name)
            move_event_files(both.stores, (study.experiment, study.name), new)
    if any(study.record is not None for study in studies):
        experiment = name if target == studies[0].experiment else studies[0].experiment
        headline = "Names were changed since the last comparison."
        describe_without_answer(stores.tracking_uri, experiment, headline=headline)


def find_targets(both: BothStores, targets: Sequence[str]) -> list[StudyInStores]:
    """Return the studies that targets name, each once.

    Args:
        both: The two stores.
        targets: `EXPERIMENT/STUDY`, or `EXPERIMENT` for all of its studies.

    Raises:
        StudyError: No store has such a study.
    """
    return list({id(study): study for target in targets for study in both.find(target)}.values())


def find_renamed(both: BothStores, target: str, name: str) -> list[StudyInStores]:
    """Return the studies to rename; refuse a name that is not allowed, or that another has in the same store.

    Args:
        both: The two stores.
        target: `EXPERIMENT/STUDY` or `EXPERIMENT`.
        name: The new name.

    Raises:
        StoreError: A process works on one of the studies.
        StudyError: No store has such a study, or the name is taken or not allowed.
    """
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
