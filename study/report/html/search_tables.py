"""Contents of the tables on searched values: the best ones, and how much of each range is good."""

from __future__ import annotations

from study.core.number_text import short_number
from study.report.comparison import Comparison
from study.report.curve_data import LearningRates
from study.report.html.tables import CellLine, Column, ReportTable, entry_heading, filled
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy
from study.report.summary_rows import edges_of
from study.report.value_sensitivity import ValueSensitivity, length_of, width_interval
from study.statistics.sensitivity import Sensitivity

_WIDTHS = (
    "A width is too small on average, as that of the learning rate; with ≤ or ≥ it reaches the trials at an end and "
    "may go on. Its interval is from random halves of the trials."
)
_CHOICES = "A choice is good if its best trial is: with few trials it is easily missed."


def sensitivity_table(comparison: Comparison) -> ReportTable | None:
    """Return the widths of the regions of good learning rates; None without an estimate."""
    found = [
        (label, each, each.sensitivity) for label, each in comparison.rates.items() if each.sensitivity is not None
    ]
    if not found:
        return None
    widths = [width for _, _, width in found]
    metric = comparison.experiment.metric
    point = "one point" if metric.is_share else "one percent"
    return ReportTable(
        caption=f"Learning rates at which the {envelope(metric)} envelope is within {point} of its best.",
        subject="optimizer",
        headings=[entry_heading(label, comparison.look[label]) for label, _, _ in found],
        columns=[
            ("width, decades", "strong", [_decades(width) for width in widths]),
            ("90 % interval", "number", [_width_interval(each) for _, each, _ in found]),
            ("from", "number", [f"{'≤ ' if width.open_low else ''}{width.low:.2g}" for width in widths]),
            ("to", "number", [f"{'≥ ' if width.open_high else ''}{width.high:.2g}" for width in widths]),
            ("trials", "number", [each.rates.size for _, each, _ in found]),
            ("diverged", "number", [int(each.diverged.sum()) for _, each, _ in found]),
        ],
        notes=[
            "≤ and ≥: the region reaches the trials at that end, so it may go on, and its width is a lower limit. The "
            "interval is from random halves of the trials; it does not hold the bias of the width."
        ],
    )


def envelope(metric: ObjectiveMetric) -> str:
    """Return the side on which the envelope of trials lies: `upper` where larger is better, else `lower`."""
    return "upper" if metric.direction == "maximize" else "lower"


def best_values_table(comparison: Comparison) -> ReportTable | None:
    """Return the values of each study's best trial, a column for each value that a study searched; None without any.

    Args:
        comparison: The comparison.
    """
    studies = [study for study in comparison.studies if study.best is not None]
    names = [*dict.fromkeys(name for study in studies for name in study.ranges)]
    if not names:
        return None
    look = comparison.look
    labels = {study.record.run_id: entry.label for entry in comparison.experiment.entries for study in entry.studies}
    columns: list[Column] = [(name, "lines", [_best(study, name) for study in studies]) for name in names]
    return ReportTable(
        caption="Values of the best trial of each study.",
        subject="study",
        headings=[
            entry_heading(comparison.experiment.label_of(study), look[labels[study.record.run_id]])
            for study in studies
        ],
        columns=columns,
        name="Best values",
        notes=[
            "The best of many trials is partly luck, and so are its values. Untuned: the value of the config, which a "
            "study without this search has."
        ]
        if any("." in name for name in names)
        else ["The best of many trials is partly luck, and so are its values."],
    )


def values_table(comparison: Comparison) -> ReportTable | None:
    """Return how much of each range is good, a row for each searched value of each entry; None without an estimate.

    Args:
        comparison: The comparison.
    """
    found = [
        (name, label, each)
        for name, of_entries in comparison.values.items()
        for label, each in of_entries.items()
        if each.width is not None or each.choices
    ]
    if not found:
        return None
    metric = comparison.experiment.metric
    point = "one point" if metric.is_share else "one percent"
    return ReportTable(
        caption=f"Values at which the best validation results are within {point} of the best of all.",
        subject="searched value",
        headings=[entry_heading(name, comparison.look[label], note=label) for name, label, _ in found],
        columns=filled(
            ("good values", "text", [_good(each) for _, _, each in found]),
            ("width", "number", [_width(each) for _, _, each in found]),
            ("90 % interval", "number", [_interval(each) for _, _, each in found]),
            ("share of the range", "strong", [_share(each) for _, _, each in found]),
            ("trials", "number", [each.places.size for _, _, each in found]),
        ),
        name="Sensitivity to searched values",
        notes=[_WIDTHS] * any(each.width is not None for _, _, each in found)
        + [_CHOICES] * any(each.choices for _, _, each in found),
    )


def _best(study: ComparedStudy, name: str) -> list[CellLine]:
    """Return the value of the best trial, the untuned one of a key, and a nearby edge."""
    assert study.best is not None
    own = study.record.params.get(name) if "." in name else None
    taken = study.best.params.get(name, own)
    if taken is None:
        return []
    lines: list[CellLine] = [("code", short_number(taken))]
    if name not in study.ranges:
        return [*lines, ("note", "not searched")]
    if own is not None:
        lines.append(("note", f"untuned {short_number(own)}"))
    return [*lines, *(("note", f"near the {edge.edge} end") for edge in edges_of(study) if edge.argument == name)]


def _good(each: ValueSensitivity) -> str:
    if each.width is None:
        return ", ".join(f"{choice.text} (best of {choice.n})" for choice in each.choices if choice.is_near)
    low, high = (short_number(f"{end:.3g}") for end in (each.width.low, each.width.high))
    if each.searched.scale == "one_minus_log":
        low, high = (short_number(repr(end)) for end in (each.width.low, each.width.high))
    return f"{'≤ ' if each.width.open_low else ''}{low} to {'≥ ' if each.width.open_high else ''}{high}"


def _width(each: ValueSensitivity) -> str:
    if each.width is None:
        return f"{sum(choice.is_near for choice in each.choices)} of {len(each.choices)} choices"
    unit = "" if each.searched.scale == "linear" else " decades"
    more = "≥ " if each.width.open_low or each.width.open_high else ""
    return f"{more}{each.width.width:.2g} of {length_of(each.searched):.2g}{unit}"


def _interval(each: ValueSensitivity) -> str:
    if each.width is None:
        return ""
    ends = width_interval(each.width.width, each.error, length=length_of(each.searched))
    return "" if ends is None else f"{ends[0]:.2g} to {ends[1]:.2g}"


def _share(each: ValueSensitivity) -> str:
    if each.share is None:
        return f"{sum(choice.is_near for choice in each.choices) / len(each.choices):.0%}"
    return f"{each.share:.0%}"


def _decades(found: Sensitivity) -> str:
    return f"{'≥ ' if found.open_low or found.open_high else ''}{found.width_decades:.2f}"


def _width_interval(found: LearningRates) -> str:
    assert found.sensitivity is not None
    ends = width_interval(found.sensitivity.width_decades, found.error, length=length_of(found.searched))
    return "" if ends is None else f"{ends[0]:.2f} to {ends[1]:.2f}"
