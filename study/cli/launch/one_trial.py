"""The words of a command that repeats one job, and the check that `only_trial` has one study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException

from study.cli.launch.compose import Job
from study.cli.launch.exported_choices import FILE_GROUPS
from study.core.errors import ConfigError, Fault
from study.core.names import one_trial_command

# Words that do not belong to a study, or that its command for one trial has anew.
_LEFT_OUT = ("only_trial", "retry_failed", "worker", "hydra.mode")
# An experiment of several studies makes a sweep of every command; with this word there is one study.
_ONE_JOB = "hydra.mode=RUN"


def typed_words(job: Job) -> tuple[str, ...]:
    """Return the words of the command `study run` that has a job as its only one, as a user types them.

    Args:
        job: The job, which may be one of a sweep.
    """
    words = list(_words(job.overrides))
    swept = any(word.startswith("experiment=") for word in words)
    return (*words, *([_ONE_JOB] if swept else ()))


def refuse_sweep(jobs: Sequence[Job], *, sweeps: bool) -> None:
    """Refuse `only_trial` for a command of several studies, and for any other sweep, whose launcher writes files.

    Args:
        jobs: The jobs of the command line.
        sweeps: True if Hydra runs the jobs as a sweep.

    Raises:
        ConfigError: `only_trial` is set, and the command is a sweep.
    """
    tried = [job for job in jobs if job.raw.get("only_trial") is not None]
    if not sweeps or not tried:
        return
    number = tried[0].raw["only_trial"]
    advice = f"Leave out -m, for example: {one_trial_command(typed_words(tried[0]), number)}"
    allowed = f"one study, and this command is a sweep of {len(jobs)}"
    raise ConfigError([Fault(key="only_trial", value=number, allowed=allowed, advice=advice)])


def _words(overrides: Sequence[str]) -> Iterator[str]:
    for word in overrides:
        typed = word.removeprefix("++")
        key, _, value = typed.partition("=")
        if key in _LEFT_OUT:
            continue
        if key in FILE_GROUPS:
            with contextlib.suppress(HydraException, OSError):
                file = ConfigStore.instance().load(f"{key}/{value}.yaml").provider
                typed = f"{key}={file}" if file else typed
        yield typed
