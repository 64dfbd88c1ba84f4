"""Wait for the other workers of a study, and say for whom if it takes long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from study.core.outages import say
from study.search.storage.lock_holders import PATIENCE_S, clock_text

# Time between two looks at the store, in seconds.
POLL_S = 0.2


class Wait:
    """A wait for other workers. A line on the terminal names them after some seconds, and again when they are others.

    Args:
        for_whom: Returns the work that is waited for and its workers, in words; empty if that is unknown.
    """

    def __init__(self, for_whom: Callable[[], str]) -> None:
        self._for_whom = for_whom
        self._since, self._began = time.localtime(), time.monotonic()
        self._looks_next = self._began + PATIENCE_S
        self._told = ""

    def pause(self) -> None:
        """Sleep until the next look at the store."""
        time.sleep(POLL_S)
        if time.monotonic() < self._looks_next:
            return
        self._looks_next = time.monotonic() + PATIENCE_S
        text = self._for_whom()
        if text and text != self._told:
            say(f"waiting since {clock_text(self._since)} for {text}")
            self._told = text


def trials_text(numbers_of: Mapping[str, Sequence[int]]) -> str:
    """Return `trials 3, 4 of process 4711; trial 5 of process 4712`.

    Args:
        numbers_of: Numbers of trials, by process in words.
    """
    return "; ".join(
        f"{'trial' if len(numbers) == 1 else 'trials'} {', '.join(map(str, sorted(numbers)))} of {process}"
        for process, numbers in numbers_of.items()
    )
