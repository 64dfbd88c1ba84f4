"""Ranges that a study searched, read from its recorded config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from study.core.records import StudyRecord
from study.core.search_space import SCALES, Range, Scale, Value, frozen, text_of

# Sections of ranges in a config: of the optimizer's arguments, and of other keys.
_OF_OPTIMIZER, _OF_CONFIG = "optimizer.search.", "search."
# A list of the arguments that alone are searched: empty for a named setting, which may leave some at their defaults.
_ONLY = "optimizer.search_only"


def searched_ranges(record: StudyRecord) -> dict[str, Range]:
    """Return the ranges that a study searched: of the optimizer's arguments by name, then of other keys by dotted key.

    Args:
        record: The record of the study.
    """
    return {
        argument: _range(argument, record, params=record.params)
        for argument in searched_names(record)
        if {f"{range_key(argument)}.low", f"{range_key(argument)}.choices"} & record.params.keys()
    }


def searched_names(record: StudyRecord) -> list[str]:
    """Return the names of what a study searched: the optimizer's arguments in the recorded order, then other keys.

    A config may have an optional range that is not searched, and a fixed argument is never searched. So a range counts
    if trials have a value for the argument, the config does not fix it, and `search_only` does not leave it out. A key
    of another section always has a value in the config, which the untuned tier has.

    Args:
        record: The record of the study.
    """
    given = {key for run in record.trials for key in run.params}
    only = _listed(record.params.get(_ONLY))
    found: dict[str, None] = {}
    for key in record.params:
        prefix = next((prefix for prefix in (_OF_OPTIMIZER, _OF_CONFIG) if key.startswith(prefix)), None)
        name, _, part = key.removeprefix(prefix or "").rpartition(".")
        if prefix is None or part not in ("low", "high", "choices") or name not in given:
            continue
        is_left_out = prefix == _OF_OPTIMIZER and only is not None and name not in only
        if ("." in name) == (prefix == _OF_CONFIG) and f"optimizer.{name}" not in record.params and not is_left_out:
            found[name] = None
    return sorted(found, key=lambda name: ("." in name, name if "." in name else ""))


def range_key(name: str) -> str:
    """Return the key of a range in the config, which a user types to change it.

    Args:
        name: Name of an argument of the optimizer, or a dotted key.
    """
    return f"{_OF_CONFIG if '.' in name else _OF_OPTIMIZER}{name}"


def choice_of(searched: Range, text: str) -> Value:
    """Return the choice that a run took; None if its recorded text is that of no choice.

    Args:
        searched: A range of choices.
        text: The recorded text.
    """
    return next((choice for choice in searched.choices or () if text_of(choice) == text), None)


def _range(argument: str, record: StudyRecord, *, params: Mapping[str, str]) -> Range:
    own = f"{range_key(argument)}."
    if (choices := params.get(f"{own}choices")) is not None:
        taken = [run.params[argument] for run in record.trials if argument in run.params]
        return Range(argument=argument, choices=_read_choices(choices, taken=taken))
    scale, step = params.get(f"{own}scale", "linear"), params.get(f"{own}step")
    return Range(
        argument=argument,
        low=float(params[f"{own}low"]),
        high=float(params[f"{own}high"]),
        scale=cast(Scale, scale if scale in SCALES else "linear"),
        integer=params.get(f"{own}integer") == "true",
        step=None if step is None else float(step),
    )


def _listed(text: str | None) -> list[Any] | None:
    """Return a recorded list; None without one, and for one that MLflow's limit cut."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _read_choices(text: str, *, taken: Sequence[str]) -> tuple[Value, ...]:
    """Return recorded choices. MLflow's limit may have cut the list: then its whole items, and those that trials took.

    Args:
        text: The recorded list.
        taken: The recorded values of the trials.
    """
    try:
        choices: tuple[Value, ...] = frozen(json.loads(text))
        return choices
    except ValueError:
        whole: tuple[Value, ...] = frozen(_whole_items(text))
    shown = {text_of(choice) for choice in whole}
    return (*whole, *(value for value in dict.fromkeys(taken) if value not in shown))


def _whole_items(text: str) -> list[Any]:
    """Return the items of a list without its end, up to the last one that is whole."""
    while "," in text:
        text = text.rpartition(",")[0]
        try:
            return list(json.loads(f"{text}]"))
        except ValueError:
            continue
    return []
