"""Errors for users. Each names the key, the value received, the allowed values, and the next step."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.core.keras_errors import read_keras_error
from study.core.machine_limits import (
    file_of,
    is_disk_full,
    is_locked,
    is_out_of_card_memory,
    is_out_of_memory,
    is_write_protected,
)
from study.core.readable_output import in_one_line, shown
from study.core.redaction import redact, redacted

_LONGEST = 500
_MORE_MEMORY = (
    "Close other programs, choose a smaller model, lower trainer.batch_size and trainer.eval_batch_size, or allow "
    "this process more (ulimit -v, the limits of a container or a batch job)."
)
_OWN_FAULT = re.compile(r"([\w.]+)=(.*?): expected (.*?)\.(?: (.*))?$", re.DOTALL)
# Part of the path of each module of this package.
_OURS = str(Path(__file__).parents[1])


class _NoValue:
    """Marker of a fault without a value."""


# In place of a fault's value: the fault is a word that gives a key no value.
NO_VALUE = _NoValue()


# Advice that a list of the allowed values makes needless.
_NO_NEWS = "Choose one of them."


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a configuration.

    Attributes:
        key: The dotted key as a user types it, such as `optimizer.learning_rate`.
        value: The value received, of any type; `NO_VALUE` without one.
        allowed: The allowed values, in words.
        advice: The next step, as one or more sentences.
    """

    key: str
    value: object
    allowed: str
    advice: str

    def __str__(self) -> str:
        given = "" if self.value is NO_VALUE else f"={_shown(redacted(self.value, key=self.key))}"
        advice = "" if self.advice in ("", _NO_NEWS) else f" {self.advice}"
        return f"{_shown(self.key)}{given}: expected {self.allowed}.{advice}"


def written(value: object) -> str:
    """Return a value as text; true, false and null as YAML and command lines write them.

    Args:
        value: The value.

    Raises:
        ValueError: The value is an integer of more digits than Python writes.
    """
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """Return a value as text that every terminal can print; a long one is cut."""
    try:
        text = written(value)
    except ValueError:  # Python writes no integers of more than 4300 digits
        text = "(a huge number)"
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return in_one_line(text)


def listed(faults: Sequence[Fault], *, where: str) -> str:
    """Return a message of all faults, such as `2 faults in the config:`, with a line for each.

    Args:
        faults: The faults, in the order of the message.
        where: The words between the count and the colon.
    """
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n".join([f"{count} {where}:", *(f"  {fault}" for fault in faults)])


def told_with_place(error: BaseException) -> str:
    """Return `raises KeyError: 'x' (load in own.py, line 12)`: an error of a user's code, with its innermost place.

    Places in installed packages and in this one are left out.

    Args:
        error: The error, with its traceback.

    Raises:
        MemoryRanOutError: Memory ran out, which is no fault of the code.
    """
    refuse_out_of_memory(error, "calling code that the config names")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and _OURS not in frame.filename]
    place = f" ({own[-1].name} in {Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    first = read_keras_error(error).cause
    return f"raises {type(error).__name__}{': ' if first else ''}{_shown(first.rstrip('.'))}{place}"


def own_fault(error: BaseException) -> Fault | None:
    """Return the fault that an error of ours tells, such as `model.hidden=x: expected y. Z`; None for another error.

    Args:
        error: The error.
    """
    own = _OWN_FAULT.match(str(error))
    return None if own is None else Fault(key=own[1], value=own[2], allowed=own[3], advice=own[4] or "")


def blamed(
    key: str,
    arguments: Mapping[str, object],
    error: Exception,
    *,
    name: str,
    works_without: Callable[[str], bool] | None = None,
) -> Fault:
    """Return the fault of a part that cannot be built or used, under the key of the argument to which it is due.

    That is the argument that the error names; else the one without which the part works; else the only one that is no
    number.

    Args:
        key: Key of the part's section, such as `pruner`.
        arguments: The arguments of the part, by name.
        error: The error that building or using it raised.
        name: Name of the part.
        works_without: Builds and uses the part without an argument. None (the default): that cannot be tried.
    """
    if own := own_fault(error):
        return own
    words = re.findall(r"\w+", str(error))
    given = {
        each: value for each, value in arguments.items() if each not in ("_target_", "name") and value is not None
    }
    named = sorted((each for each in given if each in words), key=words.index)
    if not named and works_without is not None:
        named = [each for each in arguments if each not in ("_target_", "name") and works_without(each)]
    texts = [each for each, value in given.items() if isinstance(value, str | tuple | list)]
    culprit = next(iter(named or (texts if len(texts) == 1 else ())), None)
    arguments_given = ", ".join(f"{each}={value}" for each, value in given.items())
    advice = f"Correct its arguments ({arguments_given}), or choose another {key}."
    return Fault(
        key=key if culprit is None else f"{key}.{culprit}",
        value=name if culprit is None else arguments[culprit],
        allowed=f"arguments that {key.partition('.')[0]}={name} can be used with; it {told_with_place(error)}",
        advice=advice if culprit is None else f"Correct {key}.{culprit}.",
    )


