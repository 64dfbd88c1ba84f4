"""The plan of further confirmations: the price of open pairs, and the seeds that a difference that matters needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from study.core.errors import StudyError
from study.report.pair_prices import PairPrice, looks_ahead, prices
from study.report.pairing import Outcome
from study.report.plan_and_margin import margin_fault
from study.report.price_of_all import PriceOfAll, price_of_all
from study.report.studies import ComparedExperiment
from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import Look, error_spent
from study.statistics.price import seeds_for_equality, seeds_needed
from study.statistics.sequential import PairDecision

_HORIZON = 160


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """The plan of one open pair.

    Attributes:
        cost: Its price.
        for_margin: Seeds in all at which a true difference of the margin is found with the power; None without a
            margin, and for more than a million.
        for_equality: Seeds in all at which equality is shown with the power, if there is no difference; None as well
            where one of both has diverged.
    """

    cost: PairPrice
    for_margin: int | None
    for_equality: int | None


@dataclass(frozen=True, kw_only=True)
class FurtherSeeds:
    """The plan of an experiment.

    Attributes:
        margin: The difference that matters; None without one.
        power: The wanted probability of a claim.
        pairs: The open pairs of entries that may be the best.
        of_all: The price until all of them are decided; None if nothing is open.
        error: Largest probability of a false claim at all looks until then.
        studies: Number of confirmations that each study then has, by name.
    """

    margin: float | None
    power: float
    pairs: tuple[PairPlan, ...]
    of_all: PriceOfAll | None
    error: float
    studies: Mapping[str, int]

    @property
    def n_seeds(self) -> int | None:
        """Number of seeds in all at which all pairs would typically be decided; None if nothing is open."""
        return None if self.of_all is None else self.of_all.n_seeds

    @property
    def seconds(self) -> float | None:
        """Time until then; None where it is unknown."""
        return None if self.of_all is None else self.of_all.seconds


def check_pilot(experiment: ComparedExperiment, outcome: Outcome) -> None:
    """Refuse an experiment without a pilot.

    Args:
        experiment: The experiment.
        outcome: Its comparison.

    Raises:
        StudyError: There are fewer than two entries with confirmations, they share no seeds, or fewer than three.
    """
    name, labels = experiment.name, outcome.labels
    pilot = f"budget.n_confirmations={MIN_SEEDS}"
    if len(labels) < 2:
        reasons = "; ".join(f"{label}: {why}" for label, why in sorted(outcome.left_out.items()))
        found = f"found {len(labels)}" + (f" ({reasons})" if reasons else "")
        raise StudyError(
            f"EXPERIMENT={name}: expected two optimizers or more with confirmations, {found}. Run a pilot of each "
            f"with {pilot}."
        )
    units = outcome.units
    if not outcome.due and not units:
        raise StudyError(
            f"EXPERIMENT={name}: expected studies that share confirmation seeds, and {' and '.join(labels)} share "
            "none. Run them under the same study_seed and order_seed."
        )
    if len(units) < MIN_SEEDS:
        raise StudyError(
            f"EXPERIMENT={name}: expected a pilot of {MIN_SEEDS} shared {outcome.units_text} or more, found "
            f"{len(units)}. Run the same command with {pilot} or more."
        )


def check_plan_values(margin: float | None, power: float, experiment: ComparedExperiment) -> None:
    """Refuse a margin and a power that cannot be.

    Args:
        margin: The margin; None: that of the config.
        power: The power.
        experiment: The experiment.

    Raises:
        StudyError: One of them cannot be, or both; the message has a line for each.
    """
    faults = []
    if margin is not None and (fault := margin_fault(margin, experiment.metric)):
        faults.append(f"--margin={margin:g}: {fault}")
    if not 0 < power < 1:
        advice = f"Write {power / 100:g}, if {power:g} % is meant." if 1 < power < 100 else "Take 0.8."
        faults.append(f"--power={power:g}: expected a number above 0 and below 1. {advice}")
    if faults:
        raise StudyError("\n".join(faults))


def further_seeds(experiment: ComparedExperiment, outcome: Outcome, *, power: float) -> FurtherSeeds:
    """Return the plan of what is open.

    Args:
        experiment: The experiment.
        outcome: Its comparison, of three shared seeds or more.
        power: The wanted probability of a claim, within (0, 1).
    """
    priced = prices(experiment, outcome)
    costs, of_all = [cost for cost in priced if cost.matters], price_of_all(experiment, outcome, priced)
    pairs = tuple(_pair(outcome, cost, power=power) for cost in costs)
    if of_all is None:
        return FurtherSeeds(margin=outcome.margin, power=power, pairs=(), of_all=None, error=outcome.error, studies={})
    n_seeds = of_all.n_seeds
    labels = {label for cost in costs for label in (cost.first, cost.second)}
    studies = {
        study.record.name: n_seeds for entry in experiment.entries if entry.label in labels for study in entry.studies
    }
    n_seen = min(cost.n_seeds for cost in costs)
    ahead = [look for look in _ahead(outcome, n_seen, n_seeds) if look.n_seeds <= n_seeds]
    made = [look for look in outcome.looks if look.n_seeds <= n_seen]
    return FurtherSeeds(
        margin=outcome.margin,
        power=power,
        pairs=pairs,
        of_all=of_all,
        error=max(outcome.error, error_spent([*made, *ahead])),
        studies=studies if outcome.unit == "seed" else {},
    )


def _pair(outcome: Outcome, cost: PairPrice, *, power: float) -> PairPlan:
    assert outcome.decisions is not None
    decision = _decision(outcome, cost)
    looks = _ahead(outcome, max(cost.n_seeds, decision.n_seeds if outcome.unit == "seed" else 0), _HORIZON)
    spread = decision.error * math.sqrt(decision.n_units)
    n_pairs, margin = len(outcome.decisions.pairs), outcome.margin
    if margin is None:
        return PairPlan(cost=cost, for_margin=None, for_equality=None)
    equality = None
    if not cost.one_diverged:
        equality = seeds_for_equality(margin, spread, looks=looks, n_pairs=n_pairs, power=power)
    return PairPlan(
        cost=cost,
        for_margin=seeds_needed(margin, spread, looks=looks, n_pairs=n_pairs, power=power, with_margin=True),
        for_equality=equality,
    )


def _ahead(outcome: Outcome, n_seen: int, horizon: int) -> tuple[Look, ...]:
    return looks_ahead(outcome, n_seen, horizon=max(horizon, n_seen + 1))


def _decision(outcome: Outcome, cost: PairPrice) -> PairDecision:
    return outcome.pair_of(outcome.labels.index(cost.first), outcome.labels.index(cost.second))
