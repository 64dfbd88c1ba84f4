"""The second phase of a study: all its workers train the best point and the untuned optimizer on fresh seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.interrupt import stop_here
from study.core.records import RunRecord
from study.core.search_space import Value, text_of
from study.core.seeds import confirmation_order_seed, confirmation_run_seed
from study.core.trainer_interface import (
    SETTING_WORDS,
    BestTrial,
    ConfirmationConfig,
    Kind,
    Trial,
    TrialResult,
)
from study.pipeline.context import StudyContext
from study.pipeline.train_batch import show_ended, train_batch
from study.search.claims import confirmation_key
from study.search.waiting import Wait
from study.tracking.study_tracker import StudyTracker

Weights = tuple[NDArray[np.generic], ...]


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The best confirmation of this worker, with the weights to log if it stays the best of all.

    Attributes:
        claim: The key under which this worker has claimed the confirmation.
        rank: Sort key that is largest for the best confirmation: the objective with its sign, and the repetition.
        weights: The trained weights, in the order of `model.get_weights()`.
    """

    claim: str
    rank: tuple[float, int]
    weights: Weights


def leaves_to_others(context: StudyContext) -> bool:
    """Return whether other workers still search, because their number of trials is larger, and say so.

    They confirm a point that may be better, and record the study.

    Args:
        context: The study's parts.
    """
    if not context.search.others_train():
        return False
    context.view.message(
        f"{context.config.n_trials} trials are done. Another worker of this study trains more: the last one to end "
        "confirms the best point and records the study."
    )
    return True


def confirm(context: StudyContext, *, kept: Confirmed | None = None) -> Confirmed | None:
    """Train the best point and the untuned optimizer, or the one fixed setting, on seeds that the search did not use.

    Finished confirmations are not trained again. Confirmations of a point that is no longer the best, and those whose
    batch order an earlier version chose without the study seed, are kept and marked as superseded. Another worker may
    find a better point at any time, so the best point is looked up again after each batch. If no trial completed, only
    the untuned optimizer is trained.

    Args:
        context: The study's parts.
        kept: The best confirmation that this worker trained during the search. None (the default): it trained none.

    Returns:
        The best of the confirmations trained here, without the untuned ones; None if no such one completed.
    """
    wait = Wait(context.search.claims.others_text)
    while True:
        settings = to_confirm(context.config, context.search.best())
        kept = _of_settings(context.config, kept, settings)
        done = _supersede(context, settings)
        if not (due := _due(context.config, context.tracker, settings, done=done)):
            return kept
        kind, ended = next(
            ((kind, ended) for kind in due if (ended := _confirm_some(context, kind, settings[kind], due[kind]))),
            (next(iter(due)), []),
        )
        kept = _keep(context, kind, ended, kept)
        if ended:
            wait = Wait(context.search.claims.others_text)
        else:
            wait.pause()  # other workers train the last ones, or die and leave them


@dataclass(frozen=True, kw_only=True)
class ConfirmedPoint:
    """The first confirmations of a point.

    Attributes:
        objectives: Their objectives on the validation split, by repetition; the worst value for a failed one.
        kept: The best confirmation of this worker; None: it trained none.
    """

    objectives: tuple[float, ...]
    kept: Confirmed | None


def confirm_best(
    context: StudyContext, best: BestTrial, *, n: int, kept: Confirmed | None = None
) -> ConfirmedPoint | None:
    """Train the first confirmations of the best point during the search, together with the study's other workers.

    They are ordinary confirmations, and stay if the point stays the best.

    Args:
        context: The study's parts.
        best: The best trial.
        n: Number of confirmations.
        kept: The best confirmation that this worker trained before. None (the default): it trained none.

    Returns:
        The confirmations; None if another trial became the best.
    """
    hyperparameters = context.config.hyperparameters(best.point)
    wait = Wait(context.search.claims.others_text)
    while (now := context.search.best()) is not None and now.number == best.number:
        _supersede(context, {"best": hyperparameters})
        finished = context.tracker.finished("confirmation")
        runs = [finished.get(("best", repetition)) for repetition in range(n)]
        ours = _of_settings(context.config, kept, {"best": hyperparameters})
        if all(runs):
            worst = context.config.objective.worst
            objectives = tuple(run.metrics.get("objective", worst) for run in runs if run is not None)
            return ConfirmedPoint(objectives=objectives, kept=ours)
        lacking = [repetition for repetition, run in enumerate(runs) if run is None]
        ended = _confirm_some(context, "best", hyperparameters, lacking)
        kept = _keep(context, "best", ended, ours)
        if ended:
            wait = Wait(context.search.claims.others_text)
        else:
            wait.pause()
    return None


