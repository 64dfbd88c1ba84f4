"""A plan for more certainty: what each pair still costs, and the seeds that a difference of the margin needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from study.core.errors import StudyError
from study.core.names import typed_command
from study.report.objective_metric import ObjectiveMetric
from study.report.pairing import Outcome, decide_outcome
from study.report.plan_and_margin import margin_fault
from study.report.prices import PairPrice, looks_ahead, prices
from study.report.studies import ComparedExperiment
from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import LOOKS, Look, continued, error_spent, plan_looks
from study.statistics.price import seeds_for_equality, seeds_needed
from study.statistics.sequential import PairDecision

# A plan of looks for a pilot, which has recorded none, in seeds.
_USUAL = 40


@dataclass(frozen=True, kw_only=True)
class PlannedPair:
    """One pair in a plan.

    Attributes:
        first: Label of the first entry.
        second: Label of the second entry.
        decision: The decision so far.
        spread: Standard deviation of the paired differences.
        to_find: Seeds in all with which a true difference of the margin is found with the wanted power; None without a
            margin, or if they are more than a million.
        to_equal: Seeds in all with which a true difference of 0 is shown to be within the margin with that power; None
            likewise.
        price: What is left to pay until it is decided; None if it is decided.
    """

    first: str
    second: str
    decision: PairDecision
    spread: float
    to_find: int | None
    to_equal: int | None
    price: PairPrice | None


@dataclass(frozen=True, kw_only=True)
class CertaintyPlan:
    """A plan for more certainty in one experiment.

    Attributes:
        outcome: The comparison so far, with the margin of the plan.
        power: Wanted probability that a true difference of the margin is found.
        pairs: The pairs, open ones that decide who is best first.
        n_confirmations: The number of confirmations to ask for; None if nothing that matters is open, or if the unit
            is a study.
        n_studies: The number of study seeds to ask for, likewise; None if the unit is a confirmation.
        is_planned: Whether the recorded plan has so many already, so that the same command goes on.
        error: The largest probability of a false claim with so many seeds: above 0.05 if the plan has spent that.
    """

    outcome: Outcome
    power: float
    pairs: tuple[PlannedPair, ...]
    n_confirmations: int | None
    n_studies: int | None
    is_planned: bool
    error: float


def plan_certainty(
    experiment: ComparedExperiment, *, margin: float | None = None, power: float = 0.8
) -> CertaintyPlan:
    """Plan what more certainty costs, from the variance of a few shared seeds on.

    Args:
        experiment: The experiment.
        margin: The smallest difference that matters, in the unit of the metric. None (the default): the recorded one.
        power: Wanted probability that a true difference of the margin is found, strictly between 0 and 1. Default:
            0.8.

    Raises:
        StudyError: An argument is not allowed, or there are fewer than three shared seeds of two optimizers.
    """
    _check(experiment.metric, margin=margin, power=power)
    outcome = decide_outcome(experiment, margin=margin)
    decided = outcome.decisions
    tested = [] if decided is None else [pair for pair in decided.pairs if pair.n_units >= MIN_SEEDS]
    if not tested:
        raise StudyError(_no_pilot(experiment, outcome))
    priced = {(each.first, each.second): each for each in prices(experiment, outcome)}
    pairs = [_planned(outcome, pair, priced, power=power, n_pairs=len(tested)) for pair in tested]
    pairs.sort(key=lambda each: (each.price is None, each.price is not None and not each.price.matters))
    wanted = _wanted([each.price for each in pairs if each.price is not None and each.price.matters])
    is_study, is_planned = outcome.unit == "study", False
    error = outcome.error
    if wanted is not None and not is_study:
        is_planned = bool(outcome.due) and wanted <= outcome.looks[-1].n_seeds
        n_done = max(pair.n_seeds for pair in tested)
        error = error_spent(continued(outcome.looks, n_done=n_done, n_max=wanted, sequential=True))
    return CertaintyPlan(
        outcome=outcome,
        power=power,
        pairs=tuple(pairs),
        n_confirmations=None if is_study else wanted,
        n_studies=wanted if is_study else None,
        is_planned=is_planned,
        error=max(error, outcome.error),
    )


def _planned(
    outcome: Outcome, pair: PairDecision, priced: dict[tuple[str, str], PairPrice], *, power: float, n_pairs: int
) -> PlannedPair:
    first, second = outcome.labels[pair.first], outcome.labels[pair.second]
    spread = pair.error * math.sqrt(pair.n_units)
    looks = _looks(outcome, pair.n_units)
    find = partial(seeds_needed, looks=looks, n_pairs=n_pairs, power=power)
    equal = partial(seeds_for_equality, looks=looks, n_pairs=n_pairs, power=power)
    return PlannedPair(
        first=first,
        second=second,
        decision=pair,
        spread=spread,
        to_find=None if outcome.margin is None else find(outcome.margin, spread),
        to_equal=None if outcome.margin is None else equal(outcome.margin, spread),
        price=priced.get((first, second)),
    )


def _looks(outcome: Outcome, n_seen: int) -> tuple[Look, ...]:
    """Return the whole plan; of a pilot without one, the usual looks."""
    if outcome.unit == "seed" and len(outcome.looks) > 1:
        return outcome.looks
    return plan_looks(_USUAL, sequential=True) if n_seen < _USUAL else looks_ahead(outcome, n_seen, horizon=2 * n_seen)


def _wanted(open_pairs: Sequence[PairPrice]) -> int | None:
    """Return the number of seeds by which all open pairs are probably decided, as a usual look; None without one."""
    if not open_pairs:
        return None
    needed = max(each.seeds.typical or each.seeds.horizon for each in open_pairs)
    return next((look for look in LOOKS if look >= needed), needed)


def _check(metric: ObjectiveMetric, *, margin: float | None, power: float) -> None:
    faults = []
    if margin is not None and (allowed := margin_fault(margin, metric)):
        faults.append(f"--margin={margin:g}: {allowed}")
    if not 0 < power < 1:
        advice = f"Write {power / 100:g}, if {power:g} per cent is meant." if 1 < power < 100 else "0.8 is usual."
        faults.append(f"--power={power:g}: expected a number strictly between 0 and 1. {advice}")
    if faults:
        raise StudyError("\n  ".join(faults))


def _no_pilot(experiment: ComparedExperiment, outcome: Outcome) -> str:
    """Return why nothing can be planned yet."""
    name, n_entries = experiment.name, len(outcome.labels)
    wanted = f"EXPERIMENT={name}: expected a pilot, confirmations of two optimizers on {MIN_SEEDS} shared seeds"
    again = f"Run `study run` with budget.n_confirmations={MIN_SEEDS} or more, then `{typed_command('plan', name)}`."
    if len(experiment.entries) < 2:
        return f"{wanted}, found one optimizer, {experiment.entries[0].label}. Add another one. {again}"
    if n_entries < 2:
        reasons = "; ".join(f"{label}: {why}" for label, why in sorted(outcome.left_out.items()))
        return f"{wanted}, found {n_entries} with confirmations ({reasons}). {again}"
    if not outcome.units:
        return (
            f"{wanted}, found that {', '.join(outcome.labels)} share none. Run them under the same study_seed and "
            "order_seed."
        )
    return f"{wanted}, found {len(outcome.units)}. {again}"
