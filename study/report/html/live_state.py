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


def live_state(records: Sequence[StudyRecord], *, n_abandoned: int = 0) -> LiveState:
    """Return the state of studies: how many run, what they have done, and how many were abandoned.

    Args:
        records: The studies, with their trials.
        n_abandoned: Number of the studies that run by their store, and whose process has died. Default 0.
    """
    n_running = sum(record.status == "RUNNING" for record in records) - n_abandoned
    n_trials = sum(run.state is not None for record in records for run in record.trials)
    n_confirmations = sum(run.state is not None for record in records for run in record.confirmations)
    done = f"{_counted(n_trials, 'trial')} and {_counted(n_confirmations, 'confirmation')}"
    n = len(records)
    lost = _abandoned(n_abandoned) if n_abandoned else ""
    if n_abandoned and not n_running:
        lost = "The study is abandoned: its process has died" if n == 1 else f"No study runs, {lost}"
        return LiveState(kind="ended", text=f"{lost}; {done} so far")
    if not n_running:
        ended = "The study has ended" if n == 1 else f"All {n} studies have ended"
        return LiveState(kind="ended", text=f"{ended}, with {done}")
    which = "The study runs" if n == 1 else f"{n_running} of {n} studies {'runs' if n_running == 1 else 'run'}"
    return LiveState(kind="running", text="; ".join(filter(None, (f"{which}, {done} so far", lost))))


def _abandoned(n: int) -> str:
    return f"{n} {'is' if n == 1 else 'are'} abandoned: {'its' if n == 1 else 'their'} process has died"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
