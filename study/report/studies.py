"""An experiment's studies, ready to be compared: entries, each with the trials and confirmations that count."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from study.core.errors import StudyError
from study.core.records import RunRecord, StudyRecord
from study.core.search_space import Range
from study.report.comparability import check_comparable
from study.report.objective_metric import ObjectiveMetric, metric_of
from study.report.searched_ranges import searched_ranges

# By run and by metric: steps and values, each of shape (n_logged,).
Histories = Mapping[str, Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]]
ReadHistories = Callable[[Sequence[str], Sequence[str]], Histories]

_SEEDS = ("study_seed", "order_seed", "split_seed", "dataset.split_seed")
_NOT_HYPERPARAMETERS = ("optimizer", "trial_number", "run_seed", "order_seed")


@dataclass(frozen=True, kw_only=True)
class ComparedStudy:
    """One study, cut to the budget that all studies had.

    Attributes:
        record: The study as the store holds it.
        ranges: What it searched, by argument; empty for a fixed setting.
        n_spent: Trials that ended, those beyond the common budget included.
        trials: The trials that ended within the common budget, in the order of their numbers.
        best: The best completed one of them.
        tuned: Confirmations of `best`, or of the fixed setting, by repetition; failed ones left out.
        untuned: Confirmations of the untuned optimizer, by repetition; failed ones left out.
        n_superseded: Confirmations that a continued search left behind.
        confirmed_beyond: Confirmations exist, but of a point found beyond the common budget.
    """

    record: StudyRecord
    ranges: Mapping[str, Range]
    n_spent: int
    trials: tuple[RunRecord, ...]
    best: RunRecord | None
    tuned: tuple[RunRecord, ...]
    untuned: tuple[RunRecord, ...]
    n_superseded: int
    confirmed_beyond: bool

    @property
    def seed(self) -> int:
        """The study's `study_seed`."""
        return int(self.record.params.get("study_seed", 0))

    @property
    def complete(self) -> bool:
        """True if everything planned was done, or the study ended by itself, as at a time limit."""
        planned = int(self.record.tags.get("n_confirmations", 0))
        done = self.n_spent >= self.record.n_trials and len(self.tuned) >= planned
        return done or self.record.status == "FINISHED"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer as it was searched or fixed; its studies differ in their seeds alone.

    Attributes:
        label: Its name in the report.
        optimizer: The optimizer's YAML name.
        studies: Its studies, by `study_seed`.
    """

    label: str
    optimizer: str
    studies: tuple[ComparedStudy, ...]

    @property
    def searched(self) -> bool:
        """True if anything was searched."""
        return any(study.ranges for study in self.studies)

    @property
    def complete(self) -> bool:
        """True if all its studies are complete."""
        return all(study.complete for study in self.studies)

    @property
    def tuned(self) -> tuple[RunRecord, ...]:
        """The confirmations of all its studies."""
        return tuple(run for study in self.studies for run in study.tuned)

    @property
    def trials(self) -> tuple[RunRecord, ...]:
        """The trials of all its studies."""
        return tuple(run for study in self.studies for run in study.trials)


@dataclass(frozen=True, kw_only=True)
class ComparedExperiment:
    """An experiment, ready to be compared.

    Attributes:
        name: The experiment's name.
        metric: What is compared.
        entries: What is compared, by label.
        n_trials: The budget of trials that all ended searches had; None where nothing was searched.
        digests: The data set's digest by the study's run, as far as they are known.
        histories: Per confirmation its metrics by epoch.
        importances: By label the importance of each argument searched.
        differing: Why the studies are not comparable, where it was asked to compare them all the same.
    """

    name: str
    metric: ObjectiveMetric
    entries: tuple[Entry, ...]
    n_trials: int | None
    digests: Mapping[str, str]
    histories: Histories = field(default_factory=dict)
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    differing: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[ComparedStudy, ...]:
        """All studies, entry by entry."""
        return tuple(study for entry in self.entries for study in entry.studies)

    @property
    def records(self) -> tuple[StudyRecord, ...]:
        """All studies' records, entry by entry."""
        return tuple(study.record for study in self.studies)


