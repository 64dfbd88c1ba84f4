"""Compare a study's two stores as it opens, and write into one what only the other has."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from study.config.schema import StudyConfig
from study.core.names import typed_command
from study.core.records import RunRecord, SearchedTrial, SearchRecord
from study.core.search_space import Range, Value, text_of, value_of
from study.core.trainer_interface import Trial, TrialResult
from study.search.ask_tell import Search
from study.tracking.study_tracker import StudyTracker


def reconcile(config: StudyConfig, search: Search, tracker: StudyTracker, *, known: SearchRecord) -> list[str]:
    """Let search and MLflow have the same ended trials, and return a line for the user on each repair.

    Confirmations that MLflow lacks are trained again later, since the search does not hold their results.

    Args:
        config: The study's config.
        search: The study's search. No other worker asks or tells meanwhile.
        tracker: The study's record in MLflow.
        known: The search as it was before the record was opened.
    """
    messages = []
    name = f"{config.experiment_name}/{search.name}"
    if tracker.restored or tracker.was_deleted:
        parts = {"the study's run": tracker.was_deleted, _trials(tracker.restored): bool(tracker.restored)}
        lost = [part for part, was_deleted in parts.items() if was_deleted]
        messages.append(
            f"deleted in MLflow, but not in the search, and so restored: {' and '.join(lost)}. "
            f"To delete a study in both stores: {typed_command('delete', name)}."
        )
    recorded = tracker.known_trials()
    lacking = [trial for trial in known.ended if trial.number not in recorded]
    numbers = _trials([trial.number for trial in lacking])
    if lacking and tracker.is_complete:
        _write_again(config, tracker, lacking)
        messages.append(
            f"MLflow had no run of {numbers}: written again from the search, with point, seed, state and objective. "
            f"Their epochs and times are lost; to train them again, {typed_command('delete', name)}, then the same "
            "command."
        )
    elif lacking:
        messages.append(
            f"MLflow has no run of {numbers}: their records may wait in mlruns/spool of another worker. They are "
            "delivered when it goes on, or by study sync in its folder."
        )
    candidates = [_searched(config, run) for run in recorded.values()]
    if adopted := search.adopt([trial for trial in candidates if trial is not None]):
        messages.append(f"the search had lost {_trials(adopted)}: read back from MLflow, not trained again.")
    return messages


def _write_again(config: StudyConfig, tracker: StudyTracker, lacking: Collection[SearchedTrial]) -> None:
    """Record trials that only the search has. It keeps no epochs, so the tag `origin` says where they are from."""
    for each in lacking:
        trial = Trial(
            number=each.number,
            hyperparameters=each.hyperparameters,
            run_seed=each.run_seed,
            order_seed=config.order_seed,
        )
        tracker.start("trial", trial, in_bulk=True, origin="search")
        result = TrialResult(trial=trial, state=each.state, history={}, summary={}, error=each.error)
        tracker.end("trial", result, objective=each.objective)
    tracker.flush()


def _searched(config: StudyConfig, run: RunRecord) -> SearchedTrial | None:
    """Return a trial of MLflow as the search would know it; None if its run lacks a number or an argument."""
    ranges = config.optimizer.ranges
    if run.state is None or not {*ranges, "run_seed"} <= run.params.keys():
        return None
    point = {name: _read(run.params, searched) for name, searched in ranges.items()}
    seed = run.params["run_seed"]
    return SearchedTrial(
        number=run.number,
        hyperparameters=config.optimizer.arguments(point),
        run_seed=int(seed) if seed.isdecimal() else -1,
        state=run.state,
        objective=run.metrics.get("objective", math.nan),
        error="(lost with the search)" if run.state == "failed" else None,
    )


def _read(params: Mapping[str, str], searched: Range) -> Value:
    """Read the value of a searched argument; a choice is the one that is written alike."""
    text = params[searched.argument]
    written = {text_of(choice): choice for choice in searched.choices or ()}
    return written[text] if text in written else value_of(text)


def _trials(numbers: Collection[int]) -> str:
    """Return `trial 3`, or `4 trials (0, 1, 2, 3)`."""
    listed = ", ".join(map(str, sorted(numbers)[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"trial {listed}" if len(numbers) == 1 else f"{len(numbers)} trials ({listed})"
