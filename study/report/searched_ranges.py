"""Ranges that a study searched, read from its recorded config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from study.core.records import StudyRecord
from study.core.search_space import SCALES, Range, Scale

_PREFIX = "optimizer.search."


def searched_ranges(record: StudyRecord) -> dict[str, Range]:
    """Return the ranges that a study searched, by argument, in the recorded order.

    A config may have an optional range that is not searched, and a fixed argument is never searched. So a range counts
    if
    trials have a value for the argument and the config does not fix it.

    Args:
        record: The record of the study.
    """
    given = {key for run in record.trials for key in run.params}
    found: dict[str, Range] = {}
    for key in record.params:
        argument, _, part = key.removeprefix(_PREFIX).rpartition(".")
        if not key.startswith(_PREFIX) or part not in ("low", "choices") or argument in found:
            continue
        if argument in given and f"optimizer.{argument}" not in record.params:
            taken = [run.params[argument] for run in record.trials if argument in run.params]
            found[argument] = _range(argument, record.params, taken=taken)
    return found


def _range(argument: str, params: Mapping[str, str], *, taken: Sequence[str]) -> Range:
    own = f"{_PREFIX}{argument}."
    if (choices := params.get(f"{own}choices")) is not None:
        return Range(argument=argument, choices=_read_choices(choices, taken=taken))
    scale = params.get(f"{own}scale", "linear")
    return Range(
        argument=argument,
        low=float(params[f"{own}low"]),
        high=float(params[f"{own}high"]),
        scale=cast(Scale, scale if scale in SCALES else "linear"),
    )


def _read_choices(text: str, *, taken: Sequence[str]) -> tuple[Any, ...]:
    """Return recorded choices. MLflow's limit may have cut the list: then its whole items, and those that trials took.

    Args:
        text: The recorded list.
        taken: The recorded values of the trials.
    """
    try:
        return tuple(json.loads(text))
    except ValueError:
        choices = _whole_items(text)
    shown = {str(choice) for choice in choices}
    return (*choices, *(value for value in dict.fromkeys(taken) if value not in shown))


def _whole_items(text: str) -> list[Any]:
    """Return the items of a list without its end, up to the last one that is whole."""
    while "," in text:
        text = text.rpartition(",")[0]
        try:
            return list(json.loads(f"{text}]"))
        except ValueError:
            continue
    return []
