"""Stop a study whose trials all fail, and explain their errors."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.failure_text import IN_SHORT
from study.core.machine_limits import is_out_of_card_memory, is_out_of_memory
from study.core.names import one_trial_command
from study.core.nvidia import memory_advice
from study.core.redaction import redact
from study.core.search_space import text_of
from study.core.trainer_interface import Trial, TrialResult

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
        config: The study's config; `max_failed_trials` failures in a row end the study.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._config, self._limit = config, config.max_failed_trials
        self._in_a_row: list[str] = []
        self._first = 0

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
                self._first = self._first if len(self._in_a_row) > 1 else result.trial.number
            else:
                self._in_a_row.clear()
        if self._limit is not None and len(self._in_a_row) >= self._limit:
            told = f"the last {len(self._in_a_row)} trials that ended have all failed"
            advice = f"{_NEXT} To allow more failures, set max_failed_trials=null, or a number above {self._limit}."
            alone = try_alone(self._config, self._first)
            raise FailedTrialsError(f"{told}, {_alike(self._in_a_row)}{alone}\n{advice}")


def all_failed(errors: Mapping[int, str], config: StudyConfig) -> FailedTrialsError:
    """Return the error to raise if every trial of a study has failed.

    Args:
        errors: The last line of the error of each trial, by number.
        config: The study's config.
    """
    told = "its only trial has failed" if len(errors) == 1 else f"all {len(errors)} trials have failed"
    alone = try_alone(config, min(errors))
    return FailedTrialsError(f"{told}, {_alike([*errors.values()])}{alone}\nThere is nothing to confirm. {_NEXT}")


def failure_messages(failed: Sequence[TrialResult], config: StudyConfig, *, title: str) -> Iterator[str]:
    """Yield a text on each different error of trials: the error, the first trial's point and seeds, and how to try it.

    Args:
        failed: Results of failed trials.
        config: The study's config.
        title: What they are: `trial`, or for example `confirmation (tuned)`, which cannot be tried alone.
    """
    alike: dict[str, list[TrialResult]] = {}
    for result in failed:
        alike.setdefault(last_line(result.error), []).append(result)
    for error, results in alike.items():
        first = results[0].trial
        others = f", and {len(results) - 1} more with the same error" if len(results) > 1 else ""
        lines = [f"{title} {first.number}{others}: {error}", f"  {point_text(first)}"]
        if title == "trial":
            lines.append(f"  {try_alone(config, first.number)}")
        yield "\n".join(lines)


def point_text(trial: Trial) -> str:
    """Return the hyperparameters and the seeds of a trial in one line; a float has six digits.

    Args:
        trial: The trial.
    """
    point = [
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={text_of(value)}"
        for name, value in trial.hyperparameters.items()
    ]
    return ", ".join([*point, f"run_seed={trial.run_seed}", f"order_seed={trial.order_seed}"])


def try_alone(config: StudyConfig, number: int) -> str:
    """Return how to train one trial alone: the command, or its key where no command was typed.

    Args:
        config: The study's config.
        number: The trial's number.
    """
    if config.typed_words is None:
        return f"To train it alone, with all stores left as they are: set only_trial={number} in this config."
    command = redact(one_trial_command(config.typed_words, number))
    return f"To train it alone, with all stores left as they are: {command}"


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
        of_trial = {f"trainer.{key}": value for key, value in config.trainer.section.items()}
        section = {key.removeprefix("trainer."): v for key, v in {**of_trial, **result.trial.hyperparameters}.items()}
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
    if lines and lines[-1].startswith(IN_SHORT):
        return lines[-1].removeprefix(IN_SHORT)
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
