"""The result over each searched value: the width of good numbers, and the best of each choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.core.records import RunRecord
from study.core.search_space import Range, text_of
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, Entry, number_of
from study.statistics.sensitivity import NumberSensitivity, number_sensitivity, to_scale, width_error

Floats = NDArray[np.float64]
# Tolerance: one point of a share; for an unbounded metric, this share of its best value.
_TOLERANCE = 0.01
# With fewer trials, the envelope has so few corners that a width says more of chance than of the range.
ENOUGH_FOR_A_WIDTH = 20
NORMAL_90 = 1.645  # standard errors on each side of an interval of 90 %


@dataclass(frozen=True, kw_only=True)
class TrialsOfChoice:
    """The trials that took one choice.

    Attributes:
        text: The choice, as a user types it.
        n: Number of its trials, without failed ones.
        best: The best objective of them; the worst possible value if all diverged.
        is_near: True if the best is within the tolerance of the best of all.
    """

    text: str
    n: int
    best: float
    is_near: bool


@dataclass(frozen=True, kw_only=True)
class ValueSensitivity:
    """The trials of an entry over one searched value; scores of diverged trials are NaN here.

    Attributes:
        searched: The range.
        places: The number of each trial, or the index of its choice, shape (n_trials,).
        scores: Validation objective of each trial, shape (n_trials,).
        diverged: True for trials that diverged, shape (n_trials,).
        numbers: Indices of the trials, from 0.
        width: Envelope and width of good numbers; None for choices, and with too few trials.
        error: Standard error of the width, on its scale; None without a width.
        share: Share of the range, on its scale, that the width takes, from 0 to 1; None without a width.
        choices: The trials by choice; empty for numbers.
    """

    searched: Range
    places: Floats
    scores: Floats
    diverged: NDArray[np.bool_]
    numbers: tuple[int, ...]
    width: NumberSensitivity | None
    error: float | None
    share: float | None
    choices: tuple[TrialsOfChoice, ...]


def value_sensitivities(experiment: ComparedExperiment) -> dict[str, dict[str, ValueSensitivity]]:
    """Return the sensitivity to each value that was searched, by its name and by the label of the entry.

    Args:
        experiment: The experiment.
    """
    found: dict[str, dict[str, ValueSensitivity]] = {}
    for entry in experiment.entries:
        ranges = {name: searched for study in entry.studies for name, searched in study.ranges.items()}
        for name, searched in ranges.items():
            if (one := _sensitivity(entry, searched, experiment.metric)) is not None:
                found.setdefault(name, {})[entry.label] = one
    return found


def tolerance_of(scores: Floats, metric: ObjectiveMetric) -> float:
    """Return how far below the best a score is still near it.

    Args:
        scores: The objectives, shape (n,), some of them finite.
        metric: The study's objective.
    """
    best = float(np.max(metric.sign * scores[np.isfinite(scores)]))
    # Losses may be of any size; a best of exactly zero is near equal ones alone.
    return _TOLERANCE if metric.is_share else max(_TOLERANCE * abs(best), float(np.finfo(np.float64).tiny))


def _sensitivity(entry: Entry, searched: Range, metric: ObjectiveMetric) -> ValueSensitivity | None:
    placed = [
        (run, place) for run in entry.trials if run.state != "failed" and np.isfinite(place := _place(run, searched))
    ]
    if not placed:
        return None
    values = [metric.validation(run) for run, _ in placed]
    scores = np.array([metric.worst if value is None else value for value in values])
    places = np.array([place for _, place in placed])
    diverged = np.array([run.state == "diverged" for run, _ in placed])
    is_any = not np.all(diverged) and bool(np.any(np.isfinite(scores)))
    width, error, choices = None, None, tuple[TrialsOfChoice, ...]()
    if searched.choices is not None:
        choices = _by_choice(places, scores, searched, metric) if is_any else ()
    elif is_any and len(placed) >= ENOUGH_FOR_A_WIDTH:
        tolerance = tolerance_of(scores, metric)
        width = number_sensitivity(
            places, scores, scale=searched.scale, direction=metric.direction, tolerance=tolerance
        )
        halves = np.random.default_rng(0)  # the same page from the same studies
        error = width_error(
            places, scores, scale=searched.scale, direction=metric.direction, generator=halves, tolerance=tolerance
        )
    return ValueSensitivity(
        searched=searched,
        places=places,
        scores=np.where(diverged, np.nan, scores),
        diverged=diverged,
        numbers=tuple(run.number for run, _ in placed),
        width=width,
        error=error,
        share=None if width is None else width.width / length_of(searched),
        choices=choices,
    )


def width_interval(width: float, error: float | None, *, length: float) -> tuple[float, float] | None:
    """Return the 90 % interval of a width, within 0 and the length of its range; None where it is not known.

    Args:
        width: The width.
        error: Its standard error; None or NaN: not known.
        length: The length of the range, on the same scale.
    """
    if error is None or not np.isfinite(error):
        return None
    return max(0.0, width - NORMAL_90 * error), min(length, width + NORMAL_90 * error)


def length_of(searched: Range) -> float:
    """Return the length of a range of numbers on its scale: decades, or the number's own units on a linear scale.

    Args:
        searched: The range.
    """
    low, high = to_scale([searched.low or 0.0, searched.high or 0.0], searched.scale)
    return float(high - low)


def _place(run: RunRecord, searched: Range) -> float:
    """Return the number of a trial, or the index of its choice; NaN without one."""
    if searched.choices is None:
        number = number_of(run, searched.argument)
        return number if _can_hold(number, searched) else np.nan
    texts = [text_of(choice) for choice in searched.choices]
    text = run.params.get(searched.argument)
    return float(texts.index(text)) if text in texts else np.nan


def _can_hold(number: float, searched: Range) -> bool:
    return {"log": number > 0, "one_minus_log": number < 1}.get(searched.scale, True)


def _by_choice(places: Floats, scores: Floats, searched: Range, metric: ObjectiveMetric) -> tuple[TrialsOfChoice, ...]:
    turned = metric.sign * scores
    least = float(np.max(turned)) - tolerance_of(scores, metric)
    found: Mapping[int, Floats] = {index: turned[places == index] for index in range(len(searched.choices or ()))}
    return tuple(
        TrialsOfChoice(
            text=text_of(choice),
            n=len(found[index]),
            best=metric.sign * float(found[index].max()),
            is_near=bool(found[index].max() >= least),
        )
        for index, choice in enumerate(searched.choices or ())
        if len(found[index])
    )
