"""The sentence on the entries behind a winner: the best of them, or those that do not differ significantly."""

from __future__ import annotations

from collections.abc import Sequence

from study.report.decision_text import all_diverged, lead_text
from study.report.marked_text import listed, marked_name
from study.report.objective_metric import ObjectiveMetric
from study.report.pairing import Outcome
from study.statistics.winner import Verdict


def behind_sentence(metric: ObjectiveMetric, outcome: Outcome) -> str:
    """Return what was decided about the entries behind the winner; marked, or empty if nothing short can be said.

    Args:
        metric: The metric.
        outcome: The comparison.
    """
    if outcome.behind is None:
        return ""
    labels, behind = outcome.behind
    if behind.winner:
        rest = listed(_named(outcome, [labels[each.other] for each in behind.differences]))
        return f"Behind it, {marked_name(labels[behind.candidate])} is better than {rest}."
    if not behind.tied or not _is_of_last_look(outcome, behind, labels):
        return ""
    return _tied(metric, outcome, [labels[behind.candidate], *(labels[index] for index in behind.tied)])


def _tied(metric: ObjectiveMetric, outcome: Outcome, tied: Sequence[str]) -> str:
    """Return that the best of the rest on validation, the first given, and others do not differ significantly.

    A difference from an entry all of whose runs diverged is large, and open only since they are few.
    """
    named = _named(outcome, tied)
    gone = [label for label in named if all_diverged(outcome, outcome.labels.index(label))]
    left = [label for label in named if label not in gone]
    if not left:
        return f"Behind it, all runs of {listed(gone)} diverged."
    if not gone:
        return f"Behind it, {listed(left)} show no significant difference{_closest(metric, outcome)}."
    alike = f"{listed(left)} show no significant difference, and " if len(left) > 1 else ""
    apart = f"is not shown to be better than {listed(gone)}, all of whose runs diverged"
    return f"Behind it, {alike}{marked_name(left[0])} {apart}."


def _named(outcome: Outcome, labels: Sequence[str]) -> list[str]:
    """Return labels in the order of the page."""
    return [outcome.labels[row] for row in outcome.in_order(map(outcome.labels.index, labels))]


def _is_of_last_look(outcome: Outcome, behind: Verdict, labels: Sequence[str]) -> bool:
    """Return whether those that do not differ behind the winner were tested at the last look, and not left before."""
    rows = [outcome.labels.index(labels[index]) for index in (behind.candidate, *behind.tied)]
    last = max(pair.n_seeds for pair in outcome.decisions.pairs) if outcome.decisions is not None else 0
    return all(outcome.pair_of(rows[0], row).n_seeds == last for row in rows[1:])


def _closest(metric: ObjectiveMetric, outcome: Outcome) -> str:
    """Return the difference behind the winner that is not significant, with its interval; empty unless it is one."""
    if outcome.behind is None or len(outcome.behind[1].tied) != 1:
        return ""
    labels, behind = outcome.behind
    rows = [outcome.labels.index(labels[index]) for index in (behind.candidate, behind.tied[0])]
    return f": {lead_text(metric, outcome, outcome.pair_of(*rows))}"
