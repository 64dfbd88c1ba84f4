"""Entries of an experiment, read from its records: the trials and confirmations of each that are compared."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from study.core.errors import StoreError, StudyError
from study.core.records import NOT_HYPERPARAMETERS, RunRecord, StudyRecord, latest_of_settings
from study.core.search_space import Range
from study.report.comparability import check_comparable
from study.report.entry_labels import entry_labels
from study.report.objective_metric import ObjectiveMetric, metric_of
from study.report.record_faults import refuse_faults
from study.report.searched_ranges import searched_ranges
from study.statistics.looks import Look, looks_of

# Steps and values by run and metric, each of shape (n_logged,).
Histories = Mapping[str, Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]]
ReadHistories = Callable[[Sequence[str], Sequence[str]], Histories]

BATCH_SIZE = "trainer.batch_size"
_SEEDS = ("study_seed", "order_seed", "split_seed", "dataset.split_seed")


@dataclass(frozen=True, kw_only=True)
class ComparedStudy:
    """One study, cut to the budget that all studies have in common.

    Attributes:
        record: The study as the store holds it.
        ranges: The ranges searched, by argument; empty for a fixed setting.
        n_spent: Number of trials that ended, including those beyond the common budget.
        trials: The trials that ended within the common budget, in the order of their numbers.
        best: The best completed trial of `trials`; None if none completed.
        tuned: Confirmations of `best`, or of the fixed setting, by repetition; without failed ones.
        untuned: Confirmations of the untuned optimizer, by repetition; without failed ones.
        n_superseded: Number of confirmations of an earlier best point, superseded by a continued search.
        confirmed_beyond: Whether the only confirmations are of a point found beyond the common budget.
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
        return _seed(self.record)

    @property
    def complete(self) -> bool:
        """True if all planned runs are done, or the study ended by itself, for instance at a time limit.

        Under `sequential`, the runs of the first look are planned. All others are trained only if they decide
        something, perhaps at this moment.
        """
        has_searched = self.n_spent >= self.record.n_trials or at_target(self.record) is not None
        done = has_searched and len(self.tuned) >= n_planned(self.record)
        return done or self.record.status == "FINISHED"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer in the comparison, searched or fixed; its studies differ only in their seeds.

    Attributes:
        label: Its name in the report: the optimizer, and what distinguishes it from the other entries.
        optimizer: The optimizer's YAML name.
        studies: Its studies, by `study_seed`.
        name: The name of its study; of several, the optimizer's, where no other entry has the same. Default: empty,
            the label.
    """

    label: str
    optimizer: str
    studies: tuple[ComparedStudy, ...]
    name: str = ""

    @property
    def searched(self) -> bool:
        """True if an argument was searched."""
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
        metric: The metric compared.
        entries: The entries compared, in the order of their names.
        n_trials: The budget of trials that all finished searches have in common; None where nothing was searched.
        digests: The data set's digest by the study's run, where known.
        histories: Metrics by epoch of each confirmation.
        importances: Importance of each searched argument, by label.
        importance_errors: Standard error of each importance, by label.
        unselected: Digests of settings of the experiment's studies that the reader left out. Default: none.
        differing: Reasons why the studies are not comparable, if they are compared anyway.
        left_out: Names of the studies left out, since a later one has their settings with other data or code.
        has_worker: Whether a living process works on a study that runs by its store, by its run; without those of
            which it is not known. Default: none is known.
    """

    name: str
    metric: ObjectiveMetric
    entries: tuple[Entry, ...]
    n_trials: int | None
    digests: Mapping[str, str]
    histories: Histories = field(default_factory=dict)
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importance_errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    differing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unselected: frozenset[str] = frozenset()
    has_worker: Mapping[str, bool] = field(default_factory=dict)

    @property
    def studies(self) -> tuple[ComparedStudy, ...]:
        """All studies, entry by entry."""
        return tuple(study for entry in self.entries for study in entry.studies)

    @property
    def records(self) -> tuple[StudyRecord, ...]:
        """All studies' records, entry by entry."""
        return tuple(study.record for study in self.studies)

    def label_of(self, study: ComparedStudy) -> str:
        """Return the name of a study in a sentence: the label of its entry, which has no other study, else its own.

        Args:
            study: One of the studies.
        """
        found = (
            entry.label
            for entry in self.entries
            if [each.record.run_id for each in entry.studies] == [study.record.run_id]
        )
        return next(found, study.record.name)


def gather(
    experiment: str,
    records: Sequence[StudyRecord],
    *,
    digests: Mapping[str, str],
    read_histories: ReadHistories,
    force: bool = False,
) -> ComparedExperiment:
    """Gather an experiment's studies for a comparison.

    Args:
        experiment: The experiment's name.
        records: Its studies.
        digests: The data set's digest by the study's run.
        read_histories: Returns the histories of given runs and metrics; called for confirmations only.
        force: Compare studies that are not comparable; default False.

    Raises:
        StoreError: Values that the comparison needs were changed or removed in the store.
        StudyError: There is no study with a trial, or the studies are not comparable.
    """
    begun = [record for record in records if record.trials or record.confirmations]
    # After a change of data or code, the studies of before lie beside the new ones; only the new ones are compared.
    started = begun if force else latest_of_settings(begun)
    if not started:
        counted = "1 study" if len(records) == 1 else f"{len(records)} studies"
        raise StudyError(
            f"EXPERIMENT={experiment}: expected an experiment with studies that have trials, found "
            f"{counted} and no trial. Run one with `study run`, or name another experiment; `study list` "
            "shows them all."
        )
    refuse_faults(experiment, started)
    differing = check_comparable(experiment, started, digests=digests, force=force)
    sized = [record for record in started if "n_test" in record.tags]
    metric = metric_of(started[0].params, (sized or started)[0].tags)
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
        left_out=tuple(sorted({record.name for record in begun} - {record.name for record in started})),
    )


