"""Hold examples out of a training split for validation and test.

A rule is a share of all examples such as 0.1 (drawn at random), a number of examples such as 500 (the first ones), or
a mapping of `share` or `n` with `by`:

- `random`: drawn by the seed of the split;
- `first`, `last`: the first or the last examples as they are stored;
- `stratified`: drawn so that each class has its share;
- `group`: whole groups are drawn, so that no group is in two splits; `share` is then a share of the groups;
- `time`: the latest examples; examples of one time stay together.

`group` and `time` need one value for each example. `load()` gives it as `of`, such as
`{"share": 0.2, "by": "group", "of": patients}`; in the config of a table, `column` names the column.

The test split is drawn by a seed of its own, so that it is the same under every `split_seed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.core.trees import mapped
from study.datasets import Split

# The test split of a data set that says nothing about it.
_TEST_SHARE, _TEST_SEED = 0.2, 0
WAYS = ("random", "first", "last", "stratified", "group", "time")
NO_TEST = "none"
# A split that is not held out, since it has data of its own.
GIVEN = "given"
_ALLOWED = f"a share between 0 and 1, a number of examples, or {{share or n, by: {' | '.join(WAYS)}}}"
_ADVICE = "Write 0.1 for a random tenth, 500 for the first 500 examples, or {share: 0.1, by: stratified}."

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Division:
    """Indices of the examples of three splits, each in ascending order.

    Attributes:
        train: Those that are left for training.
        validation: Those of the validation split; None: it has data of its own.
        test: Those of the test split, empty for `none`; None: it has data of its own.
        remarks: Sentences on a test split that was held out.
    """

    train: Indices
    validation: Indices | None
    test: Indices | None
    remarks: tuple[str, ...] = ()


def is_rule(value: Any) -> bool:
    """Return whether a value stands for examples that are held out, and is no split.

    Args:
        value: The value.
    """
    return value is None or isinstance(value, bool | int | float | str | Mapping | np.number)


def divide(
    n: int,
    *,
    validation: Any,
    test: Any = None,
    seed: int,
    labels: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    times: NDArray[Any] | None = None,
) -> Division:
    """Choose the examples of the three splits.

    Args:
        n: Number of examples.
        validation: The rule for the validation split; `GIVEN`: none is held out.
        test: The rule for the test split; `none`: there is no test split; `GIVEN`: none is held out. None (the
            default): a fifth, stratified if there are classes of several examples.
        seed: Seed of a validation split that is drawn, at least 0.
        labels: Class of each example, shape (n,). None (the default): there are no classes.
        groups: Group of each example, shape (n,), for rules without `of`. None (the default): there are no groups.
        times: Time of each example, shape (n,), for rules without `of`. None (the default): there are no times.

    Raises:
        ConfigError: A rule is wrong; the error has a fault for each.

    Example:
        >>> parts = divide(10, validation=2, test={"n": 2, "by": "last"}, seed=0)
        >>> parts.validation.tolist(), parts.test.tolist()
        ([0, 1], [8, 9])
    """
    known = {"stratified": labels, "group": groups, "time": times}
    rules = {"test": _read("test", test, n, known), "validation": _read("validation", validation, n, known)}
    if faults := [fault for rule in rules.values() for fault in rule.faults]:
        raise ConfigError(faults)
    rest = np.arange(n, dtype=np.int64)
    held: dict[str, Indices | None] = {}
    for name, rule in rules.items():
        held[name] = None if rule.is_given else _chosen(rule, rest, n=n, seed=_TEST_SEED if name == "test" else seed)
        if (found := held[name]) is not None:
            rest = np.setdiff1d(rest, found, assume_unique=True)
    if not len(rest):
        allowed = "rules that leave an example for training"
        raise ConfigError(
            [Fault(key="dataset.validation", value=validation, allowed=allowed, advice="Hold fewer out.")]
        )
    remarks = () if rules["test"].is_given or test == NO_TEST else (_remark(rules["test"], held["test"], n),)
    return Division(train=rest, validation=held["validation"], test=held["test"], remarks=remarks)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The splits of a data set after some were held out.

    Attributes:
        train: The examples that are left.
        validation: The validation split; None: it has data of its own.
        test: The test split; None: it has data of its own.
        remarks: Sentences on a test split that was held out.
    """

    train: Split
    validation: Split | None
    test: Split | None
    remarks: tuple[str, ...]


def hold_out(split: Split, *, validation: Any, test: Any, seed: int, labels: NDArray[Any] | None = None) -> HeldOut:
    """Hold examples out of a training split; arrays on disk are not copied.

    Args:
        split: The split.
        validation: The rule for the validation split; `GIVEN`: none is held out.
        test: The rule for the test split; `none`: there is no test split; `GIVEN`: none is held out; None: a fifth.
        seed: Seed of a validation split that is drawn, at least 0.
        labels: Class of each example, shape (n,). None (the default): there are no classes.

    Raises:
        ConfigError: A rule is wrong; the error has a fault for each.
    """
    parts = divide(len(split), validation=validation, test=test, seed=seed, labels=labels)
    if parts.validation is None and (parts.test is None or not len(parts.test)):
        train = split
    else:
        train = select(split, parts.train)
    held = [None if indices is None else select(split, indices) for indices in (parts.validation, parts.test)]
    return HeldOut(train=train, validation=held[0], test=held[1], remarks=parts.remarks)