class StudyError(Exception):
    """An error with a message for the user; it ends a command with `exit_status`."""

    exit_status = 2

    def __str__(self) -> str:
        return shown(redact(super().__str__()))  # wherever it is shown, in a traceback too


class MemoryRanOutError(StudyError):
    """Memory ran out. The same command can work when there is more of it."""

    exit_status = 1


class ConfigError(StudyError):
    """A configuration with one or more faults, all of them reported at once.

    Args:
        faults: The faults, at least one, in the order of the message. The attribute `faults` has them as a tuple.
        where: The place of the faults, in words. Default: the config.
    """

    def __init__(self, faults: Sequence[Fault], *, where: str = "in the config, nothing was started") -> None:
        self.faults = tuple(faults)
        super().__init__(listed(self.faults, where=where))


class StoreError(StudyError):
    """A store that cannot be opened, or was written by another version."""


class StoreAwayError(StoreError):
    """A store that cannot be used now, and can be later: a server that is away, a full disk, a locked database."""

    exit_status = 1


class DataError(StudyError):
    """A data set that is missing or truncated, or whose shape contradicts its format."""


class BackendError(StudyError):
    """A Keras backend that is not installed, or is not the one that this process holds."""


def refuse_out_of_memory(error: BaseException, what: str) -> None:
    """Say that memory ran out where an error would pass for a fault of the config or of a user's code.

    Args:
        error: The error that was met.
        what: The work that it ended, such as `importing keras`.

    Raises:
        MemoryRanOutError: The error is that of memory that ran out.
    """
    if is_out_of_memory(error):
        from study.core.nvidia import memory_advice  # its libraries take time, and every command imports this module

        advice = (is_out_of_card_memory(error) and memory_advice()) or _MORE_MEMORY
        raise MemoryRanOutError(
            f"{what}: memory ran out ({_reason(error)}). {advice} Then run the same command again."
        ) from error


@contextlib.contextmanager
def limit_errors(what: str) -> Iterator[None]:
    """Turn an error of memory, of a full disk, or of a write-protected place in the block into one message.

    Args:
        what: The work of the block.

    Raises:
        MemoryRanOutError: Memory ran out.
        StoreAwayError: A disk is full, or another program has locked a database.
        StoreError: A place cannot be written to.
    """
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        refuse_out_of_memory(error, what)
        if (told := limit_advice(error)) is None:
            raise
        place = f"{file_of(error)}: " if file_of(error) else ""
        raise told.error(f"{place}{what} cannot go on ({_reason(error)}). {told.advice}") from error


@dataclass(frozen=True, kw_only=True)
class LimitAdvice:
    """The next step after an error of a full disk, a locked database or a write-protected place.

    Attributes:
        advice: The step, as sentences.
        error: The class of error to raise: `StoreAwayError` if the same command can work later, else `StoreError`.
    """

    advice: str
    error: type[StoreError]


def limit_advice(error: BaseException) -> LimitAdvice | None:
    """Return the next step after an error of a full disk, a locked database or a write-protected place.

    Args:
        error: The error.

    Returns:
        The step; None for another error.
    """
    if is_disk_full(error):
        advice = "The disk is full. Make room there, then run the same command again."
        return LimitAdvice(advice=advice, error=StoreAwayError)
    if is_locked(error):
        advice = "Another program has held it for seconds. Wait until it ends, or end it; then try again."
        return LimitAdvice(advice=advice, error=StoreAwayError)
    if is_write_protected(error):
        advice = "It is write-protected. Allow writing there, or choose a folder that can be written to."
        return LimitAdvice(advice=advice, error=StoreError)
    return None


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0].removesuffix(": ").rstrip(":. ")
