"""Compare a study's two stores as it opens, and write into one what only the other has."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from study.config.schema import StudyConfig
from study.core.contents import Contents
from study.core.names import typed_command
from study.core.records import RunRecord, SearchedTrial, SearchRecord
from study.core.search_space import Range, Value, text_of, value_of
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.search.ask_tell import Search
from study.tracking.artifact_places import is_whole
from study.tracking.mlflow_schema import contents_path
from study.tracking.outbox.entries import ERROR
from study.tracking.read_studies import read_histories
from study.tracking.run_changes import agree
from study.tracking.study_tracker import StudyTracker

_NO_PRUNER = "optuna.pruners.NopPruner"


def reconcile(config: StudyConfig, search: Search, tracker: StudyTracker, *, known: SearchRecord) -> list[str]:
    """Let search and MLflow have the same ended trials, and return a line for the user on each repair.

    If a trial failed in one store alone, that store has lost its retry. Otherwise the search is right. Confirmations
    that MLflow lacks are trained again later, since the search does not hold their results, and so is a lost model.

    Args:
        config: The study's config.
        search: The study's search. No other worker asks or tells meanwhile.
        tracker: The study's record in MLflow.
        known: The search as it was before the record was opened.
    """
    messages, name = [], f"{config.experiment_name}/{search.name}"
    opened, recorded = tracker.opened, tracker.known_trials()
    if opened.restored or opened.was_deleted:
        deleted = {"the study's run": opened.was_deleted, trials_text(opened.restored): bool(opened.restored)}
        lost = [part for part, was_deleted in deleted.items() if was_deleted]
        messages.append(
            f"deleted in MLflow, but not in the search, and so restored: {' and '.join(lost)}. "
            f"To delete a study in both stores: {typed_command('delete', name)}."
        )
    lacking = [trial for trial in known.ended if _is_lacking(trial, recorded.get(trial.number))]
    if lacking and opened.is_complete:
        absent = [trial.number for trial in lacking if trial.number not in recorded]
        other = [trial.number for trial in lacking if trial.number in recorded]
        parts = [
            *([f"no run of {trials_text(absent)}"] if absent else []),
            *([f"another result of {trials_text(other)}"] if other else []),
        ]
        _write_again(config, tracker, lacking)
        messages.append(
            f"MLflow had {' and '.join(parts)}: written again from the search, with point, "
            "seed, state and objective. Their other metrics and times are lost; to train them "
            f"again, {typed_command('delete', name)}, then the same command."
        )
    elif lacking:
        messages.append(
            f"MLflow has no run of {trials_text([trial.number for trial in lacking])}: their records may wait in "
            "mlruns/spool of another worker. They are delivered when it goes on, or by study sync in its folder."
        )
    left = {number: run for number, run in recorded.items() if number not in {trial.number for trial in lacking}}
    if adopted := search.adopt(_lost_in_search(config, left, known)):
        messages.append(f"the search had lost {trials_text(adopted)}: read back from MLflow, not trained again.")
    return [*messages, *_artifacts_again(tracker, left, known)]


def trials_text(numbers: Collection[int]) -> str:
    """Return `trial 3`, or `4 trials (0, 1, 2, 3)`.

    Args:
        numbers: Numbers of the trials.
    """
    listed = ", ".join(map(str, sorted(numbers)[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"trial {listed}" if len(numbers) == 1 else f"{len(numbers)} trials ({listed})"


def _is_lacking(trial: SearchedTrial, run: RunRecord | None) -> bool:
    """Return whether MLflow lacks a trial of the search, or holds another result that the search's result replaces."""
    if run is None:
        return True
    if run.state != trial.state:
        return trial.state != "failed"
    return trial.state == "complete" and not agree(trial, run)


