"""Data frames of an experiment: its summary, trials, confirmations and curves, with names and types that stay.

Numbers are `float64`, with NaN where one is missing. Whole numbers that can be missing are `Int64`, texts are
`string`, and times are `datetime64[ms, UTC]`. A hyperparameter's column has the type of its values: `float64`,
`Int64`, `boolean` or `string`, and `object` if they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from study.api.snapshot import ExperimentSnapshot, metric_names
from study.core.records import RunRecord, StudyRecord
from study.core.search_space import Value, value_of
from study.report.comparison import Comparison
from study.report.objective_metric import PREFIXES, confirmed_on_of
from study.report.searched_ranges import searched_ranges
from study.report.summary_rows import Row, seconds_of
from study.reproduction.recorded_run import hyperparameters
from study.statistics.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

_TIME = "datetime64[ms, UTC]"
_SUMMARY = {
    "study": "string",
    "optimizer": "string",
    "state": "string",
    "n_trials": "int64",
    "n_planned": "int64",
    "n_complete": "int64",
    "n_pruned": "int64",
    "n_diverged": "int64",
    "n_failed": "int64",
    "search_best": "float64",
    "validation": "float64",
    "metric": "string",
    "mean": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "mean_with_diverged": "float64",
    "untuned": "float64",
    "untuned_ci_low": "float64",
    "untuned_ci_high": "float64",
    "gain": "float64",
    "gain_ci_low": "float64",
    "gain_ci_high": "float64",
    "n_confirmations": "int64",
    "n_confirmations_diverged": "int64",
    "seconds_per_trial": "float64",
    "optimizer_state_bytes": "float64",
    "n_studies": "int64",
    "over_studies": "float64",
    "over_studies_ci_low": "float64",
    "over_studies_ci_high": "float64",
}
_TRIALS = {"study": "string", "optimizer": "string", "number": "int64", "state": "string", "objective": "float64"}
_CONFIRMATIONS = {
    "study": "string",
    "optimizer": "string",
    "config": "string",
    "repetition": "int64",
    "state": "string",
    "superseded": "bool",
    "objective": "float64",
}
_OF_RUNS = {"run_seed": "Int64", "order_seed": "Int64", "seconds": "float64", "n_epochs": "Int64"}
_ENDS = {"run_id": "string", "started": _TIME, "ended": _TIME}
_CURVES = {
    "study": "string",
    "kind": "string",
    "number": "int64",
    "run_seed": "Int64",
    "epoch": "int64",
    "metric": "string",
    "value": "float64",
    "run_id": "string",
}
_LARGEST = 2**63 - 1  # of Int64


def summary_frame(comparison: Comparison | None) -> pd.DataFrame:
    """Return the summary table of the page as numbers, a row for each optimizer, the best first.

    Args:
        comparison: The comparison; None: no trial has begun, and the frame is empty.
    """
    rows = () if comparison is None else comparison.rows
    metric = None if comparison is None else comparison.experiment.metric.confirmed
    # Several studies of one optimizer have several best configurations; the trials of each have its values.
    best = [row.configuration[0] if len(row.configuration) == 1 else {} for row in rows]
    names = dict.fromkeys(name for row in rows for each in row.configuration for name in each)
    points = {name: [value_of(each[name]) if name in each else None for each in best] for name in names}
    return _frame(_SUMMARY, [_summary(row, metric) for row in rows], points=points)


def trial_frame(snapshot: ExperimentSnapshot, records: Sequence[StudyRecord]) -> pd.DataFrame:
    """Return the trials of studies, a trial a row.

    Args:
        snapshot: The experiment.
        records: The studies.
    """
    runs = [(record, run) for record in records for run in record.trials]
    return _run_frame(snapshot, records, runs, first=_TRIALS, number="number", metrics=metric_names(records))


def confirmation_frame(snapshot: ExperimentSnapshot, records: Sequence[StudyRecord]) -> pd.DataFrame:
    """Return the confirmations of studies, superseded ones too, a confirmation a row.

    Args:
        snapshot: The experiment.
        records: The studies.
    """
    runs = [(record, run) for record in records for run in record.confirmations]
    names = metric_names(records)
    if any(confirmed_on_of(record.tags) == "test" for record in records):
        names += [f"{PREFIXES['test']}{name}" for name in names if not name.startswith(PREFIXES["validation"])]
    return _run_frame(snapshot, records, runs, first=_CONFIRMATIONS, number="repetition", metrics=names)


def curve_frame(snapshot: ExperimentSnapshot, records: Sequence[StudyRecord]) -> pd.DataFrame:
    """Return all metrics by epoch of trials and confirmations in long form.

    Args:
        snapshot: The experiment.
        records: The studies.
    """
    import numpy as np
    import pandas as pd

    names = metric_names(records)
    histories = snapshot.histories(names)
    columns: dict[str, list[Any]] = {name: [] for name in _CURVES}
    lengths, epochs, values = [], [np.empty(0, np.int64)], [np.empty(0)]
    for record in records:
        for run in (*record.trials, *record.confirmations):
            for metric in names:
                if (history := histories.get(run.run_id, {}).get(metric)) is None:
                    continue
                whole = {
                    "study": record.name,
                    "kind": run.kind,
                    "number": run.number,
                    "run_seed": _seed(run, "run_seed"),
                }
                for name, value in {**whole, "metric": metric, "run_id": run.run_id}.items():
                    columns[name].append(value)
                lengths.append(len(history[0]))
                epochs.append(history[0])
                values.append(history[1])
    long = {"epoch": np.concatenate(epochs), "value": np.concatenate(values)}
    # The other columns have one value for each history, which is repeated for each of its epochs.
    repeated = np.repeat(np.arange(len(lengths)), np.array(lengths, dtype=np.int64))
    made = {
        name: pd.Series(long[name], dtype=kind) if name in long else _series(columns[name], kind).take(repeated)
        for name, kind in _CURVES.items()
    }
    return pd.DataFrame({name: series.array for name, series in made.items()})


def _run_frame(
    snapshot: ExperimentSnapshot,
    records: Sequence[StudyRecord],
    runs: Sequence[tuple[StudyRecord, RunRecord]],
    *,
    first: Mapping[str, str],
    number: str,
    metrics: Sequence[str],
) -> pd.DataFrame:
    """Return a frame of runs: the first columns, hyperparameters, seeds and times, metrics, and the run's id."""
    histories = snapshot.histories(metric_names(records)[:1])
    rows = []
    for record, run in runs:
        n_epochs = max((len(epochs) for epochs, _ in histories.get(run.run_id, {}).values()), default=None)
        rows.append(
            {
                "study": record.name,
                "optimizer": record.optimizer,
                number: run.number,
                "config": run.config,
                "superseded": run.superseded,
                "state": run.state or ("running" if run.status == "RUNNING" else "cut off"),
                "objective": run.metrics.get("objective"),
                "run_seed": _seed(run, "run_seed"),
                "order_seed": _seed(run, "order_seed"),
                "seconds": seconds_of(run),
                "n_epochs": n_epochs,
                "run_id": run.run_id,
                "started": run.started,
                "ended": run.ended,
                **{name: run.metrics.get(name) for name in metrics},
            }
        )
    last = {**_OF_RUNS, **dict.fromkeys(metrics, "float64"), **_ENDS}
    searched = [name for record in records for name in searched_ranges(record)]
    points = [hyperparameters(run) for _, run in runs]
    names = dict.fromkeys([*searched, *(name for point in points for name in point)])
    return _frame(first, rows, points={name: [point.get(name) for point in points] for name in names}, last=last)


