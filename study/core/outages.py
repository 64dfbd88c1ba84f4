"""Wait for a server that is away, and say so on the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from study.core.errors import StoreAwayError
from study.core.log_capture import behind_the_log
from study.core.redaction import redact

# Wait for a server whose address may be wrong, and for the delivery of a study's last records, in seconds.
SHORT_PATIENCE_S = 20.0
# Time between two attempts, in seconds: the first one, doubled each time, up to the longest one.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
_LONGEST_REASON = 200
_logger = logging.getLogger("study.servers")

Result = TypeVar("Result")


def nothing() -> None:
    """Do nothing."""


class Outage:
    """Outages of one server, as one process meets them; several threads may call it.

    Args:
        server: Name of the server.
        patience_s: Longest time to wait for the server, in seconds.
        meanwhile: A sentence that says what happens in the meantime. Default: empty.
        away: The error that means that this server is away. Default: any server.
    """

    def __init__(
        self, server: str, *, patience_s: float, meanwhile: str = "", away: type[StoreAwayError] = StoreAwayError
    ) -> None:
        self._server, self._patience_s, self._meanwhile, self._away = server, patience_s, meanwhile, away
        self._changing = threading.Lock()
        self._callers: set[str] = set()  # those whose last call failed
        self._since = 0.0
        self._ended: float | None = None

    def bridge(
        self,
        operation: Callable[[], Result],
        *,
        probe: Callable[[], None] = nothing,
        patience_of: Callable[[StoreAwayError], float] | None = None,
    ) -> Result:
        """Call an operation; while the server is away, call it again, after growing pauses.

        Args:
            operation: The operation, which may be called again after it failed anywhere.
            probe: Called before each repetition. Default: do nothing.
            patience_of: Longest wait after a failure, in seconds. None (the default): `patience_s`.

        Raises:
            StoreAwayError: The server is still away after the longest wait.
        """
        pause, first = _FIRST_PAUSE_S, None
        while True:
            try:
                if first is not None:
                    probe()
                result = operation()
            except self._away as error:
                now = time.monotonic()
                first = now if first is None else first
                patience_s = self._patience_s if patience_of is None else patience_of(error)
                if now - first >= patience_s:
                    self._forget("calls")
                    raise
                self.failed("calls", reason_of_outage(error), patience_s=patience_s)
                time.sleep(min(pause, max(0.0, first + patience_s - now)))
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except BaseException:
                self._forget("calls")
                raise
            else:
                self.succeeded("calls")
                return result

    def failed(self, caller: str, reason: str, *, patience_s: float | None = None) -> None:
        """Note that a call failed, and say so if no call has failed before.

        Args:
            caller: Name of the calling thread.
            reason: Reason of the failure, in one line.
            patience_s: Longest wait, in seconds. None (the default): the `patience_s` of this object.
        """
        with self._changing:
            is_first = not self._callers
            self._callers.add(caller)
            if not is_first:
                return
            self._since = time.monotonic()
        waits = self._patience_s if patience_s is None else patience_s
        say(
            f"{self._server} is away since {time.strftime('%H:%M:%S')} ({reason}). {self._meanwhile}"
            f"It is tried again for up to {waits:g} seconds."
        )

    def succeeded(self, caller: str) -> None:
        """Note that a call succeeded, and say so if the server was away for all callers until now.

        Args:
            caller: Name of the calling thread.
        """
        with self._changing:
            if caller not in self._callers:
                return
            self._callers.discard(caller)
            if self._callers:
                return
            self._ended = time.monotonic()
        say(f"{self._server} is back after {self._ended - self._since:.0f} seconds.")

    def is_recent(self, seconds: float) -> bool:
        """Return whether the server is away, or was away in the last seconds.

        Args:
            seconds: The number of seconds.
        """
        with self._changing:
            return bool(self._callers) or (self._ended is not None and time.monotonic() - self._ended < seconds)

    def _forget(self, caller: str) -> None:
        with self._changing:
            self._callers.discard(caller)


def reason_of_outage(error: BaseException) -> str:
    """Return the first line of the error behind an error.

    Args:
        error: The error.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:_LONGEST_REASON].rstrip(".")


def say(text: str) -> None:
    """Show a line on the terminal, and write it to the log of a study that runs.

    Args:
        text: The line.
    """
    text = redact(text)
    _logger.warning(text)
    terminal = behind_the_log(sys.stderr)
    if not _logger.handlers and terminal is not None:
        terminal.write(f"study run: {text}\n")


@contextlib.contextmanager
def said_through(write: Callable[[str], None]) -> Iterator[None]:
    """Show the lines of `say` through a function during the block.

    Args:
        write: The function, which shows a line.
    """
    handler = logging.Handler()
    setattr(handler, "emit", lambda record: write(record.getMessage()))  # noqa: B010 - mypy refuses an assignment
    _logger.addHandler(handler)
    try:
        yield
    finally:
        _logger.removeHandler(handler)
