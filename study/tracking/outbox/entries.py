"""The records of runs as entries, which can wait in a file and be delivered more than once."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow.entities import Metric

# The artifact with the traceback of a failed trial.
ERROR = "error.txt"


@dataclass(frozen=True, kw_only=True)
class Start:
    """The start of a run, or its continuation after it was cut off.

    Attributes:
        run: Our key of the run.
        name: Name of the run.
        tags: Tags of the run.
        params: Params of the run.
        started: Time of the start, in milliseconds since 1970.
        before: Ids of earlier runs of the trial, which this run replaces. The last one continues instead if it had
            failed. Default: none.
        goes_on: Continue the last one also if it was cut off, provided that it is the same training. Default False.
    """

    run: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    started: int
    before: Sequence[str] = ()
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True)
class Log:
    """Metrics and tags of a run.

    Attributes:
        run: Our key of the run.
        metrics: The metrics. Default: none.
        tags: The tags. Default: none.
    """

    run: str
    metrics: Sequence[Metric] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class File:
    """An artifact of a run.

    Attributes:
        run: Our key of the run.
        path: Path of the artifact in the run.
        content: Content of the artifact.
    """

    run: str
    path: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The end of a run.

    Attributes:
        run: Our key of the run.
        status: MLflow's status: FINISHED, FAILED or KILLED.
        ended: Time of the end, in milliseconds since 1970.
    """

    run: str
    status: str
    ended: int


RunEntry = Start | Log | File | Finish
_KINDS: Mapping[str, type[RunEntry]] = {"start": Start, "log": Log, "file": File, "end": Finish}


def to_line(entry: RunEntry) -> str:
    """Return an entry as one line of JSON; non-finite values are written in the form of Python's `json`.

    Args:
        entry: The entry.
    """
    name = next(name for name, kind in _KINDS.items() if isinstance(entry, kind))
    body: dict[str, Any] = dict(vars(entry))
    if isinstance(entry, Log):
        body["metrics"] = [[m.key, m.value, m.timestamp, m.step] for m in entry.metrics]
    if isinstance(entry, File):
        body["content"] = base64.b64encode(entry.content).decode()
    return json.dumps({"entry": name, **body}) + "\n"


def from_line(line: str) -> RunEntry:
    """Return the entry of a line.

    Args:
        line: The line, as `to_line` returned it.

    Raises:
        ValueError: The line is not an entry.
    """
    try:
        body = json.loads(line)
        kind = _KINDS[body.pop("entry")]
        if kind is Log:
            body["metrics"] = [Metric(*row) for row in body["metrics"]]
        if kind is File:
            body["content"] = base64.b64decode(body["content"])
        return kind(**body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no entry: {line[:80]!r}") from error
