"""Tables and sentences of many pages: rankings of optimizers at a shared setting and tuned."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from study.gallery import Material, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous
from study.gallery.analysis.run_scores import Seed, confirmed_text, interval_text, listed, scores_of
from study.gallery.analysis.verdicts import ClaimVerdict, is_positive
from study.report.confirmed import confirmed, divergence_text
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry
from study.statistics.intervals import Interval
from study.statistics.resolution import comparable_means

# Largest number of pairs that a sentence names.
_MOST_PAIRS = 5


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Optimizers under one setting, the best first.

    Attributes:
        setting: Name of the setting.
        names: Names of the optimizers by mean test score, best first; those that diverged come last.
        intervals: Mean over the seeds that did not diverge with its 95 % t interval, by optimizer; None if the mean
            over all seeds is not finite.
        divergence: Divergence of each optimizer's seeds, as text; empty without any.
        differences: Mean score of a pair's first optimizer minus that of its second, positive if the first is better,
            for each pair that can be compared, in both orders. Holm's correction is over all pairs.
    """

    setting: str
    names: tuple[str, ...]
    intervals: Mapping[str, Interval | None]
    divergence: Mapping[str, str]
    differences: Mapping[tuple[str, str], CorrectedDifference]

    @property
    def told_apart(self) -> frozenset[tuple[str, str]]:
        """Pairs with a significant difference, the better first."""
        return frozenset(pair for pair, each in self.differences.items() if is_positive(each))

    def place(self, name: str) -> int:
        """Return an optimizer's place, from 1.

        Args:
            name: Name of the optimizer.
        """
        return self.names.index(name) + 1


def by_setting(material: Material) -> dict[str, dict[str, Entry]]:
    """Return the entries by setting and by optimizer, in the order of their labels; `""` means no setting.

    Args:
        material: The data of the page.
    """
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in material.experiment.entries:
        setting = material.configs[entry.studies[0].record.name].get("setting") or ""
        found[str(setting)][entry.optimizer] = entry
    return dict(found)


def by_study(material: Material) -> dict[str, Entry]:
    """Return the entry of each study, by the study's name.

    Args:
        material: The data of the page.
    """
    return {study.record.name: entry for entry in material.experiment.entries for study in entry.studies}


def ranking(setting: str, entries: Mapping[str, Entry], metric: ObjectiveMetric) -> Ranking:
    """Rank optimizers by their mean test score over the confirmations of their best, or fixed, configuration.

    Args:
        setting: Name of the setting.
        entries: The entries of the setting, by optimizer.
        metric: The compared metric.
    """
    scores = {name: scores_of(entry.tuned, metric) for name, entry in entries.items()}
    found = {name: confirmed(entry.tuned, metric) for name, entry in entries.items()}
    means = {name: float(np.mean(list(values.values()))) if values else math.nan for name, values in scores.items()}
    intervals = {
        name: each.others if each is not None and math.isfinite(means[name]) else None for name, each in found.items()
    }

    def key(name: str) -> tuple[bool, float, str]:
        is_finite = math.isfinite(means[name])
        return (not is_finite, -metric.sign * float(comparable_means(means[name])) if is_finite else 0.0, name)

    names = tuple(sorted(entries, key=key))
    return Ranking(
        setting=setting,
        names=names,
        intervals=intervals,
        divergence={name: divergence_text(each) for name, each in found.items()},
        differences=_differences(names, scores, metric),
    )


def rankings_table(
    rankings: Sequence[Ranking],
    entries: Mapping[str, Mapping[str, Entry]],
    metric: ObjectiveMetric,
    *,
    rows_are: str = "optimizer",
) -> Table:
    """Return rankings side by side: place, mean, interval and learning rate of each optimizer.

    Args:
        rankings: One for each setting. Rows are in the order of the last one.
        entries: The entries, by setting and by optimizer.
        metric: The compared metric.
        rows_are: The first column's heading. Default `optimizer`.
    """
    header = [rows_are]
    for each in rankings:
        header += [f"{each.setting}: place", f"test {metric.spoken} [95 % interval]", "rate"]
    rows = []
    for name in rankings[-1].names:
        row = [name]
        for each in rankings:
            if name not in each.names:
                row += ["", "", ""]
                continue
            apart = each.divergence.get(name)
            score = confirmed_text(entries[each.setting][name].tuned, metric) if apart else None
            row += [str(each.place(name)), score or interval_text(each.intervals[name], metric)]
            row.append(rate_text(entries[each.setting][name]))
        rows.append(tuple(row))
    settings = " and ".join(each.setting for each in rankings)
    caption = f"Places by mean test {metric.spoken}: {settings}. Intervals are over seeds, for each optimizer alone."
    return Table(caption=caption, header=tuple(header), rows=tuple(rows))


