"""The exception that a signal raises to end a process, with the exit status of its command."""

from __future__ import annotations

import signal


def status_of(number: int) -> int:
    """Return the exit status that shells give to a process ended by a signal.

    Args:
        number: The signal.
    """
    return 128 + number


class Stopped(KeyboardInterrupt):
    """The first signal that ends this process.

    Args:
        number: The signal. Also an attribute.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_status(self) -> int:
        """Exit status of a command that the signal stopped: 143 for SIGTERM, 129 for SIGHUP, else 1."""
        return status_of(self.number) if self.asks_for_the_end else 1

    @property
    def asks_for_the_end(self) -> bool:
        """True if the signal ends a process; Ctrl-C ends only a command of it."""
        return self.number in (signal.SIGTERM, getattr(signal, "SIGHUP", None))

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in place of a traceback, which would be one of our own functions."""
        return ["Stopped: finished results are stored. Run the same cell again to continue."]
