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
        n_begun: Number of studies. Default 0.
        n_to_come: Number of studies that running commands have not begun yet. Default 0.
    """

    kind: Literal["running", "ended"]
    text: str
    n_begun: int = 0
    n_to_come: int = 0

    @property
    def begun_text(self) -> str:
        """`2 of 4 studies begun`; empty if none is to come."""
        return f"{self.n_begun} of {self.n_begun + self.n_to_come} studies begun" if self.n_to_come else ""


def live_state(records: Sequence[StudyRecord], *, n_abandoned: int = 0, n_to_come: int = 0) -> LiveState:
    """Return the state of studies: how many run, what they have done, and how many were abandoned.

    Args:
        records: The studies, with their trials.
        n_abandoned: Number of the studies that run by their store, and whose process has died. Default 0.
        n_to_come: Number of studies that running commands have not begun yet. Default 0.
    """
    if not records:
        return LiveState(kind="running", text="Waiting for the first study")
    kind, text = _state(records, n_abandoned=n_abandoned, n_to_come=n_to_come)
    return LiveState(kind=kind, text=text, n_begun=len(records), n_to_come=n_to_come)


def _state(
    records: Sequence[StudyRecord], *, n_abandoned: int, n_to_come: int
) -> tuple[Literal["running", "ended"], str]:
    n_running = sum(record.status == "RUNNING" for record in records) - n_abandoned
    n_trials = sum(run.state is not None for record in records for run in record.trials)
    n_confirmations = sum(run.state is not None for record in records for run in record.confirmations)
    done = f"{_counted(n_trials, 'trial')} and {_counted(n_confirmations, 'confirmation')}"
    n = len(records)
    lost = _abandoned(n_abandoned) if n_abandoned else ""
    if n_abandoned and not n_running:
        lost = "The study is abandoned: its process has died" if n == 1 else f"No study runs, {lost}"
        return "ended", f"{lost}; {done} so far"
    if not n_running and n_to_come:
        return (
            "running",
            f"{n} of {n + n_to_come} studies {'has' if n == 1 else 'have'} ended, {_coming(n_to_come)}; {done} so far",
        )
    if not n_running:
        ended = "The study has ended" if n == 1 else f"All {n} studies have ended"
        return "ended", f"{ended}, with {done}"
    which = "The study runs" if n == 1 else f"{n_running} of {n} studies {'runs' if n_running == 1 else 'run'}"
    if n_to_come:
        coming = _coming(n_to_come)
        which = f"{n_running} of {n + n_to_come} studies {'runs' if n_running == 1 else 'run'}, {coming}"
    return "running", "; ".join(filter(None, (which + ("; " if n_to_come else ", ") + f"{done} so far", lost)))


def _coming(n: int) -> str:
    return f"{n} {'is' if n == 1 else 'are'} still to come"


def _abandoned(n: int) -> str:
    return f"{n} {'is' if n == 1 else 'are'} abandoned: {'its' if n == 1 else 'their'} process has died"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
