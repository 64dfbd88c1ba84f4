"""What the run of a study says about its trials: counts, the best so far, and a note to read."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from study.config import StudyConfig
from study.records import RunRecord
from study.results import State, TrialResult

_STATES: tuple[State, ...] = get_args(State)
# Mean and the ends of its interval.
Estimate = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended, as far as its study's run tells it.

    Attributes:
        state: How it ended.
        metrics: Its metrics by name, `objective` among them.
        hyperparameters: The optimizer's arguments, as text.
    """

    state: State
    metrics: Mapping[str, float]
    hyperparameters: Mapping[str, str]


def outcome_of(record: RunRecord) -> Outcome | None:
    """Return how a stored trial ended, None when it has not."""
    if record.state is None:
        return None
    ours = ("optimizer", "trial_number", "run_seed", "order_seed")
    point = {key: value for key, value in record.params.items() if key not in ours}
    return Outcome(state=record.state, metrics=record.metrics, hyperparameters=point)


def end_metrics(config: StudyConfig, result: TrialResult, objective: float) -> dict[str, float]:
    """Return the metrics of a finished run: its objective, the best epoch's value beside it, and the summary."""
    metrics = {"objective": objective, **result.summary}
    name, maximize = config.objective.metric, config.objective.direction == "maximize"
    values = [value for value in result.history.get(name, ()) if math.isfinite(value)]
    if values:
        metrics[f"best_{name}"] = max(values) if maximize else min(values)
    return metrics


def best_of(config: StudyConfig, outcomes: Mapping[int, Outcome]) -> int | None:
    """Return the number of the best completed trial, the first of equals."""
    best: int | None = None
    for number, outcome in sorted(outcomes.items()):
        value = outcome.metrics.get("objective", math.nan)
        if outcome.state != "complete" or not math.isfinite(value):
            continue
        if best is None or config.objective.better(value, outcomes[best].metrics["objective"]):
            best = number
    return best


def study_metrics(
    config: StudyConfig, outcomes: Mapping[int, Outcome], *, best: int | None, tests: Mapping[str, Estimate]
) -> dict[str, float]:
    """Return the metrics of a study's run: counts by state, the best trial's numbers, the test estimates."""
    counts = Counter(outcome.state for outcome in outcomes.values())
    metrics: dict[str, float] = {f"n_{state}": counts[state] for state in _STATES}
    if best is not None and best in outcomes:
        chosen = outcomes[best]
        own = ("objective", f"best_{config.objective.metric}")
        metrics |= {name: chosen.metrics[name] for name in own if name in chosen.metrics}
        metrics["best_objective"] = chosen.metrics["objective"]
        metrics["best_trial_number"] = best
        for argument, text in chosen.hyperparameters.items():
            with contextlib.suppress(ValueError):  # an argument that is no number stands in the tag `best` alone
                metrics[f"best_{argument}"] = float(text)
    for name, (mean, low, high) in tests.items():
        metrics |= {f"{name}_mean": mean, f"{name}_low": low, f"{name}_high": high}
    return metrics


def study_tags(
    config: StudyConfig, outcomes: Mapping[int, Outcome], *, best: int | None, tests: Mapping[str, Estimate]
) -> dict[str, str]:
    """Return the tags of a study's run that change while it runs, the note shown beside it among them."""
    progress = f"{len(outcomes)}/{config.n_trials}"
    tags = {"progress": progress}
    searched = tuple(config.optimizer.ranges)
    workload = f"{config.model.name} on {config.dataset.name}"
    lines = [f"**{config.optimizer.name}**, {workload}: {progress} trials"]
    if best is not None and best in outcomes:
        point = outcomes[best].hyperparameters
        shown = {key: point[key] for key in searched if key in point} or point
        tags["best"] = " ".join(f"{key}={_short(value)}" for key, value in shown.items())
        value = _short(str(outcomes[best].metrics["objective"]))
        lines.append(f"best {config.objective.metric} {value} (trial {best}): {tags['best'] or 'nothing searched'}")
    lines += [f"{name} {mean:.4g} [{low:.4g}, {high:.4g}]" for name, (mean, low, high) in tests.items()]
    counts = Counter(outcome.state for outcome in outcomes.values())
    if bad := [f"{counts[state]} {state}" for state in _STATES if state != "complete" and counts[state]]:
        lines.append(", ".join(bad))
    return tags | {"mlflow.note.content": "  \n".join(lines)}


def _short(text: str) -> str:
    """Return a number with five digits, other text as it is."""
    try:
        return f"{float(text):.5g}"
    except ValueError:
        return text