def _write_again(config: StudyConfig, tracker: StudyTracker, lacking: Collection[SearchedTrial]) -> None:
    """Record trials that only the search has. It keeps few values, so the tag `origin` says where they are from."""
    metric = config.objective.metric
    for each in lacking:
        trial = Trial(
            number=each.number,
            hyperparameters=each.hyperparameters,
            run_seed=each.run_seed,
            order_seed=config.order_seed,
        )
        tracker.start("trial", trial, in_bulk=True, origin="search")
        for epoch, value in sorted(each.reports.items()):
            tracker.epoch("trial", trial, EpochReport(epoch=epoch, step=0, metrics={metric: value}))
        history = {metric: [value for _, value in sorted(each.reports.items())]} if each.reports else {}
        result = TrialResult(trial=trial, state=each.state, history=history, summary={}, error=each.error)
        tracker.end("trial", result, objective=each.objective)
    tracker.flush()


def _artifacts_again(tracker: StudyTracker, recorded: Mapping[int, RunRecord], known: SearchRecord) -> list[str]:
    """Write lost artifacts again: contents, and the last line of errors; say which ones were lost."""
    folder, lost = tracker.opened.artifacts, [*tracker.opened.lost_artifacts]
    if folder is None:
        return []
    for text in known.contents:
        path = contents_path(Contents.from_json(text).digest)
        if not is_whole(folder / path):
            tracker.artifact_text(text, path)
            lost.append(path)
    for trial in known.ended:
        run = recorded.get(trial.number)
        if trial.error is None or run is None or run.state != "failed":
            continue
        if not is_whole(folder.parents[1] / run.run_id / folder.name / ERROR):
            text = f"{trial.error}\n(The lines before were lost with the artifacts.)\n"
            tracker.artifact_text(text, ERROR, run_id=run.run_id)
            lost.append(f"{ERROR} of trial {trial.number}")
    if not lost:
        return []
    shown = ", ".join(lost[:10]) + (", ..." if len(lost) > 10 else "")
    return [f"artifacts of this study were lost and are written again: {shown}. The log follows."]


def _lost_in_search(
    config: StudyConfig, recorded: Mapping[int, RunRecord], known: SearchRecord
) -> list[SearchedTrial]:
    """Return the trials of MLflow that the search may lack, with the values that a pruner compares."""
    known_states = {trial.number: trial.state for trial in known.ended}
    runs = [run for number, run in recorded.items() if known_states.get(number, "failed") == "failed"]
    runs = [run for run in runs if run.number not in known_states or run.state != "failed"]
    metric = config.objective.metric
    histories = {}
    if runs and config.pruner.section.get("_target_") != _NO_PRUNER:
        histories = read_histories(config.stores.tracking_uri, [run.run_id for run in runs], [metric])
    found = []
    for run in runs:
        steps, values = histories.get(run.run_id, {}).get(metric, ((), ()))
        reports = {int(step) - 1: float(value) for step, value in zip(steps, values, strict=True) if step > 0}
        if (searched := _searched(config, run)) is not None:
            found.append(replace(searched, reports=reports))
    return found


def _searched(config: StudyConfig, run: RunRecord) -> SearchedTrial | None:
    """Return a trial of MLflow as the search would know it; None if its run lacks a number or an argument."""
    ranges = config.ranges
    if run.state is None or not {*ranges, "run_seed"} <= run.params.keys():
        return None
    point = {name: _read(run.params, searched) for name, searched in ranges.items()}
    seed = run.params["run_seed"]
    unknown = config.objective.worst if run.state == "diverged" else math.nan
    return SearchedTrial(
        number=run.number,
        hyperparameters=config.hyperparameters(point),
        run_seed=int(seed) if seed.isdecimal() else -1,
        state=run.state,
        objective=run.metrics.get("objective", unknown),
        error="(lost with the search)" if run.state == "failed" else None,
    )


def _read(params: Mapping[str, str], searched: Range) -> Value:
    """Read the value of a searched argument; a choice is the one that is written alike."""
    text = params[searched.argument]
    written = {text_of(choice): choice for choice in searched.choices or ()}
    return written[text] if text in written else value_of(text)
