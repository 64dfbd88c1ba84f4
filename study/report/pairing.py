"""Pairing of the entries over the seeds that they share, the decisions on all pairs, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from study.report.choice_order import choice_key
from study.report.look_scores import ScoresAtLook, SharedScores, Unit
from study.report.objective_metric import ObjectiveMetric
from study.report.plan_and_margin import common_plan, margin_of, without_further_seeds
from study.report.studies import ComparedExperiment, Entry
from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import ERROR, Look, error_spent
from study.statistics.sequential import DecidedPairs, PairDecision, decide_looks
from study.statistics.superiority import probability_of_superiority
from study.statistics.winner import CandidateDifference, Verdict

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The scores compared, the decisions on all pairs, and the verdict on the candidate.

    Attributes:
        labels: Entries in the comparison.
        scores: Their test scores at the last look that was made, shape (n_entries, n_units); column u has the same
            seeds for all, and an entry without all of them has NaN.
        validation: Their mean validation objective over the confirmations of each one's last look, shape
            (n_entries,).
        unit: Meaning of a column: a confirmation `seed`, or a whole `study` from three study seeds on.
        units: The repetition, or the study seed, of each column.
        left_out: Reasons why entries are not in the comparison, by label.
        verdict: The verdict on the candidate; None where nothing can be compared.
        behind: Entries behind the winner, and the verdict among them; None without a winner or with fewer than two.
        decisions: The decisions on all pairs of entries, by their indices; None before the first look, and without a
            pair.
        looks: The plan of looks; a single one, at the seeds that all share, unless the studies recorded several.
        margin: The difference that matters; None: no difference is too small.
        due: Number of confirmations that a study should have for the next look, by the study's name; empty after the
            last look, and where nothing is open.
        at_looks: The scores at each look that was made. Default: none.
        sign: 1 (the default) where larger is better, else -1.
    """

    labels: tuple[str, ...]
    scores: Floats
    validation: Floats
    unit: Unit
    units: tuple[int, ...]
    left_out: Mapping[str, str]
    verdict: Verdict | None
    behind: tuple[tuple[str, ...], Verdict] | None
    decisions: DecidedPairs | None = None
    looks: tuple[Look, ...] = ()
    margin: float | None = None
    due: Mapping[str, int] = field(default_factory=dict)
    at_looks: tuple[ScoresAtLook, ...] = ()
    sign: float = 1.0

    @property
    def units_text(self) -> str:
        """The columns in words: `seeds`, or `study seeds`."""
        return "study seeds" if self.unit == "study" else "seeds"

    @property
    def candidate(self) -> str | None:
        """The label of the candidate."""
        return None if self.verdict is None else self.labels[self.verdict.candidate]

    @property
    def error(self) -> float:
        """The largest probability of a false claim at any look: more than 0.05 if looks were added to a spent plan."""
        return error_spent(self.looks) or ERROR

    def in_order(self, rows: Iterable[int]) -> list[int]:
        """Return entries in the order of the page: the best mean validation objective first, equal ones by name.

        Args:
            rows: Their indices.
        """
        known = self.validation if self.validation.size else np.full(len(self.labels), np.nan)
        return _in_choice_order(rows, self.labels, known, sign=self.sign)

    def pair_of(self, one: int, other: int) -> PairDecision:
        """Return the decision on two entries.

        Args:
            one: Index of the first.
            other: Index of the second.
        """
        assert self.decisions is not None
        ends = (min(one, other), max(one, other))
        return next(pair for pair in self.decisions.pairs if (pair.first, pair.second) == ends)

    def silence(self, pair: PairDecision) -> str:
        """Return why nothing more is claimed of a pair: one of the two cannot be the best; empty where more is.

        Its interval may exclude zero: shown beside an answer that decides nothing, it would say more than the answer.

        Args:
            pair: The pair.
        """
        ruled_out = frozenset() if self.decisions is None else self.decisions.ruled_out
        rows = self.in_order({pair.first, pair.second} & ruled_out)
        if pair.claim != "open" or not rows:
            return ""
        return f"not decided: {' and '.join(self.labels[row] for row in rows)} cannot be the best"

    def pair_scores(self, one: int, other: int) -> tuple[Floats, Floats, tuple[int, ...]]:
        """Return the scores of two entries at the look that decided on them, and its units.

        Of an open pair: at the last look in which both took part.

        Args:
            one: Index of the first.
            other: Index of the second.
        """
        wanted = self.pair_of(one, other).n_seeds
        at = {look.n_seeds: scores for look, scores in zip(self.looks, self.at_looks, strict=False)}
        found = at.get(wanted, self.at_looks[-1])
        return found.tests[one], found.tests[other], found.units


