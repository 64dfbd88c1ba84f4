"""The summary of a study's trials in its run: counts, the best trial so far, and a note."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from study.config.schema import StudyConfig
from study.core.number_text import plus_minus, score_text, short_number
from study.core.records import NOT_HYPERPARAMETERS, RunRecord
from study.core.trainer_interface import State, TrialResult
from study.tracking.own_notes import NOTE, sealed

_STATES: tuple[State, ...] = get_args(State)
# The states whose counts are always told.
_ALWAYS = ("complete", "diverged")
# Metric of a study's run by which MLflow's table of studies is sorted.
CHOSEN_BY = "chosen_by"
# Parts of a mean with its interval, in the names of metrics: `mean_test_accuracy`.
_PARTS = ("mean", "low", "high")
# Before the names of the best point's values. MLflow draws them in a section of their own, and sorts sections by name.
_POINT = "point/"


@dataclass(frozen=True, kw_only=True)
class ConfirmedMean:
    """A metric over the confirmations of a study, on the test split or, without one, on validation.

    Attributes:
        mean: Mean over the confirmations that did not diverge; NaN if all did.
        low: Lower end of its 95 % t interval; NaN with fewer than three.
        high: Upper end of the interval; NaN with fewer than three.
        n: Number of confirmations that ended, diverged ones included.
        n_diverged: Number of confirmations that diverged. Default 0.
        divergence_limit: Upper 95 % limit of the rate of divergence, a share from 0 to 1. None (the default): no
            confirmation diverged.
        chosen_by: The mean with the worst value for each confirmation that diverged, by which the protocol orders
            studies. None (the default): it does not order by this metric.
    """

    mean: float
    low: float
    high: float
    n: int
    n_diverged: int = 0
    divergence_limit: float | None = None
    chosen_by: float | None = None


# Confirmed means by metric, such as `test_accuracy`.
Tests = Mapping[str, ConfirmedMean]
_NO_TESTS: Tests = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """The outcome of a trial, for its study's run.

    Attributes:
        state: The state in which the trial ended.
        metrics: Metrics of the trial by name, `objective` among them.
        hyperparameters: The optimizer's arguments, as text.
        ended_ms: Time of the end, in milliseconds since 1970. None (the default): unknown.
    """

    state: State
    metrics: Mapping[str, float]
    hyperparameters: Mapping[str, str]
    ended_ms: int | None = None


def outcome_of(record: RunRecord) -> TrialOutcome | None:
    """Return the outcome of a stored trial; None if it has not ended.

    Args:
        record: The record of the trial.
    """
    if record.state is None:
        return None
    point = {key: value for key, value in record.params.items() if key not in NOT_HYPERPARAMETERS}
    ended_ms = None if record.ended is None else round(1000 * record.ended)
    return TrialOutcome(state=record.state, metrics=record.metrics, hyperparameters=point, ended_ms=ended_ms)


def end_metrics(config: StudyConfig, result: TrialResult, objective: float) -> dict[str, float]:
    """Return the metrics of a finished run: its objective, the best epoch's value of the same metric, and the summary.

    A diverged run has no objective: the worst value would spoil every chart of MLflow, and its state says enough.

    Args:
        config: The study's config.
        result: The trial's result.
        objective: The trial's objective.
    """
    metrics = dict(result.summary) if result.state == "diverged" else {"objective": objective, **result.summary}
    name, maximize = config.objective.metric, config.objective.direction == "maximize"
    values = [value for value in result.history.get(name, ()) if math.isfinite(value)]
    if values:
        metrics[f"best_{name}"] = max(values) if maximize else min(values)
    return metrics


class StudySummary:
    """The outcomes of a study's trials, with their counts and the best one, updated with every trial.

    Args:
        config: The study's config.
        outcomes: Trials that ended before, by number.

    Attributes:
        outcomes: Outcomes of all trials, by number.
        counts: Number of trials, by state.
        best: Number of the best completed trial, the first of equals; None if none completed.
    """

    def __init__(self, config: StudyConfig, outcomes: Mapping[int, TrialOutcome]) -> None:
        self._config = config
        self.outcomes: dict[int, TrialOutcome] = {}
        self.counts: Counter[State] = Counter()
        self.best: int | None = None
        for number, outcome in outcomes.items():
            self.add(number, outcome)

    @property
    def objective(self) -> str:
        """Name of the objective's metric."""
        return self._config.objective.metric

    @property
    def states(self) -> dict[int, State]:
        """States in which the trials ended, by number."""
        return {number: outcome.state for number, outcome in self.outcomes.items()}

    def add(self, number: int, outcome: TrialOutcome) -> None:
        """Add a trial, or replace the one of the same number.

        Args:
            number: Index of the trial, from 0.
            outcome: The outcome of the trial.
        """
        replaced = self.outcomes.pop(number, None)
        if replaced is not None:
            self.counts[replaced.state] -= 1
        self.outcomes[number] = outcome
        self.counts[outcome.state] += 1
        if number == self.best:
            self.best = None
            for other in self.outcomes:
                self._consider(other)
        self._consider(number)

    def _consider(self, number: int) -> None:
        value = self.outcomes[number].metrics.get("objective", math.nan)
        if self.outcomes[number].state != "complete" or not math.isfinite(value):
            return
        known = math.nan if self.best is None else self.outcomes[self.best].metrics["objective"]
        if self.best is None or self._config.objective.better(value, known) or (value == known and number < self.best):
            self.best = number


