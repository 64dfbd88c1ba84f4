"""Figures of the result: scores of confirmations by entry, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from study.report.configuration_kinds import kinds_text
from study.report.confirmed import divergence_text
from study.report.decision_text import NOT_TESTED
from study.report.figures.figure import Figure, Floats, interval, names_axis, note
from study.report.figures.scales import frame, without_outliers
from study.report.figures.style import SEEN, Style
from study.report.objective_metric import ObjectiveMetric
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment, Entry
from study.report.summary_rows import Row
from study.statistics.winner import CandidateDifference, is_testable

_ROW_HEIGHT = 34
_NOTED_ROW_HEIGHT = 42  # with a note between two rows, so that it lies over the marks of neither
_ROOM_OF_NOTE = 0.35  # of the width, also on a phone
_UNTUNED = "#7d7d7d"  # of all rows, as in the legend


def scores_figure(experiment: ComparedExperiment, rows: Sequence[Row], look: Mapping[str, Style]) -> Figure | None:
    """Draw every confirmation's score, the mean with its interval, and the untuned mean; best on top.

    Args:
        experiment: The experiment, with its entries.
        rows: The rows of the summary table, best first.
        look: The style of each entry, by label.
    """
    metric = experiment.metric
    shown = [row for row in rows if row.tuned is not None and math.isfinite(row.tuned.estimate)]
    if not shown:
        return None
    entries = {entry.label: entry for entry in experiment.entries}
    kind = kinds_text(experiment, [row.label for row in shown])
    traces = _keys(kind, has_interval=any(row.tuned is not None and math.isfinite(row.tuned.low) for row in shown))
    found = {row.label: _scores(entries[row.label], metric) for row in rows}
    untuned = {row.label: row.untuned.estimate for row in rows if row.untuned is not None}
    span = frame(
        [np.concatenate([without_outliers(found[row.label]), _ends(row)]) for row in shown],
        metric,
        others=np.concatenate([*found.values(), [*untuned.values()]]),
    )
    notes = []
    for place, row in enumerate(rows):
        y = len(rows) - 1 - place
        style = look[row.label]
        scores = found[row.label]
        notes += _outside(row, scores, metric, span, y=y)
        seeds = [
            f"study seed {study.seed}, confirmation {run.number}"
            for study in entries[row.label].studies
            for run in study.tuned
        ]
        traces.append(_seeds_trace(scores, seeds, y=y, style=style, name=row.label, digits=metric.hover_format))
        traces += _means(row, metric, y=y, style=style, first=row.label == next(iter(untuned), ""))
    return Figure(
        name="results",
        title=f"{metric.confirmed_on.capitalize()} results",
        description=f"Mean {metric.confirmed_spoken} of each configuration, its 95 % interval, every seed below "
        "it; circles are the untuned means. A row without a mean says why.",
        traces=traces,
        x={**_value_axis(metric.confirmed_spoken, share=metric.is_share), "range": span},
        y=names_axis([row.label for row in rows]),
        height=_height(len(rows), notes),
        extra={"annotations": notes} if notes else None,
    )


def differences_figure(
    outcome: Outcome, metric: ObjectiveMetric, look: Mapping[str, Style], *, labels: Sequence[str]
) -> Figure | None:
    """Draw the candidate's paired differences from the others with their corrected intervals; zero is a tie.

    Args:
        outcome: The compared scores, and the verdict.
        metric: The metric compared.
        look: The style of each entry, by label.
        labels: All labels, in the order of the page.
    """
    verdict = outcome.verdict
    if verdict is None or not is_testable(verdict):
        return None
    ordered = sorted(verdict.differences, key=lambda each: labels.index(outcome.labels[each.other]))
    unit = 100.0 if metric.is_share else 1.0
    traces: list[dict[str, Any]] = []
    places: list[Floats] = []  # what should be seen of each row, with a tie
    drawn: list[Floats] = []  # the difference under each seed
    for y, each in enumerate(reversed(ordered)):
        label = outcome.labels[each.other]
        mine, theirs, columns = outcome.pair_scores(verdict.candidate, each.other)
        seeds = metric.sign * (mine - theirs) * unit
        units = [f"{'study seed' if outcome.unit == 'study' else 'confirmation'} {number}" for number in columns]
        digits = "+.2f" if metric.is_share else "+.3g"
        seeds_trace = _seeds_trace(seeds, units, y=y, style=look[label], name=label, digits=digits)
        low, high = each.low_holm, each.high_holm
        text = f"{metric.change(each.mean)} ({metric.change_span(low, high, margin=outcome.margin)}), {_p(each)}"
        if why := outcome.silence(outcome.pair_of(verdict.candidate, each.other)):
            low, high, text = math.nan, math.nan, f"{metric.change(each.mean)}, {why}"
        with_ends = interval(each.mean * unit, low * unit, high * unit, y=y, style=look[label], name=label, text=text)
        traces += [seeds_trace, with_ends]
        places.append(np.concatenate([without_outliers(seeds), np.array([each.mean, low, high]) * unit]))
        drawn.append(seeds / unit)
    span, notes = _difference_frame(places, [each.mean for each in ordered[::-1]], drawn, metric, unit=unit)
    title = f"{'points' if metric.is_share else metric.confirmed_spoken} by which {outcome.candidate} is better"
    return Figure(
        name="differences",
        title="Paired differences",
        description=f"Differences of {outcome.candidate} from each other over shared {outcome.units_text}, with "
        f"intervals that hold for all pairs{' and looks' if len(outcome.looks) > 1 else ''} together.",
        traces=traces,
        x={"title": title, "zeroline": True, "zerolinewidth": 2, "range": span},
        y=names_axis([outcome.labels[each.other] for each in ordered]),
        height=_height(len(ordered), notes),
        extra={"annotations": notes} if notes else None,
    )


def _difference_frame(
    places: Sequence[Floats], means: Sequence[float], drawn: Sequence[Floats], metric: ObjectiveMetric, *, unit: float
) -> tuple[list[float] | None, list[dict[str, Any]]]:
    """Return the range that shows the small differences, which matter most, and notes that name the others.

    Args:
        places: What should be seen of each row, from the bottom, in the unit of the axis.
        means: The mean difference of each row, in the unit of the metric.
        drawn: The difference under each seed of each row, in the unit of the metric.
        metric: The metric compared.
        unit: The unit of the axis over that of the metric.
    """
    size = replace(metric, is_share=False, direction="minimize")
    span = frame([*places, np.zeros(1)], size, others=np.concatenate(places))  # a tie is always seen
    if span is None:
        return None, []
    low, high = span
    notes = []
    for y, (mean, seeds) in enumerate(zip(means, drawn, strict=True)):
        known = seeds[np.isfinite(seeds)]
        above, below = known[known * unit > high], known[known * unit < low]
        text_of_mean = metric.change(mean) if mean * unit > high else ""
        to_right = _beyond_told(text_of_mean, above, metric.change, is_low=False, is_all=above.size == known.size)
        to_left = _beyond_told(
            "", below, metric.change, is_low=True, is_all=False
        )  # the frame holds every mean on this side
        if to_right:
            notes.append(note(f"{', '.join(to_right)} ▸", x=high, y=y + 0.2, right=True))
        if to_left:
            notes.append(note(f"◂ {', '.join(to_left)}", x=low, y=y + 0.2))
    return span, notes


def _beyond_told(mean: str, seeds: Floats, text: Callable[[float], str], *, is_low: bool, is_all: bool) -> list[str]:
    """Return the words for the mean and the seeds of a row that lie beyond an edge, if any.

    Args:
        mean: The mean in words; empty: it lies inside.
        seeds: The values of the seeds beyond the edge.
        text: Returns a value in words.
        is_low: Whether the edge is that of small values.
        is_all: Whether all seeds lie there, so that the mean tells enough of them.
    """
    of_seeds = f"{seeds.size} seed{'s' if seeds.size > 1 else ''}"
    if mean and (is_all or not seeds.size):
        return [f"{mean} ({of_seeds})"] if seeds.size else [mean]
    if not seeds.size:
        return []
    # Only the farthest: on a phone a note has the width of forty letters.
    farthest = text(float(seeds.min() if is_low else seeds.max()))
    to = "" if seeds.size == 1 else "down to " if is_low else "up to "
    return [*([mean] if mean else []), f"{of_seeds} {to}{farthest}"]


def _height(n_rows: int, notes: Sequence[Mapping[str, Any]]) -> int:
    between = any(each["yanchor"] != "middle" for each in notes)
    return 110 + (_NOTED_ROW_HEIGHT if between else _ROW_HEIGHT) * n_rows


def _scores(entry: Entry, metric: ObjectiveMetric) -> Floats:
    return np.array([value for run in entry.tuned if (value := metric.confirmed_score(run)) is not None])


def _ends(row: Row) -> Floats:
    """Return the mean and the ends of its interval, without those that are not finite."""
    if row.tuned is None:
        return np.empty(0)
    return np.array([end for end in (row.tuned.low, row.tuned.estimate, row.tuned.high) if math.isfinite(end)])


def _outside(
    row: Row, scores: Floats, metric: ObjectiveMetric, span: Sequence[float] | None, *, y: int
) -> list[dict[str, Any]]:
    """Return a note at the edge that names what of a row lies beyond it: nothing is left out silently."""
    if span is None:
        return []
    low, high = span
    missing = _no_mean(row)  # which says enough of seeds that all diverged
    beyond = scores[np.isfinite(scores) & ((scores < low) | (scores > high)) & (not missing)]
    is_beyond = row.tuned is not None and not low <= row.tuned.estimate <= high
    n_finite = int(np.isfinite(scores).sum())
    told = _beyond_told(
        f"mean {metric.text(row.tuned.estimate)}" if row.tuned is not None and is_beyond else "",
        beyond,
        metric.text,
        is_low=metric.direction == "maximize",
        is_all=beyond.size == n_finite,
    )
    if row.untuned is not None and math.isfinite(row.untuned.estimate) and not low <= row.untuned.estimate <= high:
        told.append(f"untuned {metric.text(row.untuned.estimate)}")
    if not told and not missing:
        return []
    # The frame holds the best value, so everything beyond is on the worse side.
    on_left = metric.direction == "maximize"
    is_free = _is_free(row, scores, span, on_left=on_left)
    text = ", ".join(told)
    text = (f"◂ {text}" if on_left else f"{text} ▸") if told else ""
    return [
        note(
            "; ".join(filter(None, [missing, text])),
            x=low if on_left else high,
            y=y if is_free else y + 0.2,
            right=not on_left,
            middle=is_free,
        ),
    ]


def _is_free(row: Row, scores: Floats, span: Sequence[float], *, on_left: bool) -> bool:
    """Return whether a row has room for a note. One above a row is near another's, so its own is better if free."""
    low, high = span
    untuned = [row.untuned.estimate] if row.untuned is not None and row.tuned is None else []
    drawn = np.concatenate([scores, _ends(row), untuned])
    drawn = drawn[np.isfinite(drawn) & (drawn >= low) & (drawn <= high)]
    from_edge = drawn - low if on_left else high - drawn
    return bool(np.all(from_edge > _ROOM_OF_NOTE * (high - low)))


