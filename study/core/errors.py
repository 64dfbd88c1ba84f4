"""Errors for users. Each names the key, the value received, the allowed values, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study.core.redaction import redact, redacted

_LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a configuration.

    Attributes:
        key: The dotted key as a user types it, such as `optimizer.learning_rate`.
        value: The value received, of any type.
        allowed: The allowed values, in words.
        advice: The next step, as one or more sentences.
    """

    key: str
    value: object
    allowed: str
    advice: str

    def __str__(self) -> str:
        return (
            f"{_shown(self.key)}={_shown(redacted(self.value, key=self.key))}: expected {self.allowed}. {self.advice}"
        )


def _shown(value: object) -> str:
    """Return a value as text that every terminal can print; a long one is cut."""
    try:
        text = str(value)
    except ValueError:  # Python writes no integers of more than 4300 digits
        text = "(a huge number)"
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class StudyError(Exception):
    """An error with a message for the user; it ends a command with `exit_status`."""

    exit_status = 2

    def __str__(self) -> str:
        return redact(super().__str__())  # wherever it is shown, in a traceback too


class ConfigError(StudyError):
    """A configuration with one or more faults, all of them reported at once.

    Args:
        faults: The faults, at least one, in the order of the message. The attribute `faults` has them as a tuple.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        listed = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{count} in the config, nothing was started:\n{listed}")


class StoreError(StudyError):
    """A store that cannot be opened, or was written by another version."""


class DataError(StudyError):
    """A data set that is missing or truncated, or whose shape contradicts its format."""


class BackendError(StudyError):
    """A Keras backend that is not installed, or is not the one that this process holds."""