def labelled_groups(records: Sequence[StudyRecord]) -> list[tuple[str, str, list[StudyRecord]]]:
    """Group the studies that differ only in their seeds, and return the label, the name and the studies of each group.

    Studies with the same seeds too, which only a forced comparison has, differ in data or code: the earlier ones are
    an entry, and so are the later ones.

    Args:
        records: The studies of one experiment that are compared.
    """
    grouped: dict[tuple[object, ...], list[StudyRecord]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for record in sorted(records, key=lambda record: record.opened):
        alike = tuple(sorted((key, value) for key, value in record.params.items() if key not in _SEEDS))
        grouped[alike, seen[record.settings_id]].append(record)
        seen[record.settings_id] += 1
    groups = [sorted(group, key=lambda record: (_seed(record), record.name)) for group in grouped.values()]
    optimizers = [group[0].optimizer for group in groups]
    names = [
        # The name of one study of several would name its seed.
        optimizer if len(group) > 1 and optimizers.count(optimizer) == 1 else group[0].name
        for group, optimizer in zip(groups, optimizers, strict=True)
    ]
    labels = entry_labels(
        names, optimizers=optimizers, hidden=_SEEDS if any(len(group) > 1 for group in groups) else ()
    )
    return list(zip(labels, names, groups, strict=True))


def at_target(record: StudyRecord) -> int | None:
    """Return the number of trials after which a search ended at `budget.until.target`; None if it did not.

    Args:
        record: The study.
    """
    tags = record.tags
    try:
        n, reached, target = int(tags["n_trials_at_target"]), float(tags["target_reached"]), float(tags["until"])
    except (KeyError, ValueError):  # it has no target, or has none any more
        return None
    is_beyond = reached <= target if tags.get("objective_direction") == "minimize" else reached >= target
    return n if is_beyond else None


def point_of(run: RunRecord) -> dict[str, str]:
    """Return a run's hyperparameters as recorded."""
    return {key: value for key, value in run.params.items() if key not in NOT_HYPERPARAMETERS}


def number_of(run: RunRecord, argument: str) -> float:
    """Return a hyperparameter as a number; NaN if it is missing or not a number."""
    try:
        return float(run.params[argument])
    except (KeyError, ValueError):
        return math.nan


def recorded_plan(record: StudyRecord) -> tuple[Look, ...]:
    """Return the plan that a study recorded; empty without one.

    Args:
        record: The study.

    Raises:
        StoreError: It was changed.
    """
    text = record.tags.get("looks", "")
    try:
        return looks_of(text) if text else ()
    except ValueError as error:
        raise StoreError(f"{record.name}: its plan of looks was changed in MLflow: {error}") from None


def batch_size_of(record: StudyRecord, run: RunRecord) -> int | None:
    """Return the batch size of a run: its own where it was searched, else the study's; None if unknown.

    Args:
        record: The study.
        run: One of its runs.
    """
    text = run.params.get(BATCH_SIZE, record.params.get(BATCH_SIZE, ""))
    return int(text) if text.isdecimal() else None


def n_planned(record: StudyRecord) -> int:
    """Return the number of confirmations that a study has in any case.

    Args:
        record: The study.
    """
    tags = record.tags
    if tags.get("confirm") == "sequential" and (plan := recorded_plan(record)):
        return plan[0].n_seeds
    return int(tags.get("n_confirmations", 0))


def _seed(record: StudyRecord) -> int:
    return int(record.params.get("study_seed", 0))


def _ended(record: StudyRecord) -> dict[int, RunRecord]:
    """Return the trials that ended, by number; the later of two with the same number."""
    return {run.number: run for run in record.trials if run.state is not None}


def _common_budget(records: Sequence[StudyRecord]) -> int | None:
    """Return the number of trials that every finished search spent, or every search if none has finished."""
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
    # The best point of a cut search may have been confirmed before the search continued: use those confirmations.
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
        n_superseded=_n_superseded(record.confirmations),
        confirmed_beyond=bool(of_best) and not ours,
    )


def _same_point(run: RunRecord, trial: RunRecord) -> bool:
    return point_of(run) == point_of(trial)


def _n_superseded(confirmations: Sequence[RunRecord]) -> int:
    """Count the superseded confirmations; those that were only trained again under another batch order left out."""
    current = {(run.kind, run.number): run for run in confirmations if not run.superseded}

    def is_reordered(run: RunRecord) -> bool:
        now = current.get((run.kind, run.number))
        return (
            now is not None and _same_point(run, now) and run.params.get("order_seed") != now.params.get("order_seed")
        )

    return sum(run.superseded and not is_reordered(run) for run in confirmations)


def _scored(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> tuple[RunRecord, ...]:
    """Return the runs with a test score, one for each repetition: of two, the one not superseded, then the later."""
    by_number: dict[int, RunRecord] = {}
    for run in sorted(runs, key=lambda run: (not run.superseded, run.started)):
        if metric.confirmed_score(run) is not None:
            by_number[run.number] = run
    return tuple(run for _, run in sorted(by_number.items()))


def _entries(studies: Sequence[ComparedStudy]) -> tuple[Entry, ...]:
    """Return the studies as entries, in the order of their names."""
    of_run = {study.record.run_id: study for study in studies}
    entries = [
        Entry(
            label=label,
            optimizer=group[0].optimizer,
            studies=tuple(of_run[record.run_id] for record in group),
            name=name,
        )
        for label, name, group in labelled_groups([study.record for study in studies])
    ]
    return tuple(sorted(entries, key=lambda entry: entry.name))
