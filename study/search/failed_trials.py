"""Stop a study whose trials all fail, and explain their errors."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.machine_limits import is_out_of_card_memory, is_out_of_memory
from study.core.nvidia import memory_advice
from study.core.redaction import redact
from study.core.trainer_interface import TrialResult

_ADVICE = "Out of memory: lower"
_LONGEST = 300
_SIZES = ("batch_size", "eval_batch_size", "capacity")
_NEXT = (
    "Each of their runs has its traceback as the artifact error.txt (study ui). Correct the cause, then run the same "
    "command with --retry-failed: it trains the failed trials again, each under its number."
)


class FailedTrialsError(StudyError):
    """Too many trials failed."""

    exit_status = 1


class Failures:
    """Counter of trials that fail one after the other, in the order in which they end.

    A trial that ends in another way resets the count. A study may have a few points that fail, for example because
    they need too much memory; these count as spent trials.

    Args:
        limit: Number of failures in a row that ends the study; None: no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._in_a_row: list[str] = []

    def note(self, ended: Sequence[TrialResult]) -> None:
        """Count the failures among trials that ended and are recorded.

        Args:
            ended: Results of the trials, in the order in which they ended.

        Raises:
            FailedTrialsError: The limit is reached.
        """
        for result in ended:
            if result.state == "failed":
                self._in_a_row.append(last_line(result.error))
            else:
                self._in_a_row.clear()
        if self._limit is not None and len(self._in_a_row) >= self._limit:
            told = f"the last {len(self._in_a_row)} trials that ended have all failed"
            advice = f"{_NEXT} To allow more failures, set max_failed_trials=null, or a number above {self._limit}."
            raise FailedTrialsError(f"{told}, {_alike(self._in_a_row)}{advice}")


def all_failed(errors: Sequence[str]) -> FailedTrialsError:
    """Return the error to raise if every trial of a study has failed.

    Args:
        errors: The last line of the error of each trial.
    """
    told = "its only trial has failed" if len(errors) == 1 else f"all {len(errors)} trials have failed"
    return FailedTrialsError(f"{told}, {_alike(errors)}There is nothing to confirm. {_NEXT}")


def explained(result: TrialResult, config: StudyConfig) -> TrialResult:
    """Return a result whose error is redacted, with advice if memory ran out.

    Args:
        result: The result of a trial, failed or not.
        config: The study's config.
    """
    if result.error is None:
        return result
    error = redact(result.error)
    if is_out_of_memory(error):
        section = config.trainer.section
        sizes = [f"trainer.{key}={section[key]}" for key in _SIZES if section.get(key)]
        cards = f" {memory_advice()}" if is_out_of_card_memory(error) else ""
        error = f"{error.rstrip()}\n\n{_ADVICE} {', '.join(sizes)} or choose a smaller model.{cards.rstrip()}\n"
    return dataclasses.replace(result, error=error)


def last_line(error: str | None) -> str:
    """Return the line of a traceback that names the error, and the line after it.

    Keras writes the error itself in the line after its origin.

    Args:
        error: The traceback; None: the returned text says that there is no message.
    """
    lines = [line for line in re.sub(r"\x1b\[[\d;]*m", "", error or "").splitlines() if line.strip()]
    starts = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if lines and lines[-1].startswith(_ADVICE):
        return lines[-1]
    if not starts:
        return lines[-1].strip() if lines else "(no message)"
    named = [line for line in lines[starts[-1] + 1 :] if not line.startswith("  ")]
    return " ".join(line.strip() for line in named[:2])[:_LONGEST] or "(no message)"


def _alike(errors: Sequence[str]) -> str:
    counted = Counter(errors).most_common()
    (most, n) = counted[0]
    if len(counted) == 1:
        return f"with this error:\n  {most}\n" if len(errors) == 1 else f"with the same error:\n  {most}\n"
    return f"with {len(counted)} different errors; the most frequent, {n} times:\n  {most}\n"
