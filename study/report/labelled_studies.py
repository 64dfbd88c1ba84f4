"""The studies that the label of an entry means, so that what a page prints can be typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from study.core.records import StudyRecord, latest_of_settings
from study.report.studies import labelled_groups


def studies_of_label(label: str, records: Iterable[StudyRecord]) -> list[StudyRecord]:
    """Return the studies of the entry with a label, such as `adam (weight_decay 0.01)`; empty if no entry has it.

    An entry with several studies, which differ in their seeds, gives all of them.

    Args:
        label: The label as the comparison prints it.
        records: The studies of one experiment, with their trials.
    """
    printed = " ".join(label.split())  # the page has blanks at which no line is broken
    begun = [record for record in records if record.trials or record.confirmations]
    try:
        # A forced comparison shows the studies from before a change too, under labels of their own.
        return _of_label(printed, latest_of_settings(begun)) or _of_label(printed, begun)
    except ValueError:  # a seed was changed in the store, which no comparison accepts, so nothing was printed
        return []


def _of_label(label: str, records: Sequence[StudyRecord]) -> list[StudyRecord]:
    found = (group for told, _, group in labelled_groups(records) if told == label)
    return next(found, [])
