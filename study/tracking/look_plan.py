"""The plan of a study's looks at its confirmation seeds: recorded before the first one, and kept by every resume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from study.config.schema import Budget, Objective
from study.core.errors import StoreError
from study.core.records import RunRecord
from study.core.search_space import text_of
from study.statistics.looks import Look, continued, looks_of, looks_text, plan_looks
from study.tracking.mlflow_schema import (
    CONFIRM,
    EARLIER_MARGIN,
    LOOKS,
    MARGIN,
    N_CONFIRMATIONS,
    OPENED,
    PARENT,
    run_records,
)
from study.tracking.packed_tags import all_tags
from study.tracking.read_studies import find_runs

Tags = Mapping[str, str]


def plan_of_study(
    client: MlflowClient, experiment_id: str, run_id: str, *, recorded: Tags, budget: Budget
) -> tuple[Look, ...]:
    """Return the looks of a study that is opened: the recorded ones, unless its number of confirmations has changed.

    Then the looks that were made keep their error, and a study of the same experiment that was changed in the same way
    before gives its plan, so that all studies of a comparison have one. A look counts as made if any study with the
    plan of before has all its confirmations.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        run_id: Id of the study's run.
        recorded: Tags of the study's run as an earlier process left them; empty for a new study.
        budget: The budget of the study now.

    Returns:
        The looks; none without confirmations.

    Raises:
        StoreError: The recorded plan was changed.
    """
    before = recorded_looks(recorded)
    if budget.n_confirmations < 1 or (before and _counts(recorded) == _wanted(budget)):
        return before
    studies = find_runs(client, [experiment_id], "tags.role = 'study'")
    others = {run.info.run_id: all_tags(run.data.tags) for run in studies if run.info.run_id != run_id}
    if not before and not others:
        return _planned(budget)
    done = _n_confirmed(client, experiment_id)
    n_own = done.get(run_id, 0)
    for tags in sorted(others.values(), key=_opened, reverse=True):
        if _counts(tags) == _wanted(budget) and _has_made(_looks_or_none(tags), before, n_own):
            return recorded_looks(tags)
    alike = [other for other, tags in others.items() if before and _looks_or_none(tags) == before]
    n_done = max([n_own, *(done.get(other, 0) for other in alike)])
    if not before:
        return _planned(budget)
    return continued(before, n_done=n_done, n_max=budget.n_confirmations, sequential=budget.confirm == "sequential")


def recorded_looks(tags: Tags) -> tuple[Look, ...]:
    """Return the looks of a study as its tags have them.

    A study of an earlier version has one look, at its number of confirmations.

    Args:
        tags: Tags of the study's run.

    Returns:
        The looks; none for a study without tags or confirmations.

    Raises:
        StoreError: The tags were changed.
    """
    try:
        if text := tags.get(LOOKS):
            return looks_of(text)
        n = int(tags.get(N_CONFIRMATIONS, 0))
    except ValueError as error:
        raise StoreError(f"{tags.get('study_name', 'a study')}: its plan was changed in the store: {error}") from None
    return plan_looks(n, sequential=False) if n >= 1 else ()


def look_tags(looks: Sequence[Look]) -> dict[str, str]:
    """Return the looks of a study as tags; none without looks."""
    return {LOOKS: looks_text(looks)} if looks else {}


def changed_margin(recorded: Tags, objective: Objective, children: Sequence[RunRecord]) -> dict[str, str]:
    """Return the margin of before as a tag, if confirmations were trained under another one; none otherwise.

    Args:
        recorded: Tags of the study's run as an earlier process left them.
        objective: The objective now.
        children: The study's trials and confirmations.
    """
    before = recorded.get(MARGIN)
    if before in (None, text_of(objective.margin)) or EARLIER_MARGIN in recorded:
        return {}
    confirmed = any(run.role == "confirmation" and run.has_result for run in children)
    return {EARLIER_MARGIN: str(before)} if confirmed else {}


def _planned(budget: Budget) -> tuple[Look, ...]:
    return plan_looks(budget.n_confirmations, sequential=budget.confirm == "sequential")


def _wanted(budget: Budget) -> tuple[str, str]:
    return str(budget.n_confirmations), budget.confirm


def _counts(tags: Tags) -> tuple[str, str]:
    """Return the number of confirmations of a recorded study, and how it confirms."""
    return tags.get(N_CONFIRMATIONS, ""), tags.get(CONFIRM, "fixed")


def _opened(tags: Tags) -> int:
    text = tags.get(OPENED, "")
    return int(text) if text.isdecimal() else 0


def _looks_or_none(tags: Tags) -> tuple[Look, ...]:
    """Return the looks of another study; none if its tags were changed, which its own next command says."""
    try:
        return recorded_looks(tags)
    except StoreError:
        return ()


def _has_made(plan: Sequence[Look], before: Sequence[Look], n_done: int) -> bool:
    """Return whether a plan begins with the looks of another one that are made."""
    made = tuple(look for look in before if look.n_seeds <= n_done)
    return bool(plan) and tuple(plan[: len(made)]) == made


def _n_confirmed(client: MlflowClient, experiment_id: str) -> dict[str, int]:
    """Return the number of first confirmations of the best or fixed setting without a gap, by the study's run."""
    runs: Sequence[Run] = find_runs(client, [experiment_id], "tags.role = 'confirmation'")
    parents = {run.info.run_id: run.data.tags.get(PARENT, "") for run in runs}
    numbers: dict[str, set[int]] = defaultdict(set)
    for record in run_records(runs):
        if record.has_result and not record.superseded and record.config != "default":
            numbers[parents[record.run_id]].add(record.number)
    return {parent: next(n for n in range(len(found) + 1) if n not in found) for parent, found in numbers.items()}
