"""Living processes of the studies that run by their store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from study.cli.actions.overview import with_worker
from study.core.records import StudyRecord

if TYPE_CHECKING:
    from study.search.stored_searches import Searches  # imports Optuna


def listed_once(searches: Iterable[Searches]) -> list[Searches]:
    """Return the same searches, each of which lists its store once, however often it is asked.

    Args:
        searches: Each returns the studies in a store of searches.
    """
    return [cache(search) for search in searches]


def living(records: Sequence[StudyRecord], searches: Iterable[Searches]) -> dict[str, bool]:
    """Return whether a living process works on each study that runs by its store, by its run.

    Args:
        records: The studies.
        searches: Each returns the studies in a store of searches; they are called only if a study is running.

    Returns:
        The studies that run by their store, without those that no search knows.
    """
    running = [record for record in records if record.status == "RUNNING"]
    has_worker = with_worker(searches) if running else {}
    return {record.run_id: has_worker[record.study_id] for record in running if record.study_id in has_worker}