def decide_outcome(experiment: ComparedExperiment, *, margin: float | None = None) -> Outcome:
    """Compare the entries over the seeds that they share.

    All pairs are tested at the looks of the plan that the studies recorded. Without one, or with one of a single look,
    there is one look, at the seeds that all entries share.

    The candidate is the entry with the best mean validation objective over the confirmations of its configuration in
    the last look, not the one with the best single trial. The best score of a search is the luckiest of many: it finds
    the best of eight optimizers in 61 % of simulated comparisons, the mean over confirmations in 84 %. The choice does
    not use the test split. Without one, it uses the compared scores, and the verdict holds for that choice too. Of
    entries with equal means, the first by name is the candidate.

    Single scores are rounded to the metric's resolution before anything is compared.

    With three shared study seeds or more, a unit is a study: the mean over its confirmations. The intervals then
    include the luck of the search. With fewer, a unit is a confirmation seed, averaged over the studies where there
    are two, and the verdict holds for these tuned configurations.

    Args:
        experiment: The experiment.
        margin: The difference that matters. None (the default): the recorded one.
    """
    metric = experiment.metric
    left_out = {entry.label: reason for entry in experiment.entries if (reason := _reason(entry, metric))}
    entries = [entry for entry in experiment.entries if entry.label not in left_out]
    labels = tuple(entry.label for entry in entries)
    shared = SharedScores(entries, metric)
    plan, at_looks = _looks(entries, shared)
    margin = margin_of(experiment) if margin is None else margin
    decided: DecidedPairs | None = None
    candidates: tuple[int, ...] = (0,)
    due: dict[str, int] = {}
    if len(entries) > 1 and shared.at().units:
        absent = without_further_seeds(entries, plan)
        decided, candidates = _decide(plan, at_looks, metric, margin, labels=labels, absent=absent)
        names = [[study.record.name for study in entry.studies] for entry in entries]
        due = {name: plan[decided.n_looks_made].n_seeds for index in decided.due for name in names[index]}
    at_looks = at_looks[: len(candidates)] if at_looks and at_looks[0].units else ()
    outcome = Outcome(
        labels=labels,
        scores=at_looks[-1].tests if at_looks else np.empty((len(entries), 0)),
        validation=_validation(at_looks) if at_looks else np.empty(0),
        unit=shared.unit,
        units=at_looks[-1].units if at_looks else (),
        left_out=left_out,
        verdict=None,
        behind=None,
        decisions=decided,
        looks=plan,
        margin=margin,
        due=due,
        at_looks=at_looks,
        sign=metric.sign,
    )
    if not at_looks:
        return outcome
    outcome = replace(outcome, verdict=_verdict(outcome, candidates[-1], range(len(labels)), metric))
    assert outcome.verdict is not None
    return replace(outcome, behind=_behind(outcome, metric)) if outcome.verdict.winner else outcome


def _looks(entries: Sequence[Entry], shared: SharedScores) -> tuple[tuple[Look, ...], tuple[ScoresAtLook, ...]]:
    """Return the looks of a comparison, and the scores at each."""
    plan = common_plan(entries) if len(entries) > 1 else ()
    if plan:
        return plan, tuple(shared.at(look.n_seeds) for look in plan)
    scores = shared.at()
    # The repetitions that all share may have gaps; their number is what was planned, or what is left of it.
    n_seeds = len(scores.units) if shared.unit == "seed" else max(int(scores.n_runs.min(initial=1)), 1)
    return (Look(n_seeds=max(n_seeds, 1), level=ERROR),), (scores,)


def _reason(entry: Entry, metric: ObjectiveMetric) -> str | None:
    """Return why an entry cannot be compared; None where it can."""
    if any(study.confirmed_beyond for study in entry.studies):
        return "its confirmed configuration was found beyond the trials that all searches have"
    if not entry.complete:
        return "it has not ended"
    if not all(study.tuned for study in entry.studies):
        return _without_confirmations(entry)
    if any(np.isinf(metric.confirmed_score(run) or 0.0) for run in entry.tuned):
        return f"it diverged on a confirmation seed, so that its mean {metric.spoken} is infinite"
    return None


def _without_confirmations(entry: Entry) -> str:
    """Say why an entry has none: a search without a completed trial leaves nothing to confirm."""
    for study in entry.studies:
        if study.trials and study.ranges and study.best is None:
            diverged = sum(run.state == "diverged" for run in study.trials)
            # The entry was named as it is labelled: another spelling here would look like another study.
            n = len(study.trials)
            none = "its only trial did not complete" if n == 1 else f"none of its {n} trials completed"
            if len(entry.studies) > 1:
                none = f"none of the {n} trials of {study.record.name} completed"
            return f"it has no confirmations, since {none} ({diverged} diverged)"
    return "it has no confirmations"


