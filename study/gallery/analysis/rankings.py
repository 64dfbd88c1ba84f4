"""Tables and sentences of many pages: rankings of optimizers at a shared setting and tuned."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from study.gallery import Material, Table
from study.gallery.analysis.run_scores import Seed, confirmed_text, interval_text, score_step, scores_of
from study.report.confirmed import confirmed, divergence_text
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry
from study.statistics.holm import holm_two_sided, t_ratio
from study.statistics.intervals import MIN_SEEDS, Interval, paired_difference
from study.statistics.resolution import comparable_means

_LEVEL = 0.05
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
        told_apart: Pairs with a significant difference, the better one first. Holm's correction is over all pairs.
    """

    setting: str
    names: tuple[str, ...]
    intervals: Mapping[str, Interval | None]
    divergence: Mapping[str, str]
    told_apart: frozenset[tuple[str, str]]

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
        told_apart=_told_apart(names, scores, metric),
    )


def rankings_table(
    rankings: Sequence[Ranking], entries: Mapping[str, Mapping[str, Entry]], metric: ObjectiveMetric
) -> Table:
    """Return rankings side by side: place, mean, interval and learning rate of each optimizer.

    Args:
        rankings: One for each setting. Rows are in the order of the last one.
        entries: The entries, by setting and by optimizer.
        metric: The compared metric.
    """
    header = ["optimizer"]
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


def verdict(before: Ranking, after: Ranking) -> str:
    """Return the verdict on the claim that a ranking stays the same once each optimizer is tuned.

    Args:
        before: The ranking at a shared setting.
        after: The ranking of the tuned optimizers.
    """
    shared = [name for name in before.names if name in after.names]
    turned = [(a, b) for a, b in combinations(shared, 2) if after.place(a) > after.place(b)]
    sure = _sure(turned, before, after)
    said = f"under {before.setting} and under {after.setting}"
    if sure:
        n = "one pair" if len(sure) == 1 else f"{len(sure)} pairs"
        return (
            "Contradicted: the ranking changes once each optimizer is tuned. Significant differences "
            f"{said}, in opposite directions: {n}."
        )
    if turned:
        return f"Not decided: pairs change their order, but none with a significant difference both {said}."
    return f"Confirmed: the ranking is the same {said}, for all {len(shared)} optimizers."


def changes(before: Ranking, after: Ranking, metric: ObjectiveMetric) -> tuple[str, ...]:
    """Return sentences on the changes by another setting: the best, Kendall's tau, losses, pairs in a new order.

    Args:
        before: The ranking under the first setting.
        after: The ranking under the second setting.
        metric: The compared metric.
    """
    shared = [name for name in before.names if name in after.names]
    pairs = list(combinations(shared, 2))
    turned = [(a, b) for a, b in pairs if after.place(a) > after.place(b)]
    sentences = [
        f"Under {before.setting} the best is {_best(before)}, under {after.setting} it is {_best(after)}. "
        + (
            f"Of {len(pairs)} pairs, {len(turned)} change their order (Kendall's tau "
            f"{1 - 2 * len(turned) / len(pairs):.2f})."
            if pairs
            else ""
        )
    ]
    if worse := _worse(before, after, metric):
        sentences.append(f"Worse mean under {after.setting} than under {before.setting}: {worse}.")
    sure = _sure(turned, before, after)
    if sure:
        listed = ", ".join(f"{a} before {b}" for a, b in sure[:_MOST_PAIRS])
        rest = f", and {len(sure) - _MOST_PAIRS} more" if len(sure) > _MOST_PAIRS else ""
        sentences.append(f"Significant differences under both, with the opposite order afterwards: {listed}{rest}.")
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


def _sure(turned: Sequence[tuple[str, str]], before: Ranking, after: Ranking) -> list[tuple[str, str]]:
    """Return the pairs in a new order that differ significantly both before and after."""
    return [(a, b) for a, b in turned if (a, b) in before.told_apart and (b, a) in after.told_apart]


def _best(ranked: Ranking) -> str:
    """Return the first optimizer, and the second if the difference is not significant."""
    first, *others = ranked.names
    if not others or None in (ranked.intervals[first], ranked.intervals[others[0]]):
        return first
    return (
        first if (first, others[0]) in ranked.told_apart else f"{first} (no significant difference from {others[0]})"
    )


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


def _told_apart(
    names: Sequence[str], scores: Mapping[str, Mapping[Seed, float]], metric: ObjectiveMetric
) -> frozenset[tuple[str, str]]:
    pairs, ratios, sizes = [], [], []
    for a, b in combinations(names, 2):
        shared = sorted(set(scores[a]) & set(scores[b]))
        first, second = (np.array([scores[name][key] for key in shared]) for name in (a, b))
        if len(shared) < MIN_SEEDS or not (_finite(first) and _finite(second)):
            continue
        difference = paired_difference(first, second, step=score_step([*first, *second], metric))
        pairs.append((a, b))
        ratios.append(float(t_ratio([metric.sign * difference.mean], [difference.standard_error])[0]))
        sizes.append(len(shared))
    if not pairs:
        return frozenset()
    adjusted = holm_two_sided(ratios, n_seeds=min(sizes))
    return frozenset(
        (a, b) if ratio > 0 else (b, a)
        for (a, b), ratio, p in zip(pairs, ratios, adjusted, strict=True)
        if p <= _LEVEL and ratio != 0
    )


def _finite(values: NDArray[np.float64]) -> bool:
    return bool(np.all(np.isfinite(values)))