def _no_mean(row: Row) -> str:
    """Return why a row has no mean; empty if it has one."""
    if row.tuned is not None:
        return ""
    if row.confirmed is not None:
        return f"all {row.confirmed.n} seeds diverged" if row.confirmed.n > 1 else "its seed diverged"
    if row.n_trials and row.states.get("diverged", 0) == row.n_trials:
        return f"all {row.n_trials} trials diverged" if row.n_trials > 1 else "its trial diverged"
    return f"no confirmation{' yet' if row.running else ''}"


def _means(row: Row, metric: ObjectiveMetric, *, y: int, style: Style, first: bool) -> list[dict[str, Any]]:
    if row.tuned is None or not math.isfinite(row.tuned.estimate):
        return _untuned(row, metric, y=y, first=first)
    tuned = row.tuned
    ends = f" ({metric.span(tuned.low, tuned.high)})" if math.isfinite(tuned.low) else ", no interval"
    apart = divergence_text(row.confirmed)
    text = f"mean{' of the others' if apart else ''} {metric.text(tuned.estimate)}{ends}, n = {tuned.n}"
    text += f"<br>{apart}" if apart else ""
    drawn = interval(tuned.estimate, tuned.low, tuned.high, y=y, style=style, name=row.label, text=text)
    return [{**drawn, "legendgroup": "tuned"}, *_untuned(row, metric, y=y, first=first)]