def verdict(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> str:
    """Return the verdict on the claim that a ranking stays the same once each optimizer is tuned.

    A pair with significant differences in opposite directions contradicts the claim, unless one of the two ended worse
    tuned than before: then its search fell short, and the pair says nothing about tuned optimizers. The claim is held
    if each pair differs significantly, in the same direction under both settings.

    Args:
        before: The ranking at a shared setting.
        after: The ranking of the tuned optimizers.
        metric: The compared metric.
    """
    pairs = _shared(before, after)[1]
    both = [pair for pair in pairs if pair in before.differences and pair in after.differences]
    turned = [(a, b) for a, b in pairs if after.place(a) > after.place(b)]
    reversed_pairs = _sure(both, before, after)
    fallen = _fallen(reversed_pairs, before, after, metric)
    sure = [pair for pair in reversed_pairs if not set(pair) & set(fallen)]
    kept = [pair for pair in both if pair in before.told_apart and pair in after.told_apart]
    said = f"under {before.setting} and under {after.setting}"
    if sure:
        return (
            f"{ClaimVerdict.CONTRADICTED}: once each optimizer is tuned, {len(sure)} of {len(pairs)} pairs "
            f"{'has' if len(sure) == 1 else 'have'} the opposite order. Significant differences "
            f"{said}, in opposite directions: {_sure_text(sure, before, after, metric)}."
        )
    if not both:
        return f"{ClaimVerdict.INCONCLUSIVE}: no pair has three shared seeds with finite scores {said}."
    moved = f"{len(turned)} of {len(pairs)} pairs change their order by their means"
    if len(kept) == len(pairs):
        each = f"all {len(pairs)} pairs with significant differences"
        return (
            f"{ClaimVerdict.HELD}: the ranking is the same {said}, {each} (paired t intervals, Holm over all pairs)."
        )
    turned_text = f", none with a significant difference both {said}"
    if reversed_pairs:
        turned_text = (
            f", {len(reversed_pairs)} with significant differences in opposite directions "
            f"({_sure_text(reversed_pairs, before, after, metric)}). But {listed(list(fallen))} did worse under "
            f"{after.setting} than under {before.setting}: so short a search decides nothing about its pairs"
        )
    return (
        f"{ClaimVerdict.NOT_SHOWN}: {moved}{turned_text}; {len(kept)} of {len(pairs)} keep theirs with significant "
        "differences under both (paired t intervals, Holm over all pairs)."
    )


def ranking_in_short(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> str:
    """Return the verdict as a headline: the pairs that tuning reverses, their losses, and the best under both.

    Args:
        before: The ranking at a shared setting.
        after: The ranking of the tuned optimizers.
        metric: The compared metric.
    """
    pairs = _shared(before, after)[1]
    sure = _sure(pairs, before, after)
    shown = f" ({_versus(sure[0])})" if len(sure) == 1 else ""
    counted = len(sure) or "none"
    told = f"Tuning each optimizer significantly reverses {counted} of {len(pairs)} pairs{shown}"
    lost = _fallen(sure, before, after, metric)
    if lost:
        each = (f"{name} itself lost {metric.change(by, signed=False)} by tuning" for name, by in lost.items())
        told += f"; {listed(list(each))}"
    first, then = before.names[0], after.names[0]
    best = f"{first} has the best mean under both" if first == then else f"The best mean goes from {first} to {then}"
    return f"{told}. {best[0].upper()}{best[1:]}."


def _shared(before: Ranking, after: Ranking) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the names that two rankings share, and their pairs."""
    names = [name for name in before.names if name in after.names]
    return names, list(combinations(names, 2))


def _versus(pair: tuple[str, str]) -> str:
    return f"{pair[0]} against {pair[1]}"


def changes(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> tuple[str, ...]:
    """Return sentences on the changes by another setting: the best, Kendall's tau, losses, pairs in a new order.

    Args:
        before: The ranking under the first setting.
        after: The ranking under the second setting.
        metric: The compared metric.
    """
    shared, pairs = _shared(before, after)
    turned = [(a, b) for a, b in pairs if after.place(a) > after.place(b)]
    counted = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    sentences = [
        f"By its mean, the best under {before.setting} is {_best(before)}, under {after.setting} it is "
        f"{_best(after)}. "
        + (
            f"Of {counted}, {len(turned)} change their order by their means (Kendall's tau "
            f"{1 - 2 * len(turned) / len(pairs):.2f})."
            if pairs
            else ""
        )
    ]
    if worse := _worse(before, after, metric):
        sentences.append(f"Worse mean under {after.setting} than under {before.setting}, not tested: {worse}.")
    if sure := _sure(pairs, before, after):
        sentences.append(
            "Significant differences under both, with the opposite order afterwards: "
            f"{_sure_text(sure, before, after, metric)}."
        )
    counts = [
        f"{len([pair for pair in each.told_apart if set(pair) <= set(shared)])} under {each.setting}"
        for each in (before, after)
    ]
    sentences.append(
        "Pairs with a significant difference (paired t tests over shared seeds, Holm over all pairs): "
        f"{' and '.join(counts)}."
    )
    return tuple(sentences)


def rate_text(entry: Entry) -> str:
    """Return the learning rate of an entry's confirmations as text; all different rates if it has several studies.

    Args:
        entry: The entry.
    """
    rates = [study.tuned[0].params.get("learning_rate", "default") for study in entry.studies if study.tuned]
    return ", ".join(dict.fromkeys(_short(rate) for rate in rates))


def _sure(pairs: Sequence[tuple[str, str]], before: Ranking, after: Ranking) -> list[tuple[str, str]]:
    """Return the pairs that differ significantly under both in opposite directions, the one better before first.

    Args:
        pairs: Pairs in the order of the ranking before.
        before: The one ranking.
        after: The other.
    """
    return [(a, b) for a, b in pairs if (a, b) in before.told_apart and (b, a) in after.told_apart]


def _fallen(
    pairs: Sequence[tuple[str, str]], before: Ranking, after: Ranking, metric: ObjectiveMetric
) -> dict[str, float]:
    """Return the optimizers of pairs whose mean is worse after than before, with what they lost."""
    lost = {}
    for name in before.names:
        was, now = before.intervals[name], after.intervals.get(name)
        if was is None or now is None or not any(name in pair for pair in pairs):
            continue
        if metric.sign * (now.estimate - was.estimate) < 0:
            lost[name] = abs(now.estimate - was.estimate)
    return lost


def _sure_text(sure: Sequence[tuple[str, str]], before: Ranking, after: Ranking, metric: ObjectiveMetric) -> str:
    """Return pairs with the intervals that decide, at most `_MOST_PAIRS` of them."""
    told = [
        f"{a} minus {b} " + " and ".join(_difference_text(each, (a, b), metric) for each in (before, after))
        for a, b in sure[:_MOST_PAIRS]
    ]
    rest = f"; and {len(sure) - _MOST_PAIRS} more" if len(sure) > _MOST_PAIRS else ""
    return f"{'; '.join(told)}{rest}"


def _difference_text(ranked: Ranking, pair: tuple[str, str], metric: ObjectiveMetric) -> str:
    """Return a difference as the metric counts it, with its interval."""
    each = ranked.differences[pair]
    low, high = (each.low, each.high) if metric.sign > 0 else (-each.high + 0.0, -each.low + 0.0)
    return f"{metric.change(metric.sign * each.mean)} [{metric.change_span(low, high)}] under {ranked.setting}"


def _best(ranked: Ranking) -> str:
    """Return the first optimizer, and those from which it does not differ significantly."""
    first, *others = ranked.names
    alike = [name for name in others if (first, name) in ranked.differences and (first, name) not in ranked.told_apart]
    unknown = [name for name in others if (first, name) not in ranked.differences]
    if others and len(unknown) == len(others):
        return f"{first} (compared with none)"
    shown = listed(alike[:_MOST_PAIRS]) if len(alike) <= _MOST_PAIRS else f"{len(alike)} others"
    return f"{first} (no significant difference from {shown})" if alike else first


def _worse(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> str:
    """Return the optimizers with a worse mean under the second setting, with the differences; empty without any."""
    told = []
    for name in before.names:
        was, now = before.intervals[name], after.intervals.get(name)
        if was is None or name not in after.names:
            continue
        if now is None:
            told.append(f"{name} (diverged)")
        elif metric.sign * (now.estimate - was.estimate) < 0:
            told.append(f"{name} ({metric.change(now.estimate - was.estimate)})")
    return ", ".join(told)


def _short(text: str) -> str:
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text


def _differences(
    names: Sequence[str], scores: Mapping[str, Mapping[Seed, float]], metric: ObjectiveMetric
) -> dict[tuple[str, str], CorrectedDifference]:
    pairs = list(combinations(names, 2))
    oriented = {name: {seed: metric.sign * score for seed, score in own.items()} for name, own in scores.items()}
    apart = simultaneous([(oriented[a], oriented[b]) for a, b in pairs], metric=metric)
    found = {}
    for (a, b), each in zip(pairs, apart, strict=True):
        if each is not None:
            found[a, b] = each
            found[b, a] = CorrectedDifference(mean=-each.mean, low=-each.high + 0.0, high=-each.low + 0.0)
    return found
