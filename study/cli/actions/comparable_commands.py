"""The commands that compare a part of an experiment whose studies cannot all be compared."""

from __future__ import annotations

import json
import shlex
from typing import TextIO

from study.core.errors import StudyError
from study.core.names import typed_command
from study.report.comparable_groups import ComparableGroup, NotComparableError

_MOST_GROUPS = 5


def with_commands(error: NotComparableError) -> StudyError:
    """Return an error that names the commands which compare the largest groups.

    Args:
        error: The error without them.
    """
    several = [group for group in error.groups if len(group.studies) > 1]
    if not several:
        return error
    counted = "the only group" if len(several) == 1 else f"one of {len(several)} groups"
    lines = [f"  {_command(error.experiment, group)}   {len(group.studies)} studies" for group in several]
    more = len(lines) - _MOST_GROUPS
    shown = [*lines[:_MOST_GROUPS], *([f"  and {more} groups more"] if more > 0 else [])]
    alone = len(error.groups) - len(several)
    if alone:
        shown.append(f"  {alone} {'study is' if alone == 1 else 'studies are'} like no other")
    return StudyError("\n".join([f"{error}", f"Or compare {counted} of studies that can be compared:", *shown]))


def write_groups(error: NotComparableError, *, stream: TextIO) -> None:
    """Write the settings in which studies differ, and all groups, as one JSON object.

    Args:
        error: The error.
        stream: The stream to write to.
    """
    found = {
        "not_comparable": {
            "experiment": error.experiment,
            "n_studies": sum(len(group.studies) for group in error.groups),
            "differing": error.differing,
            "groups": [{"studies": [*group.studies], "where": [*group.where]} for group in error.groups],
        }
    }
    stream.write(f"{json.dumps(found, indent=1)}\n")


def _command(experiment: str, group: ComparableGroup) -> str:
    options = shlex.join(word for each in group.where for word in ("--where", each))
    return f"study compare {options} {typed_command('compare', experiment).removeprefix('study compare ')}"