def select(split: Split, indices: Indices) -> Split:
    """Return some examples of a split; of arrays on disk, a view of them.

    Args:
        split: The split.
        indices: Indices of the examples, ascending.
    """
    is_range = bool(len(indices)) and int(indices[-1]) - int(indices[0]) + 1 == len(indices)

    def chosen(array: Any) -> Any:
        if type(array) is np.ndarray:
            return array[indices]
        if not len(indices):
            return np.asarray(array[:0])
        if is_range and isinstance(array, np.ndarray):
            return array[int(indices[0]) : int(indices[-1]) + 1]
        return Selection(array, indices)

    return Split.of(mapped(chosen, split.parts))


class Selection:
    """Some examples of an array on disk, as a `LazyArray`.

    Args:
        array: The array.
        indices: Indices of the examples, shape (n,).

    Attributes:
        shape: Shape, with the number of examples first.
        dtype: Type of the values.
    """

    def __init__(self, array: Any, indices: Indices) -> None:
        self._array, self._indices = array, indices
        self.shape, self.dtype = (len(indices), *array.shape[1:]), np.dtype(array.dtype)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, chosen: slice | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return some of the examples.

        Args:
            chosen: A slice, or indices of shape (n_chosen,).
        """
        return np.asarray(self._array[self._indices[chosen]])


@dataclass(frozen=True, kw_only=True)
class _HoldOutRule:
    """A rule that was read.

    Attributes:
        key: The key that it comes from.
        n: Number of examples to hold out.
        share: The share that was asked for; None: a number was.
        by: The way; one of `WAYS`.
        of: Class, group or time of each example, for a way that needs it.
        is_given: True if nothing is held out.
        faults: Faults of the rule.
    """

    key: str
    n: int = 0
    share: float | None = None
    by: str = "random"
    of: NDArray[Any] | None = None
    is_given: bool = False
    faults: tuple[Fault, ...] = ()


def _read(name: str, value: Any, n: int, known: Mapping[str, NDArray[Any] | None]) -> _HoldOutRule:
    """Read the rule of a split."""
    key = f"dataset.{name}"
    if isinstance(value, str) and value == GIVEN:
        return _HoldOutRule(key=key, is_given=True)
    if isinstance(value, str) and value == NO_TEST and name == "test":
        return _HoldOutRule(key=key)
    if value is None and name == "test":
        value = {"share": _TEST_SHARE, "by": _default_way(known["stratified"], n)}
    rule = dict(value) if isinstance(value, Mapping) else {"n" if _is_whole(value) else "share": value}
    by = rule.pop("by", "random" if isinstance(value, Mapping) or not _is_whole(value) else "first")
    of = rule.pop("of", None)
    faults = [
        Fault(key=f"{key}.{unknown}", value=rule.pop(unknown), allowed=_ALLOWED, advice=_ADVICE)
        for unknown in sorted(set(rule) - {"share", "n"})
    ]
    if by not in WAYS:
        advice = "Choose one of them."
        faults.append(Fault(key=f"{key}.by", value=by, allowed=f"one of {', '.join(WAYS)}", advice=advice))
    elif by in known:
        of = known[by] if of is None else np.asarray(of)
        faults += _missing(key, by, of, n)
        if by == "time" and not faults and of is not None:
            of, fault = _times(key, of)
            faults += [] if fault is None else [fault]
    size, fault = _size(key, value, rule, n)
    faults += [] if fault is None else [fault]
    return _HoldOutRule(key=key, n=size, share=rule.get("share"), by=str(by), of=of, faults=tuple(faults))


def _default_way(labels: NDArray[Any] | None, n: int) -> str:
    """Return `stratified` if the default test split and the rest can have an example of each class."""
    if labels is None or len(labels) != n:
        return "random"
    counts = np.unique(labels, return_counts=True)[1]
    return "stratified" if counts.min(initial=n) > 1 and len(counts) <= round(_TEST_SHARE * n) else "random"


def _size(key: str, value: Any, rule: Mapping[str, Any], n: int) -> tuple[int, Fault | None]:
    """Return the number of examples that a rule asks for."""
    if len(rule) != 1:
        return 0, Fault(key=key, value=value, allowed=_ALLOWED, advice=_ADVICE)
    share: Any = rule.get("share")
    number: Any = rule.get("n")
    if "n" in rule and _is_whole(number) and 1 <= number < n:
        return int(number), None
    if "n" in rule:
        allowed = f"a number of examples from 1 to {n - 1}, since there are {n}"
        return 0, Fault(key=key, value=number, allowed=allowed, advice="Hold fewer out.")
    is_number = isinstance(share, float | int | np.number) and not isinstance(share, bool)
    if not is_number or not 0 < float(share) < 1:
        return 0, Fault(key=key, value=share, allowed=_ALLOWED, advice=_ADVICE)
    size = max(1, round(float(share) * n))
    if size >= n:
        allowed = f"a share that leaves some of the {n} examples for training"
        return 0, Fault(key=key, value=share, allowed=allowed, advice="Choose another share.")
    return size, None


def _missing(key: str, by: str, of: NDArray[Any] | None, n: int) -> list[Fault]:
    """Return the fault of a way that has no value for each example."""
    if of is None and by == "stratified":
        advice = "Choose by: random, or group by a column."
        allowed = "another way, since the targets are no class indices"
        return [Fault(key=f"{key}.by", value=by, allowed=allowed, advice=advice)]
    if of is None or np.shape(of)[:1] != (n,):
        found = "(nothing)" if of is None else f"values of shape {np.shape(of)}"
        advice = "Give column in the config of a table, or of=VALUES in load()."
        return [
            Fault(
                key=f"{key}.of",
                value=found,
                allowed=f"a {'class' if by == 'stratified' else by} for each of the {n} examples",
                advice=advice,
            )
        ]
    return []


def _times(key: str, of: NDArray[Any]) -> tuple[NDArray[Any], Fault | None]:
    """Return times that can be ordered; texts must be dates of ISO 8601, since others are not in order as texts."""
    if of.dtype.kind not in "OSU":
        return of, None
    try:
        return np.array([np.datetime64(str(value)) for value in of]), None
    except ValueError:
        allowed = "numbers, or dates in the form 2026-11-29 or 2026-11-29T12:30"
        first = next(str(value) for value in of if not _is_date(str(value)))
        return of, Fault(key=f"{key}.of", value=first, allowed=allowed, advice="Write them so, or as numbers.")


def _is_date(text: str) -> bool:
    try:
        np.datetime64(text)
    except ValueError:
        return False
    return True


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _chosen(rule: _HoldOutRule, rest: Indices, *, n: int, seed: int) -> Indices:
    """Return the examples that a rule holds out of those that are left.

    Raises:
        ConfigError: There are not enough examples, groups or times.
    """
    if rule.n == 0:
        return rest[:0]
    if rule.n >= len(rest):
        allowed = f"at most {len(rest) - 1} examples beside the other splits"
        raise ConfigError([Fault(key=rule.key, value=rule.n, allowed=allowed, advice="Hold fewer out.")])
    if rule.by in ("first", "last"):
        return rest[: rule.n] if rule.by == "first" else rest[-rule.n :]
    if rule.by == "random":
        return np.sort(np.random.default_rng(seed).choice(rest, rule.n, replace=False))
    of = np.asarray(rule.of)[rest]
    if rule.by == "time":
        return _latest(rule, rest, of)
    return _drawn(rule, rest, of, share=rule.n / n, seed=seed)


def _latest(rule: _HoldOutRule, rest: Indices, times: NDArray[Any]) -> Indices:
    """Return the latest examples; those of the earliest time among them are all in."""
    held: Indices = rest[times >= np.sort(times)[-rule.n]]
    if len(held) == len(rest):
        allowed = "examples of several times"
        raise ConfigError([Fault(key=f"{rule.key}.by", value="time", allowed=allowed, advice="Choose by: random.")])
    return held


def _drawn(rule: _HoldOutRule, rest: Indices, of: NDArray[Any], *, share: float, seed: int) -> Indices:
    """Draw examples of each class, or whole groups."""
    # Imported late: scikit-learn takes a second, and most data sets come with their splits.
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    try:
        if rule.by == "stratified":
            held = train_test_split(rest, test_size=rule.n, random_state=seed, stratify=of)[1]
        else:
            splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
            held = rest[next(splitter.split(rest, groups=of))[1]]
    except ValueError as error:  # too few examples of a class, or too few groups
        advice = "Choose by: random, or put more examples into the data set."
        allowed = f"classes or groups that can be divided: {error}"
        raise ConfigError([Fault(key=f"{rule.key}.by", value=rule.by, allowed=allowed, advice=advice)]) from error
    return np.sort(held).astype(np.int64)


def _remark(rule: _HoldOutRule, held: Indices | None, n: int) -> str:
    n_held = 0 if held is None else len(held)
    ways = {
        "random": "drawn at random",
        "first": "the first ones",
        "last": "the last ones",
        "stratified": "drawn with each class in its share",
        "group": "drawn as whole groups",
        "time": "the latest ones",
    }
    return f"The test split was held out of the data: {n_held} of {n} examples, {ways[rule.by]}."
