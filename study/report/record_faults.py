"""Refuse studies whose records no longer hold what a comparison needs, such as a learning rate that is no number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from study.core.errors import StoreError
from study.core.readable_output import in_one_line
from study.core.records import RunRecord, StudyRecord
from study.core.search_space import SCALES
from study.report.objective_metric import ObjectiveMetric, metric_of
from study.report.searched_ranges import range_key, searched_names

_MOST_LISTED = 10
_LONGEST = 60


def refuse_faults(experiment: str, records: Sequence[StudyRecord]) -> None:
    """Refuse studies with params, tags or metrics that were removed or changed in their store.

    A wrong value is not left out without a word, since a comparison of the rest could come out differently.

    Args:
        experiment: Name of the experiment.
        records: The studies that are compared.

    Raises:
        StoreError: A study has such a value; the message lists them all.
    """
    faults = [fault for record in records for fault in record_faults(record)]
    if not faults:
        return
    listed = [f"\n  {fault}" for fault in faults[:_MOST_LISTED]]
    rest = f"\n  and {len(faults) - _MOST_LISTED} more" if len(faults) > _MOST_LISTED else ""
    raise StoreError(
        f"EXPERIMENT={experiment}: expected records as studies write them, and {len(faults)} of MLflow's values were "
        f"changed or removed:{''.join(listed)}{rest}\nCorrect them in MLflow (study ui). Or delete these runs there: "
        "the command that began a study writes them again."
    )


def record_faults(record: StudyRecord) -> Iterator[str]:
    """Yield a line for each value of a study and its runs that a comparison cannot use.

    Args:
        record: The study, with its trials.
    """
    own = _Subject(f"{record.name} (run {record.run_id})")
    metric = record.params.get("objective.metric", "")
    yield from own.fault("param objective.metric", metric, "the name of a metric", is_right=bool(metric))
    for key, values, is_optional in (("study_seed", record.params, True), ("n_confirmations", record.tags, True)):
        yield from own.whole_number(key, values, is_optional=is_optional)
    target = record.params.get("objective.target", "0")
    yield from own.fault("param objective.target", target, "a number", is_right=_number(target) is not None)
    searched = searched_names(record)
    for argument in searched:
        yield from _range_faults(own, argument, record.params)
    if not metric or _number(target) is None:
        return
    of = metric_of(record.params, record.tags)
    for run in (*record.trials, *record.confirmations):
        yield from _run_faults(record, run, searched, of)


class _Subject:
    """The run that faults are of, with the words for them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fault(self, what: str, value: str | None, allowed: str, *, is_right: bool) -> Iterator[str]:
        """Yield a line if a value is not right; None: it is missing."""
        if not is_right:
            shown = " is missing" if value is None else f"={in_one_line(value)[:_LONGEST]}"
            yield f"{self._name}: {what}{shown}, expected {allowed}"

    def whole_number(self, key: str, values: Mapping[str, str], *, is_optional: bool) -> Iterator[str]:
        """Yield a line if a param or a tag is not a whole number."""
        value = values.get(key)
        is_right = is_optional if value is None else value.removeprefix("-").isdecimal() and len(value) < _LONGEST
        yield from self.fault(key, value, "a whole number", is_right=is_right)


def _range_faults(own: _Subject, argument: str, params: Mapping[str, str]) -> Iterator[str]:
    key = range_key(argument)
    if f"{key}.choices" in params:
        return
    scale = params.get(f"{key}.scale", "linear")
    yield from own.fault(f"param {key}.scale", scale, f"one of {', '.join(SCALES)}", is_right=scale in SCALES)
    low, high = (_number(params.get(f"{key}.{end}")) for end in ("low", "high"))
    for end, value in (("low", low), ("high", high)):
        text = params.get(f"{key}.{end}")
        yield from own.fault(f"param {key}.{end}", text, "a finite number", is_right=value is not None)
    if low is None or high is None:
        return
    fits = low < high and (scale != "log" or low > 0) and (scale != "one_minus_log" or high < 1)
    text = f"{low:g}, high={high:g}"
    yield from own.fault(f"param {key}.low", text, f"a range that scale={scale} can hold", is_right=fits)


def _run_faults(
    record: StudyRecord, run: RunRecord, searched: Sequence[str], metric: ObjectiveMetric
) -> Iterator[str]:
    own = _Subject(f"{record.name}, {run.words} (run {run.run_id})")
    if run.state is not None and run.role == "trial":
        for argument in searched:
            if f"{range_key(argument)}.choices" in record.params:
                continue
            text = run.params.get(argument)
            is_right = text == "null" or _number(text) is not None
            yield from own.fault(f"param {argument}", text, "a finite number", is_right=is_right)
    if run.state != "complete":
        return
    low, high = metric.bounds
    # A metric that no confirmation of the study has was not recorded; the page then shows none.
    is_measured = any(metric.confirmed in other.metrics for other in record.confirmations)
    for name in ("objective", metric.confirmed) if run.role == "confirmation" and is_measured else ("objective",):
        value = run.metrics.get(name)
        allowed = f"a number from {low:g} to {high:g}" if metric.is_share else "a number"
        is_right = value is not None and (not math.isfinite(value) or low <= value <= high)
        yield from own.fault(f"metric {name}", None if value is None else f"{value:g}", allowed, is_right=is_right)


def _number(text: str | None) -> float | None:
    """Return a finite number; None for another text."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
