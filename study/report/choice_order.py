"""The order of the studies of an experiment, the same everywhere: by the protocol's choice, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from study.report.objective_metric import ObjectiveMetric
from study.statistics.resolution import comparable_means

T = TypeVar("T")


def choice_key(name: str, *, confirmed: float | None, searched: float | None, sign: float) -> tuple[int, float, str]:
    """Return the key by which a study is sorted: the protocol's choice first.

    A study with confirmations comes before one without. Among those with, the mean validation objective over the
    confirmations of its configuration decides; among those without, the best validation objective of the
    search. A study without any result comes last. Test results play no part.

    Means of the same scores, added up in another order, differ in their last digits, so all of them are rounded here
    to 12 significant digits (`resolution.comparable_means`): equal results are sorted by name. Whatever names the
    best study takes the first by this key: lists, pages, the answer and its candidate.

    Args:
        name: The study's name.
        confirmed: Mean validation objective over its confirmations; None without confirmations.
        searched: Best validation objective of its search; None without a completed trial.
        sign: 1 where larger is better, else -1.

    Example:
        >>> sorted(["b", "a"], key=lambda name: choice_key(name, confirmed=0.9, searched=None, sign=1.0))
        ['a', 'b']
        >>> means = {"b": (0.1 + 0.2) / 2, "a": 0.15}  # 0.15000000000000002 and 0.15
        >>> sorted(means, key=lambda name: choice_key(name, confirmed=means[name], searched=None, sign=1.0))
        ['a', 'b']
    """
    for place, value in enumerate((confirmed, searched)):
        if value is not None and not math.isnan(value):
            return place, -sign * float(comparable_means(value)), name
    return 2, 0.0, name


def in_order(labels: Iterable[str], of: Iterable[T], *, wanted: Iterable[str]) -> dict[str, T]:
    """Return things by label, in a wanted order of the labels.

    Args:
        labels: The label of each thing.
        of: The things.
        wanted: All labels, in the order wanted; one without a thing is left out.
    """
    found = dict(zip(labels, of, strict=True))
    return {label: found[label] for label in wanted if label in found}


def order_rule(metric: ObjectiveMetric) -> str:
    """Return the rule of the order in a sentence, for the page and the tables.

    Args:
        metric: The metric compared.
    """
    best = "highest" if metric.direction == "maximize" else "lowest"
    apart = " The test split plays no part in it." if metric.confirmed_on == "test" else ""
    return (
        f"The order in all tables and figures is the protocol's choice: the {best} mean validation {metric.spoken} "
        f"over the confirmations of a configuration comes first.{apart}"
    )
