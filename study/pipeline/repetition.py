"""Repeat the beginning of a recorded trial when a study goes on, since initial weights are compared, never hashed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from study.core.errors import StudyError
from study.core.seeds import trial_run_seed
from study.core.trainer_interface import Trial
from study.pipeline.confirmation_phase import confirmations_due
from study.pipeline.context import StudyContext
from study.pipeline.stream_use import has_foreign_order

# Recorded numbers that tell initial weights (`initial_loss`) and the first step (`early_loss`), in words.
_COMPARED = {"initial_loss": "loss of the initial weights", "early_loss": "loss of the first two batches"}
# Largest relative difference. Two backends differ by 2e-6, numbers of 8 bits by up to a hundredth.
_TOLERANCE, _LOW_PRECISION = 1e-4, 2e-2


def repeat_first_epoch(context: StudyContext) -> None:
    """Train the first epoch of the best trial again, if the study goes on, and compare two losses with the record.

    The digests of data, code and architecture do not see everything. Other releases, a file that a model reads, or
    another machine can also change the initial weights or the steps.

    Args:
        context: The study's parts.

    Raises:
        StudyError: A loss differs by more than 1e-4 of its value (in bfloat16: 2e-2), and the user did
            not accept the change.
    """
    recorded = _recorded(context)
    if recorded is None:
        return
    trial, before = recorded
    (result,) = context.trainer.train([trial], lambda *_: False)
    if result.state == "failed":
        return  # the search tells the error of the trials to come
    tolerance = _LOW_PRECISION if context.config.trainer.section.get("precision") == "bfloat16" else _TOLERANCE
    changes = [
        f"the {words} was {before[name]:.6g}, is {result.summary[name]:.6g}"
        for name, words in _COMPARED.items()
        if name in before and name in result.summary
        if not math.isclose(before[name], result.summary[name], rel_tol=tolerance, abs_tol=tolerance)
    ]
    if not changes:
        return
    told = f"trial {trial.number} does not repeat: {'; '.join(changes)}"
    if not context.config.accept_changes:
        raise StudyError(
            f"{context.search.name} cannot go on: its {told}. Settings, data, code and architecture are as recorded, "
            "so something else changed, such as installed packages, a file that the model reads, or the machine. "
            "Bring it back, or begin a new study with another study_name, or continue this one with "
            "accept_changes=true."
        )
    context.tracker.accept(told)
    context.view.message(f"{context.search.name} goes on with a change that you accepted: {told}.")


def _recorded(context: StudyContext) -> tuple[Trial, Mapping[str, float]] | None:
    """Return the best trial so far and its metrics; None if no trial completed, or all are trained."""
    config, best = context.config, context.search.best()
    if best is None or has_foreign_order(config, context.dataset):
        return None
    if context.search.n_spent >= config.n_trials and not confirmations_due(config, context.tracker):
        return None
    run = context.tracker.finished("trial").get(("trial", best.number))
    if run is None or "initial_loss" not in run.metrics:
        return None
    if config.contents is not None and run.contents != config.contents.digest:
        return None  # trained with other data or code, a change that the user accepted
    trial = Trial(
        number=best.number,
        hyperparameters=config.hyperparameters(best.point),
        run_seed=trial_run_seed(config.study_seed, best.number),
        order_seed=config.order_seed,
    )
    return trial, run.metrics