def _keep(
    context: StudyContext, kind: ConfirmationConfig, ended: Sequence[tuple[TrialResult, float]], kept: Confirmed | None
) -> Confirmed | None:
    """Return the better of new confirmations and the one kept before, and give back the claims on all others."""
    candidates = [
        Confirmed(
            claim=claim_of(kind, result.trial),
            rank=rank_of(context.config, objective, result.trial.number),
            weights=result.weights,
        )
        for result, objective in ended
        if result.weights is not None and result.state == "complete"
    ]
    kept = max([*candidates, *([] if kept is None else [kept])], key=lambda found: found.rank, default=None)
    if context.tracker.settle():  # other workers do not see a record that is still on its way to a server
        # This worker keeps its claim on the best one, since no other worker has its weights.
        context.search.claims.finish(but=None if kept is None else kept.claim)
    return kept


def _of_settings(
    config: StudyConfig, kept: Confirmed | None, settings: Mapping[ConfirmationConfig, Mapping[str, Value]]
) -> Confirmed | None:
    """Return a kept confirmation if it is of one of these settings, else None."""
    numbers = range(config.budget.n_confirmations if kept is not None else 0)
    trials = [
        (kind, confirmation(config, number, hyperparameters, keep_weights=True))
        for kind, hyperparameters in settings.items()
        for number in numbers
    ]
    return kept if kept is not None and kept.claim in {claim_of(*each) for each in trials} else None


def confirm_untuned(context: StudyContext) -> bool:
    """Train some confirmations of the untuned optimizer, which need no best point.

    Args:
        context: The study's parts.

    Returns:
        True if any were due and trained.
    """
    if not context.config.ranges:
        return False
    due = _due_now(context, "default")
    is_any = bool(due) and bool(_confirm_some(context, "default", context.config.hyperparameters({}), due))
    if is_any and context.tracker.settle():
        context.search.claims.finish()
    return is_any


def confirmations_due(config: StudyConfig, tracker: StudyTracker) -> dict[ConfirmationConfig, int]:
    """Return the numbers of confirmations that were still to be trained as the study opened, for the same best point.

    Args:
        config: The study's config.
        tracker: The study's tracker.
    """
    kinds: tuple[ConfirmationConfig, ...] = ("best", "default") if config.ranges else ("fixed",)
    runs = [run for run in tracker.opened.children if run.role == "confirmation" and not run.superseded]
    done = {(run.kind, run.number) for run in runs if run.has_result}
    return {kind: len(numbers) for kind, numbers in _due(config, tracker, kinds, done=done).items()}


def seeds_of_looks(config: StudyConfig, tracker: StudyTracker) -> list[int]:
    """Return the numbers of seeds at the planned looks, in their order; empty without confirmations in rounds.

    Args:
        config: The study's config.
        tracker: The study's tracker, which has the plan of looks.
    """
    most = config.budget.n_confirmations
    if config.budget.confirm == "fixed" or not most:
        return []
    return sorted({min(look.n_seeds, most) for look in tracker.opened.looks})


def n_first_look(config: StudyConfig, tracker: StudyTracker) -> int:
    """Return the number of confirmations of the first look.

    Args:
        config: The study's config.
        tracker: The study's tracker, which has the plan of looks.
    """
    return min([config.budget.n_confirmations, *(look.n_seeds for look in tracker.opened.looks[:1])])


def confirmation(
    config: StudyConfig, repetition: int, hyperparameters: Mapping[str, Value], *, keep_weights: bool
) -> Trial:
    """Return the trial that is one confirmation of a point.

    Args:
        config: The study's config.
        repetition: Index of the confirmation, from 0.
        hyperparameters: The optimizer's arguments at the point.
        keep_weights: Return the final weights with the result.
    """
    return Trial(
        number=repetition,
        hyperparameters=hyperparameters,
        run_seed=confirmation_run_seed(config.study_seed, repetition),
        order_seed=confirmation_order_seed(config.study_seed, config.order_seed, repetition),
        test=True,
        keep_weights=keep_weights,
    )


def to_confirm(config: StudyConfig, best: BestTrial | None) -> dict[ConfirmationConfig, dict[str, Value]]:
    """Return the hyperparameters to confirm, by kind; those of the best point first.

    Args:
        config: The study's config.
        best: The best trial; None: no trial completed.
    """
    untuned = config.hyperparameters({})
    if not config.ranges:
        return {"fixed": untuned}
    tuned: dict[ConfirmationConfig, dict[str, Value]] = {}
    if best is not None:
        tuned = {"best": config.hyperparameters(best.point)}
    return {**tuned, "default": untuned}


