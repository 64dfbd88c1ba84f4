"""State of the studies on a page that follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from study.core.records import StudyRecord


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """State of the studies as the stores hold it.

    Attributes:
        kind: `running` while a study runs, else `ended`.
        text: The state in words.
    """

    kind: Literal["running", "ended"]
    text: str


def live_state(records: Sequence[StudyRecord]) -> LiveState:
    """Return the state of studies: how many run, and what they have done.

    A study whose process was killed counts as running, since its store says so, until its command runs again.

    Args:
        records: The studies, with their trials.
    """
    n_running = sum(record.status == "RUNNING" for record in records)
    n_trials = sum(run.state is not None for record in records for run in record.trials)
    n_confirmations = sum(run.state is not None for record in records for run in record.confirmations)
    done = f"{_counted(n_trials, 'trial')} and {_counted(n_confirmations, 'confirmation')}"
    n = len(records)
    if not n_running:
        ended = "The study has ended" if n == 1 else f"All {n} studies have ended"
        return LiveState(kind="ended", text=f"{ended}, with {done}")
    which = "The study runs" if n == 1 else f"{n_running} of {n} studies {'runs' if n_running == 1 else 'run'}"
    return LiveState(kind="running", text=f"{which}, {done} so far")


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
