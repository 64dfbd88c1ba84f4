"""Contents of the tables on searched values: the best ones, and how much of each range is good."""

from __future__ import annotations

from study.core.number_text import short_number
from study.report.comparison import Comparison
from study.report.html.tables import CellLine, Column, ReportTable, RowHeading
from study.report.studies import ComparedStudy
from study.report.summary_rows import edges_of
from study.report.value_sensitivity import ValueSensitivity, length_of


def best_values_table(comparison: Comparison) -> ReportTable | None:
    """Return the values of each study's best trial, a column for each value that a study searched; None without any.

    Args:
        comparison: The comparison.
    """
    studies = [study for study in comparison.experiment.studies if study.best is not None]
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
            RowHeading(label=study.record.name, color=look[labels[study.record.run_id]].color) for study in studies
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
        headings=[RowHeading(label=name, color=comparison.look[label].color, note=label) for name, label, _ in found],
        columns=[
            ("good values", "text", [_good(each) for _, _, each in found]),
            ("width", "number", [_width(each) for _, _, each in found]),
            ("share of the range", "strong", [_share(each) for _, _, each in found]),
            ("trials", "number", [each.places.size for _, _, each in found]),
        ],
        name="Sensitivity to searched values",
        notes=[
            "A width is too small on average, as that of the learning rate; with ≤ or ≥ it reaches an end of the "
            "range. A choice is good if its best trial is: with few trials it is easily missed."
        ],
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
    more = "at least " if each.width.open_low or each.width.open_high else ""
    return f"{more}{each.width.width:.2g} of {length_of(each.searched):.2g}{unit}"


def _share(each: ValueSensitivity) -> str:
    if each.share is None:
        return f"{sum(choice.is_near for choice in each.choices) / len(each.choices):.0%}"
    return f"{each.share:.0%}"