def _supersede(
    context: StudyContext, settings: Mapping[ConfirmationConfig, Mapping[str, Value]]
) -> set[tuple[Kind, int]]:
    """Mark as superseded the confirmations of all other points, and those under batch orders of an earlier version.

    Returns:
        Kind and number of the finished ones that count.
    """
    superseded: set[tuple[Kind, int]] = set()
    finished = context.tracker.finished("confirmation")
    for kind, hyperparameters in settings.items():
        expected = {key: text_of(value) for key, value in hyperparameters.items()}
        runs = [record for (of, _), record in finished.items() if of == kind]
        moved = [run for run in runs if any(run.params.get(key) != value for key, value in expected.items())]
        of_point = [run for run in runs if run not in moved]
        reordered = [
            run for run in of_point if run.params.get("order_seed") != _order_seed(context.config, run.number)
        ]
        if moved and context.config.budget.until is not None:
            context.view.message(
                f"{len(moved)} confirmations of the best trial before are kept and marked as superseded."
            )
        elif moved:
            context.view.message(
                f"The search continued after its best point had been confirmed, and another one is the best: "
                f"{len(moved)} confirmations are kept and marked as superseded."
            )
        if reordered:
            context.view.message(
                f"{len(reordered)} confirmations ({SETTING_WORDS[kind]}) are from an earlier version, which gave all "
                "study seeds the same batch orders. They are kept and marked as superseded, and trained again under "
                "orders of this study seed."
            )
        superseded |= _mark_superseded(context, kind, [*moved, *reordered])
    return finished.keys() - superseded


def _mark_superseded(
    context: StudyContext, kind: ConfirmationConfig, runs: Sequence[RunRecord]
) -> set[tuple[Kind, int]]:
    if runs:
        context.tracker.supersede(kind, [run.run_id for run in runs])
        if context.events is not None:
            context.events.supersede(kind, [run.number for run in runs])
    return {(run.kind, run.number) for run in runs}


def _order_seed(config: StudyConfig, repetition: int) -> str:
    """Return the order seed of a confirmation, as its run records it."""
    return text_of(confirmation_order_seed(config.study_seed, config.order_seed, repetition))


def _confirm_some(
    context: StudyContext, kind: ConfirmationConfig, hyperparameters: Mapping[str, Value], numbers: Sequence[int]
) -> list[tuple[TrialResult, float]]:
    """Train confirmations that no other worker has claimed, as many as fit; they stay claimed."""
    due = [confirmation(context.config, r, hyperparameters, keep_weights=kind != "default") for r in numbers]
    claimed = {*context.search.claims.take([claim_of(kind, trial) for trial in due], context.trainer.capacity)}
    if not claimed:
        return []
    # Another worker may have ended one just before it was claimed.
    still_due = _due_now(context, kind)
    trials = [trial for trial in due if claim_of(kind, trial) in claimed and trial.number in still_due]
    ended = train_batch(context, kind, trials) if trials else []
    show_ended(context, kind, ended)
    stop_here()
    return ended


def rank_of(config: StudyConfig, objective: float, number: int) -> tuple[float, int]:
    """Return a sort key of a confirmation that is largest for the best, and for the first of equals.

    Args:
        config: The study's config.
        objective: The confirmation's objective.
        number: Its repetition.
    """
    return (objective if config.objective.direction == "maximize" else -objective, -number)


def _due_now(context: StudyContext, kind: ConfirmationConfig) -> Sequence[int]:
    """Return the confirmations of a setting that no worker has finished."""
    done = context.tracker.finished("confirmation").keys()
    return _due(context.config, context.tracker, [kind], done=done).get(kind, ())


def _due(
    config: StudyConfig,
    tracker: StudyTracker,
    kinds: Iterable[ConfirmationConfig],
    *,
    done: Collection[tuple[Kind, int]],
) -> dict[ConfirmationConfig, list[int]]:
    """Return the planned confirmations that are not done, of the incomplete kinds."""
    planned = {kind: range(_n_planned(config, tracker, kind)) for kind in kinds}
    due = {kind: [number for number in numbers if (kind, number) not in done] for kind, numbers in planned.items()}
    return {kind: lacking for kind, lacking in due.items() if lacking}


def _n_planned(config: StudyConfig, tracker: StudyTracker, kind: ConfirmationConfig) -> int:
    """Return the number of confirmations of a setting that this run trains.

    Under `sequential`, the untuned optimizer gets those of the first look alone: it is no contender.
    """
    most, first = config.budget.n_confirmations, n_first_look(config, tracker)
    if config.budget.confirm == "fixed":
        return most
    return min(most, first if kind == "default" else max(first, config.confirm_up_to or 0))


def claim_of(kind: ConfirmationConfig, trial: Trial) -> str:
    """Return the key under which workers claim a confirmation.

    Args:
        kind: The setting that is confirmed.
        trial: The confirmation.
    """
    return confirmation_key(kind, trial.number, trial.hyperparameters)
