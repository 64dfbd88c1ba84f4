"""A study with trials of no cost: the real search and the real records around a trainer that returns at once."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from study.cli.launch.compose import compose_jobs, prepare
from study.core.trainer_interface import EpochReport, OnEpoch, Together, Trial, TrialResult
from study.pipeline.context import StudyContext
from study.pipeline.live_view import open_view
from study.pipeline.preflight import load_config
from study.pipeline.search_phase import search as run_search
from study.pipeline.workload import load_dataset
from study.search.ask_tell import open_search
from study.tracking.study_tracker import open_study

# The number of trials that are measured one by one before a mark, and of those in the batch before them.
ALONE, BATCH = 20, 50


class ZeroCostTrainer:
    """Returns numbers computed from the point, one epoch a trial.

    Args:
        capacity: Trials at once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together | None = None) -> list[TrialResult]:
        """Report one epoch of each trial and return its result; none is stopped or added."""
        del together
        return [self._answer(trial, on_epoch) for trial in trials]

    def build_model(self, weights: Any = None) -> Any:
        """Refuse: nothing here has a model."""
        raise NotImplementedError

    def _answer(self, trial: Trial, on_epoch: OnEpoch) -> TrialResult:
        rate = float(trial.hyperparameters["learning_rate"])
        accuracy = math.exp(-((math.log10(rate) + 3) ** 2) / 4) * 0.98
        metrics = {"loss": 1 - accuracy, "accuracy": accuracy, "val_loss": 1 - accuracy, "val_accuracy": accuracy}
        on_epoch(trial, EpochReport(epoch=0, step=1, metrics=metrics))
        history = {name: [value] for name, value in metrics.items()}
        summary = {"seconds_train": 0.0, "initial_loss": 2.3, "final_loss": 1 - accuracy, "n_steps": 1.0}
        return TrialResult(trial=trial, state="complete", history=history, summary=summary)


def measure(sampler: str, *, marks: Sequence[int], folder: Path) -> list[dict[str, float]]:
    """Run the search of a study in a folder and return the cost of a trial by the number of trials in the store.

    Just before each mark, `ALONE` trials run one by one, as in `fit`. Before them a batch of `BATCH` runs, as in
    `vectorized`. All other trials run in batches.

    Returns:
        For each mark `n_trials`; `mib` of resident memory; milliseconds of a trial run alone (the median), wall time
        `alone_ms` and processor time of all threads `alone_cpu_ms`; and those of a trial in a batch, `batch_ms` and
        `batch_cpu_ms`, if a batch fitted before the mark.
    """
    overrides = ["optimizer=adam", "dataset=digits", f"sampler={sampler}", f"budget.n_trials={max(marks)}"]
    overrides += ["budget.n_epochs=1", "live=false", "tracking.system_metrics=false", "trainer=fit"]
    (job,) = compose_jobs(prepare(overrides), multirun=False)
    config = load_config(job.raw, folder=folder, labels=job.labels)
    dataset, trainer, clock = load_dataset(config), ZeroCostTrainer(BATCH), _Clock()
    with (
        (folder / "view.log").open("w") as stream,
        open_view(False, stream=stream) as view,
        open_search(config) as search,
        open_study(config, study_name=search.name, dataset=dataset, environment={}) as tracker,
    ):
        ask = search.ask

        def start(_: int) -> list[Trial]:
            clock.lap()
            trials = ask(_how_many(clock.n_trials, marks))
            clock.size = len(trials)
            return trials

        search.ask = start  # type: ignore[method-assign]
        run_search(
            StudyContext(config=config, dataset=dataset, search=search, tracker=tracker, trainer=trainer, view=view)
        )
    return [_at(mark, clock.laps) for mark in marks]


@dataclass(frozen=True)
class Lap:
    """A batch: trials in the store after it, trials in it, the cost of one of them, and the memory in MiB."""

    n_trials: int
    size: int
    wall_ms: float
    cpu_ms: float
    mib: float


class _Clock:
    """Records the laps of a search."""

    def __init__(self) -> None:
        self.n_trials = self.size = 0
        self.laps: list[Lap] = []
        self._process, self._began, self._cpu_began = psutil.Process(), 0.0, 0.0

    def lap(self) -> None:
        """End a batch, if one has begun, and begin another."""
        if self.size:
            wall, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu_began
            self.n_trials += self.size
            mib = self._process.memory_info().rss / 2**20
            self.laps.append(Lap(self.n_trials, self.size, 1e3 * wall / self.size, 1e3 * cpu / self.size, mib))
        self._began, self._cpu_began = time.perf_counter(), time.process_time()


def _how_many(n_done: int, marks: Sequence[int]) -> int:
    """Return the number of trials to ask for next."""
    mark = min((mark for mark in marks if mark > n_done), default=n_done)
    left = mark - ALONE - n_done
    if left <= 0:
        return 1
    return left - BATCH if BATCH < left < 2 * BATCH else min(left, BATCH)


def _at(mark: int, laps: Sequence[Lap]) -> dict[str, float]:
    alone = [lap for lap in laps if lap.size == 1 and mark - ALONE < lap.n_trials <= mark]
    batches = [lap for lap in laps if lap.size == BATCH and mark - ALONE - BATCH < lap.n_trials <= mark]
    found: dict[str, float] = {"n_trials": mark, "mib": alone[-1].mib}
    for name, chosen in (("alone", alone), ("batch", batches)):
        if chosen:
            found[f"{name}_ms"] = statistics.median(lap.wall_ms for lap in chosen)
            found[f"{name}_cpu_ms"] = statistics.median(lap.cpu_ms for lap in chosen)
    return found
