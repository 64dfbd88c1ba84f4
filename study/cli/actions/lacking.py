"""Say what one store, or the artifacts, lack of a study that the other store has."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from study.cli.actions.both_stores import joined
from study.cli.actions.end_of_run import n_ended
from study.config.schema import Stores
from study.core.errors import StoreError
from study.core.records import StudyRecord
from study.core.search_space import value_of
from study.report.studies import point_of
from study.search.claims import confirmation_key
from study.search.stored_searches import Searches, StoredSearch
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies
from study.tracking.run_changes import without_artifacts

_ADVICE = "The command that began the study writes or trains again what is lacking."


def tell_of_lacking(
    stores: Stores, experiments: Sequence[str], *, searches: Searches, connections: Connections, command: str
) -> None:
    """Write the lines of `told_of_lacking` to standard error.

    Args:
        stores: The places of results.
        experiments: Names of the experiments.
        searches: Returns the studies in the store of searches.
        connections: The command's connections.
        command: The command, with which each line begins.
    """
    uri = stores.tracking_uri
    records = {name: read_studies(uri, name, trials=False, connections=connections) for name in experiments}
    lines = told_of_lacking(stores, records, searches=searches, connections=connections) if records else []
    sys.stderr.writelines(f"{command}: {line}\n" for line in lines)


def told_of_lacking(
    stores: Stores, records: Mapping[str, Sequence[StudyRecord]], *, searches: Searches, connections: Connections
) -> list[str]:
    """Return a line for each study of which a store or the artifacts lack something, as after a restored backup.

    Studies that are running are left out.

    Args:
        stores: The places of results.
        records: The studies in MLflow, by experiment. Their trials may be missing, the confirmations not.
        searches: Returns the studies in the store of searches.
        connections: The command's connections.
    """
    try:
        searched = [search for search in searches() if search.experiment in records]
    except StoreError as error:
        return [f"not compared with the search: {error}"]
    found = [study for studies in records.values() for study in studies]
    bare = without_artifacts(stores.tracking_uri, [study.run_id for study in found], connections=connections)
    lines = []
    for study in joined(searched, found):
        lacking: list[str] = []
        if study.search is not None and study.search.is_open:
            continue
        if study.search is not None:
            lacking += _of_trials(stores, study.search, study.record, connections)
            lacking += _of_confirmations(study.search, study.record)
        if study.record is not None and study.record.run_id in bare:
            lacking.append("its artifacts were lost")
        if lacking:
            lines.append(f"{study.title}: {'; '.join(lacking)}. {_ADVICE}")
    return lines


def _of_trials(
    stores: Stores, search: StoredSearch, record: StudyRecord | None, connections: Connections
) -> Iterator[str]:
    if record is None:
        yield f"only the search has it, with {search.n_ended} trials"
    elif n_ended(record) != search.n_ended:
        # The number that the study's run tells may lag behind, after a kill.
        read = read_studies(stores.tracking_uri, record.experiment, connections=connections)
        trials = next((study.trials for study in read if study.run_id == record.run_id), ())
        n = len({run.number for run in trials if run.finished})
        if n != search.n_ended:
            yield f"MLflow has {n} trials, and the search {search.n_ended}"


def _of_confirmations(search: StoredSearch, record: StudyRecord | None) -> Iterator[str]:
    runs = () if record is None else record.confirmations
    points = (
        (run, {key: value_of(text) for key, text in point_of(run).items()}) for run in runs if not run.superseded
    )
    recorded = {confirmation_key(str(run.kind), run.number, point) for run, point in points}
    if record is not None and (lost := len(set(search.confirmed) - recorded)):
        yield f"MLflow lacks {lost} of {len(search.confirmed)} confirmations that were trained"
