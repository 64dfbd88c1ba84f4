"""The model to keep: that of the study's best confirmation, from the worker that trained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from study.core.search_space import Value
from study.pipeline.confirmation_phase import Confirmed, Weights, claim_of, confirmation, rank_of, to_confirm
from study.pipeline.context import StudyContext
from study.pipeline.workload import build_model_at


@dataclass(frozen=True, kw_only=True)
class BestModel:
    """The model to keep.

    Attributes:
        claim: The key of the confirmation that trained it.
        hyperparameters: The point at which it was trained.
        weights: The trained weights, in the order of `model.get_weights()`.
    """

    claim: str
    hyperparameters: Mapping[str, Value]
    weights: Weights


def best_model(context: StudyContext, kept: Confirmed | None) -> BestModel | None:
    """Return the model of the study's best confirmation if this worker has to keep it, else None.

    The worker that trained the confirmation keeps the model. If that worker is dead, or if the model's files were
    lost, another one trains it again.

    Args:
        context: The study's parts.
        kept: The best confirmation of this worker; None: it trained none.
    """
    kind, hyperparameters = next(iter(to_confirm(context.config, context.search.best()).items()))
    ranks = [
        rank_of(context.config, run.metrics["objective"], number)
        for (of, number), run in context.tracker.finished("confirmation").items()
        if of == kind != "default" and run.state == "complete"
    ]
    if not ranks:
        return None
    number = -max(ranks)[1]
    trial = confirmation(context.config, number, hyperparameters, keep_weights=True)
    claim = claim_of(kind, trial)
    if kept is not None and kept.claim == claim:
        return BestModel(claim=claim, hyperparameters=hyperparameters, weights=kept.weights)
    is_first = context.search.claims.once(claim, ever=True)
    if context.tracker.models.has(of=claim, or_any=not is_first):
        return None
    if not is_first and not _makes_lost_model(context, claim, hyperparameters):
        return None
    (result,) = context.trainer.train([trial], lambda *_: True)
    if result.weights is None:
        return None
    return BestModel(claim=claim, hyperparameters=hyperparameters, weights=result.weights)


def _makes_lost_model(context: StudyContext, claim: str, hyperparameters: Mapping[str, Value]) -> bool:
    """Return whether this worker has to make a model that was lost, and say so."""
    from study.training.architecture import unserializable  # imports Keras

    model = build_model_at(context.config, context.dataset, context.trainer, hyperparameters)
    if unserializable(model) or not context.search.claims.once(f"lost model of {claim}"):
        return False
    context.view.message("The model of the best confirmation was lost: it is trained again, to the same weights.")
    return True
