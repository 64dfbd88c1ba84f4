"""Scores of the entries at a look: their confirmations under the first seeds, which all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.report.confirmed import diverged
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy, Entry
from study.statistics.divergence import divergence_spread
from study.statistics.looks import Look
from study.statistics.pairwise import least_spread
from study.statistics.resolution import step_of_mean
from study.statistics.sequential import LookScores

Floats = NDArray[np.float64]
# A repetition and its seeds. Two confirmations with the same key are a pair.
Key = tuple[int, str, str]
# Test score, validation score, and whether the run diverged.
Score = tuple[float, float, bool]
Unit = Literal["seed", "study"]
ENOUGH_STUDIES = 3


@dataclass(frozen=True, kw_only=True)
class ScoresAtLook:
    """Scores of the entries over the seeds of a look, rounded to the metric's resolution.

    Attributes:
        units: The repetition, or the study seed, of each column.
        present: Whether an entry has all seeds of the look, shape (n_entries,).
        tests: Test scores, shape (n_entries, n_units); NaN for an entry that is not present.
        validations: Validation scores, of the same shape.
        least_spreads: A floor under the standard deviation of each entry's test scores, shape (n_entries,).
        kept_spreads: The floor for runs that did not diverge, of the same shape.
        diverged: Whether a unit contains a diverged run, shape (n_entries, n_units).
        n_diverged: Number of diverged runs of the look, shape (n_entries,).
        n_runs: Number of runs of the look, of the same shape.
    """

    units: tuple[int, ...]
    present: NDArray[np.bool_]
    tests: Floats
    validations: Floats
    least_spreads: Floats
    kept_spreads: Floats
    diverged: NDArray[np.bool_]
    n_diverged: NDArray[np.int64]
    n_runs: NDArray[np.int64]

    def of_look(self, look: Look, *, sign: float, candidate: int | None) -> LookScores:
        """Return the scores for the tests, where larger is better.

        Args:
            look: The look.
            sign: 1 where a larger score is better, else -1.
            candidate: The entry that claims are about first; None: the best by these scores.
        """
        return LookScores(
            look=look,
            scores=sign * self.tests,
            least_spreads=self.least_spreads,
            diverged=self.diverged,
            n_diverged=self.n_diverged,
            n_runs=self.n_runs,
            kept_spreads=self.kept_spreads,
            candidate=candidate,
        )


class SharedScores:
    """The confirmations of entries by study seed, repetition and seeds.

    Attributes:
        unit: Meaning of a column: a whole `study` from three shared study seeds on, else a confirmation `seed`.
    """

    def __init__(self, entries: Sequence[Entry], metric: ObjectiveMetric) -> None:
        """Gather the confirmations.

        Args:
            entries: The entries.
            metric: The metric compared.
        """
        self._entries, self._metric = entries, metric
        self._by_seed = [{study.seed: _scores(study, metric) for study in entry.studies} for entry in entries]
        self._ended = [{study.seed: _ended(study) for study in entry.studies} for entry in entries]
        seeds = sorted(set.intersection(*(set(found) for found in self._by_seed))) if entries else []
        self._seeds = [seed for seed in seeds if set.intersection(*(set(found[seed]) for found in self._by_seed))]
        self.unit: Unit = "study" if len(self._seeds) >= ENOUGH_STUDIES else "seed"

    def at(self, n_seeds: int | None = None) -> ScoresAtLook:
        """Return the scores at a look.

        Args:
            n_seeds: The look's number of confirmation seeds: the first ones of each study. An entry is present if
                each of its runs under them has ended. The runs that failed are left out for all entries. None (the
                default): all seeds that the entries share.
        """
        present = np.array([n_seeds is None or self._has(index, n_seeds) for index in range(len(self._entries))], bool)
        cells = self._cells(np.flatnonzero(present).tolist(), n_seeds)
        if not cells:
            return self._nothing()
        rows = np.flatnonzero(present)
        shape = (len(self._entries), len(cells))
        runs = [
            [[self._by_seed[row][seed][key] for seed, key in cell] for cell in cells.values()] for row in rows.tolist()
        ]
        both = np.array([[np.mean([run[:2] for run in cell], axis=0) for cell in own] for own in runs])
        tests, validations = np.full(shape, np.nan), np.full(shape, np.nan)
        tests[rows], validations[rows] = both[:, :, 0], both[:, :, 1]
        apart = np.zeros(shape, bool)
        apart[rows] = [[any(run[2] for run in cell) for cell in own] for own in runs]
        n_diverged, n_runs = self._counts(rows.tolist(), n_seeds)
        least, kept = np.zeros(shape[0]), np.zeros(shape[0])
        single = np.array([[run[0] for cell in own for run in cell] for own in runs])
        n_averaged = min(len(cell) for cell in cells.values())
        kept[rows], least[rows] = _least_spreads(
            single, self._metric, n_diverged[rows], n_runs[rows], n_averaged=n_averaged
        )
        return ScoresAtLook(
            units=tuple(cells),
            present=present,
            tests=tests,
            validations=validations,
            least_spreads=least,
            kept_spreads=kept,
            diverged=apart,
            n_diverged=n_diverged,
            n_runs=n_runs,
        )

    def _has(self, index: int, n_seeds: int) -> bool:
        return all(self._ended[index][seed].issuperset(range(n_seeds)) for seed in self._seeds)

    def _cells(self, rows: Sequence[int], n_seeds: int | None) -> dict[int, list[tuple[int, Key]]]:
        """Return the runs that are averaged to each unit: all of a study, or one repetition of every study."""
        cells: dict[int, list[tuple[int, Key]]] = {}
        if not rows:
            return cells
        for seed in self._seeds:
            keys = set.intersection(*(set(self._by_seed[row][seed]) for row in rows))
            for key in sorted(key for key in keys if n_seeds is None or key[0] < n_seeds):
                cells.setdefault(seed if self.unit == "study" else key[0], []).append((seed, key))
        if self.unit == "study":
            return cells
        return {number: cell for number, cell in sorted(cells.items()) if len(cell) == len(self._seeds)}

    def _counts(self, rows: Sequence[int], n_seeds: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of diverged runs and of all runs of each entry."""
        n_diverged, n_runs = np.zeros(len(self._entries), np.int64), np.zeros(len(self._entries), np.int64)
        for row in rows:
            runs = [run for run in self._entries[row].tuned if n_seeds is None or run.number < n_seeds]
            n_runs[row] = len(runs)
            n_diverged[row] = sum(run.state == "diverged" for run in runs)
        return n_diverged, n_runs

    def _nothing(self) -> ScoresAtLook:
        n = len(self._entries)
        none, zeros = np.empty((n, 0)), np.zeros(n)
        return ScoresAtLook(
            units=(),
            present=np.zeros(n, bool),
            tests=none,
            validations=none,
            least_spreads=zeros,
            kept_spreads=zeros,
            diverged=np.zeros((n, 0), bool),
            n_diverged=np.zeros(n, np.int64),
            n_runs=np.zeros(n, np.int64),
        )