def _untuned(row: Row, metric: ObjectiveMetric, *, y: int, first: bool) -> list[dict[str, Any]]:
    if row.untuned is None or not math.isfinite(row.untuned.estimate):
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "untuned defaults",
            "legendgroup": "untuned",
            "showlegend": first,
            "x": [row.untuned.estimate],
            "y": [y],
            "marker": {"color": _UNTUNED, "symbol": "circle-open", "size": 10, "line": {"width": 2}},
            "hovertemplate": f"<b>{row.label}</b> untuned<br>{metric.text(row.untuned.estimate)}<extra></extra>",
        }
    ]


def _keys(kind: str, *, has_interval: bool) -> list[dict[str, Any]]:
    """Return traces without points that say in the legend what the marks of a row mean."""
    mean = f"{kind}mean, 95 % interval" if has_interval else f"{kind}mean"
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "legendgroup": group,
            "x": [math.nan],
            "y": [math.nan],
            "marker": {"color": _UNTUNED, "symbol": "circle", "size": size},
            "hovertemplate": "",
        }
        for name, group, size in ((mean, "tuned", 10), ("each seed", "seeds", 5))
    ]


def _seeds_trace(
    values: Floats, texts: Sequence[str], *, y: int, style: Style, name: str, digits: str
) -> dict[str, Any]:
    """Return a faint point for each seed, a little below the row's interval."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "legendgroup": "seeds",
        "showlegend": False,
        "x": values,
        "y": y - 0.16 + np.zeros(values.size),
        "marker": {"color": style.faint(SEEN), "symbol": style.marker, "size": 6},
        "text": list(texts),
        "hovertemplate": f"<b>{name}</b>, %{{text}}<br>%{{x:{digits}}}<extra></extra>",
    }


def _value_axis(title: str, *, share: bool) -> dict[str, Any]:
    return {"title": title, "tickformat": ".3~%"} if share else {"title": title}


def _p(difference: CandidateDifference) -> str:
    return NOT_TESTED if math.isnan(difference.p_holm) else f"adjusted p {difference.p_holm:.3g}"