def gather(
    experiment: str,
    records: Sequence[StudyRecord],
    *,
    digests: Mapping[str, str],
    read_histories: ReadHistories,
    force: bool = False,
) -> ComparedExperiment:
    """Gather an experiment's studies.

    Args:
        experiment: The experiment's name.
        records: Its studies.
        digests: The data set's digest by the study's run.
        read_histories: Returns the histories of given runs and metrics; asked for confirmations alone.
        force: Compare studies that are not comparable.

    Raises:
        StudyError: There is no study with a trial, or the studies are not comparable.
    """
    started = [record for record in records if record.trials or record.confirmations]
    if not started:
        raise StudyError(
            f"EXPERIMENT={experiment}: expected an experiment with studies that have trials, this one has "
            f"{len(records)} studies and no trial. Run one with study run, or name another; study list shows them."
        )
    differing = check_comparable(experiment, started, digests=digests, force=force)
    metric = metric_of(started[0].params)
    budget = _common_budget(started)
    entries = _entries([_study(record, metric=metric, budget=budget) for record in started])
    runs = [run.run_id for entry in entries for run in entry.tuned]
    metrics = [metric.name, metric.training]
    return ComparedExperiment(
        name=experiment,
        metric=metric,
        entries=entries,
        n_trials=budget,
        digests=digests,
        histories=read_histories(runs, metrics) if runs else {},
        differing=differing,
    )


def point_of(run: RunRecord) -> dict[str, str]:
    """Return a run's hyperparameters as recorded."""
    return {key: value for key, value in run.params.items() if key not in _NOT_HYPERPARAMETERS}


def number_of(run: RunRecord, argument: str) -> float:
    """Return a hyperparameter as a number; NaN where it is missing or no number."""
    try:
        return float(run.params[argument])
    except (KeyError, ValueError):
        return math.nan


def _ended(record: StudyRecord) -> dict[int, RunRecord]:
    """Return the trials that ended, by number; of two with one number the later."""
    return {run.number: run for run in record.trials if run.state is not None}


def _common_budget(records: Sequence[StudyRecord]) -> int | None:
    """Return the number of trials that every ended search spent; of all searches where none has ended."""
    searches = [record for record in records if searched_ranges(record)]
    ended = [record for record in searches if record.status == "FINISHED"]
    return min((len(_ended(record)) for record in ended or searches), default=None)


def _study(record: StudyRecord, *, metric: ObjectiveMetric, budget: int | None) -> ComparedStudy:
    ranges, ended = searched_ranges(record), _ended(record)
    within = tuple(run for number, run in sorted(ended.items()) if not ranges or budget is None or number < budget)
    completed = [run for run in within if run.state == "complete" and metric.validation(run) is not None]
    best = max(completed, key=lambda run: (metric.sign * (metric.validation(run) or 0.0), -run.number), default=None)
    fixed = [run for run in record.confirmations if run.config == "fixed"]
    of_best = [run for run in record.confirmations if run.config == "best"]
    # The best point of a cut search may have been confirmed before the search went on: then those count.
    ours = [run for run in of_best if best is not None and _same_point(run, best)] if ranges else fixed
    untuned = [run for run in record.confirmations if run.config == "default" and not run.superseded]
    return ComparedStudy(
        record=record,
        ranges=ranges,
        n_spent=len(ended),
        trials=within,
        best=best,
        tuned=_scored(ours, metric),
        untuned=_scored(untuned, metric),
        n_superseded=sum(run.superseded for run in record.confirmations),
        confirmed_beyond=bool(of_best) and not ours,
    )


def _same_point(run: RunRecord, trial: RunRecord) -> bool:
    return point_of(run) == point_of(trial)


def _scored(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> tuple[RunRecord, ...]:
    """Return the runs that have a test score, one a repetition: of two the one that counts still, then the later."""
    by_number: dict[int, RunRecord] = {}
    for run in sorted(runs, key=lambda run: (not run.superseded, run.started)):
        if metric.tested(run) is not None:
            by_number[run.number] = run
    return tuple(run for _, run in sorted(by_number.items()))


def _entries(studies: Sequence[ComparedStudy]) -> tuple[Entry, ...]:
    """Put the studies together that differ in their seeds alone."""
    grouped: dict[tuple[tuple[str, str], ...], list[ComparedStudy]] = defaultdict(list)
    for study in studies:
        params = study.record.params.items()
        grouped[tuple(sorted((key, value) for key, value in params if key not in _SEEDS))].append(study)
    groups = [sorted(group, key=lambda study: (study.seed, study.record.name)) for group in grouped.values()]
    optimizers = [group[0].record.optimizer for group in groups]
    entries = [
        Entry(
            # Of several seeds the first one's name would tell of a seed.
            label=optimizer if len(group) > 1 and optimizers.count(optimizer) == 1 else group[0].record.name,
            optimizer=optimizer,
            studies=tuple(group),
        )
        for group, optimizer in zip(groups, optimizers, strict=True)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.label))