def current_names(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a study's metrics under today's names: earlier versions wrote `test_loss_mean` for `mean_test_loss`.

    Args:
        metrics: The metrics, by name.
    """
    found: dict[str, float] = {}
    for name, value in metrics.items():
        metric, _, part = name.rpartition("_")
        earlier = part in _PARTS and metric.startswith(("test_", "val_"))
        found.setdefault(f"{part}_{metric}" if earlier else name, value)
    return found | {name: value for name, value in metrics.items() if name in found}


def study_metrics(
    summary: StudySummary, *, best: int | None, tests: Tests, stored: Collection[str] = ()
) -> dict[str, float]:
    """Return the metrics of a study's run: the best trial's numbers, the means of confirmations, counts by state.

    States that no trial of the study had are left out, besides the two that every table shows.

    Args:
        summary: The summary of the study's trials.
        best: Number of the best trial; None: no trial has completed.
        tests: Mean and interval of each metric of the confirmations.
        stored: Names of the metrics that the run has. Those that only earlier versions began stay current. Default:
            none.
    """
    outcomes, counts = summary.outcomes, summary.counts
    metrics: dict[str, float] = {}
    if best is not None and best in outcomes:
        chosen = outcomes[best]
        metrics["best_objective"] = chosen.metrics["objective"]
        metrics["best_trial_number"] = best
        for argument, text in chosen.hyperparameters.items():
            with contextlib.suppress(ValueError):  # an argument that is not a number is only in the tag `best`
                metrics[f"{_POINT}{argument}"] = float(text)
    for name, tested in tests.items():
        metrics |= {f"mean_{name}": tested.mean, f"low_{name}": tested.low, f"high_{name}": tested.high}
        metrics["n_confirmations_diverged"] = tested.n_diverged
        if tested.chosen_by is not None:
            metrics[CHOSEN_BY] = tested.chosen_by
        if tested.divergence_limit is not None:
            metrics["divergence_rate_high"] = tested.divergence_limit
    # MLflow's pages show the first metrics first, and choose one of them for their charts.
    metrics |= {f"n_{state}": counts[state] for state in _STATES if state in counts or state in _ALWAYS}
    return metrics | {name: value for name, value in _earlier(metrics, summary, best).items() if name in stored}


def _earlier(metrics: Mapping[str, float], summary: StudySummary, best: int | None) -> dict[str, float]:
    """Return the metrics of a study's run under the names of earlier versions, and counts of states that none has."""
    parts = [(name.partition("_"), value) for name, value in metrics.items()]
    found = {f"{metric}_{part}": value for (part, _, metric), value in parts if part in _PARTS}
    found |= {name.replace(_POINT, "best_", 1): value for name, value in metrics.items() if name.startswith(_POINT)}
    chosen = summary.outcomes[best].metrics if best is not None and best in summary.outcomes else {}
    found |= {name: chosen[name] for name in ("objective", f"best_{summary.objective}") if name in chosen}
    return found | {name: 0 for state in _STATES if (name := f"n_{state}") not in metrics}


def study_tags(
    config: StudyConfig,
    summary: StudySummary,
    *,
    best: int | None,
    tests: Tests,
    untuned: Tests = _NO_TESTS,
    describes: bool = True,
) -> dict[str, str]:
    """Return the tags of a study's run that change while it runs, among them the note that MLflow shows with it.

    Args:
        config: The study's config.
        summary: The summary of the study's trials.
        best: Number of the best trial; None: no trial has completed.
        tests: Mean and interval of each metric of the confirmations.
        untuned: The same over those of the untuned optimizer. Default: none.
        describes: False to leave out the note. Default True.
    """
    outcomes, counts = summary.outcomes, summary.counts
    # Another worker may have had a larger number of trials, or the number was lowered.
    n_trials = max(config.n_trials, len(outcomes))
    progress = f"{len(outcomes)}/{n_trials}"
    tags = {"progress": progress, "n_trials": str(n_trials)}
    lines = [f"{note_start(config)}{progress} trials"]
    if best is not None and best in outcomes:
        tags["best"] = point_text(outcomes[best].hyperparameters, searched=config.ranges)
        value = score_text(outcomes[best].metrics["objective"])
        lines.append(f"best {config.objective.metric} {value} (trial {best}): {tags['best'] or 'nothing searched'}")
        tags["validation"] = f"{value} (best trial)"
    tags |= score_tags(config.objective.metric, tests, untuned=untuned)
    lines += [_tested_text(name, tested) for name, tested in tests.items()]
    if bad := [f"{counts[state]} {state}" for state in _STATES if state != "complete" and counts[state]]:
        lines.append(", ".join(bad))
    return tags | ({NOTE: sealed("  \n".join(lines))} if describes else {})


def point_text(point: Mapping[str, str], *, searched: Collection[str]) -> str:
    """Return the searched arguments of a point, or all of a point without one, as `learning_rate=0.1 beta_1=0.96`.

    Args:
        point: The arguments, as text.
        searched: Names of the searched arguments.
    """
    shown = {key: point[key] for key in searched if key in point} or point
    return " ".join(f"{key}={short_number(value)}" for key, value in shown.items())


def note_start(config: StudyConfig) -> str:
    """Return the words with which the description of a study's run begins, in every version.

    Args:
        config: The study's config.
    """
    return f"**{config.optimizer.name}**, {config.model.name} on {config.dataset.name}: "


def score_tags(objective: str, tests: Tests, *, untuned: Tests = _NO_TESTS) -> dict[str, str]:
    """Return the means over confirmations that MLflow's table shows, such as `0.9134 ± 0.0178`.

    The tags `test` and `untuned` are of the metric that the search selects by, or else of any other that is not a
    loss. Without a test split, `untuned` is measured on validation.

    Args:
        objective: Name of the objective's metric.
        tests: Mean and interval of each metric of the confirmations.
        untuned: The same over those of the untuned optimizer. Default: none.
    """
    found = {"validation": tests[objective]} if objective in tests else {}
    if name := _shown(objective, tests):
        found["test"] = tests[name]
    if name := _shown(objective, untuned) or (objective if objective in untuned else ""):
        found["untuned"] = untuned[name]
    tags = {tag: tested_score(tested) for tag, tested in found.items()}
    chosen = found.get("validation")
    if chosen is not None and chosen.chosen_by is not None and chosen.n_diverged:
        # As on the page and in its order: a confirmation that diverged has the worst value there.
        tags["validation"] = f"{score_text(chosen.chosen_by)} ({chosen.n_diverged} of {chosen.n} diverged)"
    return tags


def _shown(objective: str, tests: Tests) -> str:
    """Return the metric on the test split that stands for all; empty without one."""
    of_objective = f"test_{objective.removeprefix('val_')}"
    on_test = [name for name in tests if name.startswith("test_")]
    return min(on_test, key=lambda name: (name != of_objective, "loss" in name, name), default="")


def tested_score(tested: ConfirmedMean) -> str:
    """Return `0.9134 ± 0.0178`, with the number of seeds where they are too few, and the confirmations that diverged.

    Args:
        tested: The mean over the confirmations.
    """
    left = tested.n - tested.n_diverged
    parts = []
    if left:
        half_width = max(tested.high - tested.mean, tested.mean - tested.low)
        few = "" if math.isfinite(half_width) else f" ({left} {'seed' if left == 1 else 'seeds'})"
        parts.append(f"{plus_minus(tested.mean, half_width)}{few}")
    if tested.n_diverged:
        parts.append(f"{tested.n_diverged} of {tested.n} diverged")
    return ", ".join(parts)


def _tested_text(name: str, tested: ConfirmedMean) -> str:
    """Return `test_accuracy 0.9100 [0.9000, 0.9200]`, with the confirmations that diverged."""
    left = tested.n - tested.n_diverged
    parts = [name, score_text(tested.mean) if left else "without a mean"]
    if math.isfinite(tested.low):
        parts.append(f"[{score_text(tested.low)}, {score_text(tested.high)}]")
    elif left:
        parts.append(f"({left} {'seed' if left == 1 else 'seeds'}, no interval)")
    if tested.divergence_limit is not None:
        limit = math.ceil(100 * tested.divergence_limit - 1e-9)
        of = f"of the {left} others; " if left else ""
        parts.append(f"({of}{tested.n_diverged} of {tested.n} diverged, a rate of up to {limit} % is not excluded)")
    return " ".join(parts)