def _least_spreads(
    runs: Floats,
    metric: ObjectiveMetric,
    n_diverged: NDArray[np.int64],
    n_runs: NDArray[np.int64],
    *,
    n_averaged: int,
) -> tuple[Floats, Floats]:
    """Return the floors under the spread of each entry's units: of the metric's step, and with divergence.

    Args:
        runs: Test scores of single runs, shape (n_entries, n_runs).
        metric: The metric compared.
        n_diverged: Diverged runs of each entry, shape (n_entries,).
        n_runs: Runs of each entry, of the same shape.
        n_averaged: Runs averaged to one unit.
    """
    step = step_of_mean(metric.confirmed_resolution.steps(runs), n_averaged)
    kept = least_spread(step)
    if not metric.is_share:  # an entry with a diverged confirmation has no mean and is left out
        return kept, kept
    drop = float(np.max(np.abs(runs - metric.worst)))
    spreads = [
        float(divergence_spread(count, max(1, n), drop=drop, n_averaged=n_averaged))
        for count, n in zip(n_diverged.tolist(), n_runs.tolist(), strict=True)
    ]
    return kept, least_spread(step, spreads)


def _scores(study: ComparedStudy, metric: ObjectiveMetric) -> dict[Key, Score]:
    """Return the scores of each confirmation, by its repetition and seeds."""
    return {
        (run.number, run.params.get("run_seed", ""), run.params.get("order_seed", "")): (
            tested,
            validated,
            diverged(run, tested),
        )
        for run in study.tuned
        if (tested := metric.compared_confirmation(run)) is not None
        and (validated := metric.compared_validation(run)) is not None
    }


def _ended(study: ComparedStudy) -> set[int]:
    """Return the repetitions of the confirmed setting that ended, failed ones among them."""
    failed = {
        run.number
        for run in study.record.confirmations
        if run.state == "failed" and not run.superseded and run.config in ("best", "fixed")
    }
    return failed | {run.number for run in study.tuned}
