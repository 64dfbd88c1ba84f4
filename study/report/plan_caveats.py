"""Cautions on plans of looks and margins that differ between the studies of a comparison."""

from __future__ import annotations

from collections.abc import Iterator

from study.report.caution import Caution
from study.report.pairing import Outcome
from study.report.plan_and_margin import margins_differ, plans_differ
from study.report.studies import ComparedExperiment


def plan_cautions(experiment: ComparedExperiment, outcome: Outcome) -> Iterator[Caution]:
    """Yield a caution if studies recorded different plans, and one if they have different margins.

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
