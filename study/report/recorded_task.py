"""The task of a study as its params in MLflow have it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from study.config.task import Metric, Task

_TASK = "dataset.task"
_TARGET = re.compile(rf"{re.escape(_TASK)}[.]loss[.](?P<output>\w+)[.]_target_")


def recorded_task(params: Mapping[str, str]) -> Task:
    """Return the task of a study, with the class of each loss and all metrics that can be read.

    Args:
        params: The recorded config.
    """
    single = params.get(f"{_TASK}.loss._target_")
    found = {match["output"]: value for key, value in params.items() if (match := _TARGET.fullmatch(key))}
    several = {output: {"_target_": target} for output, target in found.items()}
    loss = several if single is None and several else {"_target_": single or ""}
    outputs = () if "_target_" in loss else tuple(several)
    return Task(
        loss=loss,
        metrics=_metrics(params, "metrics", outputs),
        weighted_metrics=_metrics(params, "weighted_metrics", outputs),
    )


def _metrics(params: Mapping[str, str], kind: str, outputs: Sequence[str]) -> Any:
    if not outputs:
        return _read(params.get(f"{_TASK}.{kind}"))
    return {output: _read(params.get(f"{_TASK}.{kind}.{output}")) for output in outputs}


def _read(text: str | None) -> tuple[Metric, ...]:
    """Return a list of metrics; empty if MLflow's limit cut it off."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return ()
    entries = found if isinstance(found, list) else ()
    return tuple(each for each in entries if isinstance(each, str) or (isinstance(each, dict) and "name" in each))