def _frame(
    first: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    points: Mapping[str, Sequence[Value]],
    last: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a frame with the hyperparameters after the first columns.

    A hyperparameter with the name of another column has the key that a user types, such as `optimizer.number`.
    """
    import pandas as pd

    last = last or {}
    columns = {name: _series([row.get(name) for row in rows], kind) for name, kind in first.items()}
    for name, values in points.items():
        is_taken = name in first or name in last
        columns[f"optimizer.{name}" if is_taken else name] = _series(values, _kind(values))
    columns |= {name: _series([row.get(name) for row in rows], kind) for name, kind in last.items()}
    return pd.DataFrame(columns)


def _series(values: Sequence[Any], kind: str) -> pd.Series:
    import numpy as np
    import pandas as pd

    if kind == _TIME:
        times = [None if seconds is None else round(1000 * seconds) for seconds in values]
        return pd.to_datetime(pd.Series(times, dtype="Int64"), unit="ms", utc=True).astype(_TIME)
    if kind == "float64":
        return pd.Series([np.nan if value is None else value for value in values], dtype=kind)
    return pd.Series([pd.NA if value is None and kind != "object" else value for value in values], dtype=kind)


def _kind(values: Iterable[Value]) -> str:
    """Return the type of a column that holds a hyperparameter; None among the values is missing."""
    given = [value for value in values if value is not None]
    tests: dict[str, Callable[[Value], bool]] = {
        "boolean": lambda value: isinstance(value, bool),
        "Int64": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST,
        "float64": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "string": lambda value: isinstance(value, str),
    }
    if not given:
        return "float64"
    return next((kind for kind, fits in tests.items() if all(map(fits, given))), "object")


def _seed(run: RunRecord, name: str) -> int | None:
    """Return a seed; None if it was removed or changed in the store."""
    text = run.params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < len(str(_LARGEST)) else None


def _summary(row: Row, metric: str | None) -> dict[str, Any]:
    confirmed = row.confirmed
    return {
        "study": row.name,
        "optimizer": row.optimizer,
        "state": "not ended" if row.running else "ended",
        "n_trials": row.n_trials,
        "n_planned": row.n_planned,
        **{f"n_{state}": row.states.get(state, 0) for state in ("complete", "pruned", "diverged", "failed")},
        "search_best": row.search_best,
        "validation": row.validation,
        "metric": metric,
        **_interval(row.tuned, "mean", "ci"),
        "mean_with_diverged": row.mean,
        **_interval(row.untuned, "untuned", "untuned_ci"),
        "gain": row.gain.mean if row.gain else None,
        "gain_ci_low": row.gain.low if row.gain else None,
        "gain_ci_high": row.gain.high if row.gain else None,
        "n_confirmations": confirmed.n if confirmed else 0,
        "n_confirmations_diverged": confirmed.n_diverged if confirmed else 0,
        "seconds_per_trial": row.seconds_per_trial,
        "optimizer_state_bytes": row.state_bytes,
        "n_studies": len(row.run_ids),
        **_interval(row.over_studies, "over_studies", "over_studies_ci"),
    }


def _interval(found: Interval | None, mean: str, ends: str) -> dict[str, float | None]:
    if found is None:
        return {mean: None, f"{ends}_low": None, f"{ends}_high": None}
    return {mean: found.estimate, f"{ends}_low": found.low, f"{ends}_high": found.high}