def _decide(
    plan: Sequence[Look],
    at_looks: Sequence[ScoresAtLook],
    metric: ObjectiveMetric,
    margin: float | None,
    *,
    labels: Sequence[str],
    absent: Collection[int],
) -> tuple[DecidedPairs, tuple[int, ...]]:
    """Return the decisions, and the candidate of each look that was made.

    A look's candidate is the best on validation of the entries that were not ruled out before.
    """
    nothing = np.zeros(len(at_looks[0].present), bool)
    looks = [
        replace(scores, present=nothing, tests=np.full_like(scores.tests, np.nan)).of_look(
            look, sign=metric.sign, candidate=None
        )
        for look, scores in zip(plan, at_looks, strict=True)
    ]
    widest = metric.bounds[1] - metric.bounds[0]
    candidates: list[int] = []
    ruled_out: frozenset[int] = frozenset()
    decided = decide_looks(looks, margin=margin, bounds_width=widest, absent=absent)
    for index, (look, scores) in enumerate(zip(plan, at_looks, strict=True)):
        if not scores.units:
            break
        able = scores.present & ~np.isin(np.arange(len(nothing)), list(ruled_out))
        ranked = _in_choice_order(map(int, np.flatnonzero(able)), labels, _means(scores), sign=metric.sign)
        candidate = ranked[0] if ranked else None
        looks[index] = scores.of_look(look, sign=metric.sign, candidate=candidate)
        decided = decide_looks(looks, margin=margin, bounds_width=widest, absent=absent)
        if decided.n_looks_made <= index:
            break
        candidates.append(candidate if candidate is not None else 0)
        ruled_out = decided.ruled_out
    return decided, tuple(candidates)


def _means(scores: ScoresAtLook) -> Floats:
    """Return the mean validation objective of each entry at a look; NaN for one that is not present."""
    return np.asarray(scores.validations.mean(axis=1))


def _in_choice_order(rows: Iterable[int], labels: Sequence[str], means: Floats, *, sign: float) -> list[int]:
    """Return entries by the protocol's choice, the best first."""
    return sorted(rows, key=lambda row: choice_key(labels[row], confirmed=float(means[row]), searched=None, sign=sign))


def _validation(at_looks: Sequence[ScoresAtLook]) -> Floats:
    """Return the mean validation objective of each entry at its last look."""
    found = _means(at_looks[0])
    for scores in at_looks[1:]:
        found = np.where(scores.present, _means(scores), found)
    return found


def _verdict(outcome: Outcome, candidate: int, rows: Sequence[int], metric: ObjectiveMetric) -> Verdict:
    """Return the verdict on a candidate against other entries, from the decisions on their pairs."""
    others = [row for row in rows if row != candidate]
    pairs = {other: outcome.pair_of(candidate, other) for other in others}
    ours = {other: "first" if candidate < other else "second" for other in others}
    differences = tuple(_difference(outcome, candidate, other, metric) for other in others)
    better = [
        other for other, pair in pairs.items() if pair.claim in ("first", "second") and pair.claim != ours[other]
    ]
    tied = [other for other, pair in pairs.items() if pair.claim in ("equal", "open")]
    place = {row: index for index, row in enumerate(rows)}
    return Verdict(
        candidate=place[candidate],
        differences=tuple(replace(each, other=place[each.other]) for each in differences),
        winner=bool(others) and not better and not tied,
        tied=tuple(place[other] for other in tied),
        better=tuple(place[other] for other in better),
        level=1.0 - outcome.error,
        n_seeds=len(outcome.units),
    )


def _difference(outcome: Outcome, candidate: int, other: int, metric: ObjectiveMetric) -> CandidateDifference:
    pair = outcome.pair_of(candidate, other)
    ahead = 1.0 if candidate < other else -1.0
    low, high = sorted((ahead * pair.low, ahead * pair.high)) if pair.low <= pair.high else (pair.low, pair.high)
    mine, theirs, _ = outcome.pair_scores(candidate, other)
    superior = probability_of_superiority(mine, theirs, direction=metric.direction, paired=True)
    return CandidateDifference(
        other=other,
        mean=ahead * pair.mean,
        # Without the sign of a zero, which is an end that is open.
        low_holm=low + 0.0,
        high_holm=high + 0.0,
        p_holm=pair.p if pair.n_units >= MIN_SEEDS else math.nan,
        p_superior=superior.estimate,
    )


def _behind(outcome: Outcome, metric: ObjectiveMetric) -> tuple[tuple[str, ...], Verdict] | None:
    """Compare the entries behind the winner with the best of them on validation."""
    assert outcome.verdict is not None
    rows = [row for row in range(len(outcome.labels)) if row != outcome.verdict.candidate]
    if len(rows) < 2:
        return None
    candidate = outcome.in_order(rows)[0]
    return tuple(outcome.labels[row] for row in rows), _verdict(outcome, candidate, rows, metric)
