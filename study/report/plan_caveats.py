"""Cautions on plans of looks and margins that differ between the studies of a comparison."""

from __future__ import annotations

from collections.abc import Iterator

from study.report.caution import Caution
from study.report.pairing import Outcome
from study.report.plan_and_margin import EARLIER_MARGIN, margins_differ, plans_differ
from study.report.studies import ComparedExperiment


def plan_cautions(experiment: ComparedExperiment, outcome: Outcome) -> Iterator[Caution]:
    """Yield cautions on plans and margins that differ or were changed, and on study seeds, which have no plan.

    Args:
        experiment: The experiment.
        outcome: The scores compared, with the plan and the margin that are taken.
    """
    if plans_differ(experiment):
        at = ", ".join(str(look.n_seeds) for look in outcome.looks)
        text = (
            f"The studies plan different looks at their confirmation seeds; those at {at} seeds are taken. A look "
            "does not wait for an optimizer whose own plan ends before it. The same budget.confirm and "
            "budget.n_confirmations for all make one plan."
        )
        yield Caution(topic="Different plans", text=text, serious=True)
    if margins_differ(experiment):
        taken = "none" if outcome.margin is None else experiment.metric.change(outcome.margin, signed=False)
        text = f"The studies have different margins (objective.margin); the strictest is taken: {taken}."
        yield Caution(topic="Different margins", text=text)
    if changed := {record.tags[EARLIER_MARGIN] for record in experiment.records if EARLIER_MARGIN in record.tags}:
        before = " and ".join(sorted(changed))
        text = (
            f"objective.margin was changed after confirmations had been trained; it was {before} before. A margin "
            "that is chosen by the results makes more than 5 % of claims of equality false. Choose it before the "
            "first look."
        )
        yield Caution(topic="Changed margin", text=text, serious=True)
    if outcome.unit == "study":
        text = (
            "The error holds for a number of study seeds that was chosen beforehand. Study seeds that are added "
            "because of an answer are a further look, whose error is not counted here."
        )
        yield Caution(topic="Study seeds", text=text)
