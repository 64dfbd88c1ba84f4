"""Choose the examples of each split by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault

Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Indices of the examples of each split; `test` is None without a test split, and `test_text` describes it."""

    train: Indices
    validation: Indices
    test: Indices | None
    test_text: str


def divide(
    n: int, *, validation: Any, test: Any, seed: int, labels: Any = None, groups: Any = None, times: Any = None
) -> Partition:
    """Divide examples by the rules of the validation and the test split.

    Args:
        n: Number of examples.
        validation: Rule of the validation split, for the examples that are left.
        test: Rule of the test split.
        seed: Seed of random draws.
        labels: Class of each example, shape (n,).
        groups: Group of each example, shape (n,).
        times: Time of each example, shape (n,).
    """
    rest = np.arange(n)
    found: dict[str, Indices | None] = {}
    for number, (key, rule) in enumerate({"test": test, "validation": validation}.items()):
        if rule == "none" and key == "test":
            found[key] = None
            continue
        by = rule.get("by", "random") if isinstance(rule, Mapping) else "first" if isinstance(rule, int) else "random"
        size = rule.get("share", rule.get("n")) if isinstance(rule, Mapping) else rule
        if not isinstance(size, int | float) or size <= 0:
            raise ConfigError([Fault(key=f"dataset.{key}", value=rule, allowed="a rule", advice="Correct it.")])
        k = size if isinstance(size, int) else max(1, round(size * len(rest)))
        of = rule.get("of") if isinstance(rule, Mapping) else None
        generator = np.random.default_rng([seed, number])
        order = generator.permutation(len(rest))
        if by in ("last", "time"):
            values = np.arange(n) if of is None else (times if of is None else of)
            order = np.argsort(values[rest], kind="stable")[::-1]
        elif by == "first":
            order = np.arange(len(rest))
        elif by == "group":
            values = (groups if of is None else of)[rest]
            held = generator.permutation(np.unique(values))[: max(1, round(size * len(np.unique(values))))]
            order = np.argsort(~np.isin(values, held), kind="stable")
            k = int(np.isin(values, held).sum())
        elif by == "stratified":
            rank = np.empty(len(rest))
            for label in np.unique(labels[rest]):
                places = np.flatnonzero(labels[rest] == label)
                rank[generator.permutation(places)] = np.arange(len(places)) / len(places)
            order = np.argsort(rank, kind="stable")
        found[key] = np.sort(rest[order[:k]])
        rest = np.sort(rest[order[k:]])
    return Partition(train=rest, validation=found["validation"], test=found["test"], test_text="")  # type: ignore[arg-type]
