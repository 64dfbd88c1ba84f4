"""Lines on the terminal about the studies of a command: what is loaded, what will run, and the place of each study."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.cli.launch.compose import Job, relabeled
from study.cli.paragraphs import write_paragraphs
from study.config.schema import StudyConfig

if TYPE_CHECKING:
    from study.training.auto import Choice

_MOST_NAMES = 8


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """The parts of a job's check that a process of another launcher, which checks the job again, cannot find out.

    Attributes:
        choice: The trainer that the command chose for the job; None: the job names one.
        command_studies: The `typed_digest` of each study of the command in the job's experiment. Default: not known.
    """

    choice: Choice | None
    command_studies: tuple[str, ...] = ()

    def in_command(self, config: StudyConfig) -> StudyConfig:
        """Return a job's config with the studies of its command, unless its settings differ from the checked ones.

        Args:
            config: The config.
        """
        is_known = config.typed_digest in self.command_studies
        return replace(config, command_studies=self.command_studies) if is_known else config


def checking_text(jobs: Sequence[Job]) -> str:
    """Return a line that says what is loaded to check the jobs of a command.

    Args:
        jobs: The jobs.
    """
    studies = "the study" if len(jobs) == 1 else f"{len(jobs)} studies"
    return f"study run: loading Keras and the data, checking {studies}"


def tell_studies(jobs: Sequence[Job], configs: Sequence[StudyConfig], *, telling: Collection[str]) -> None:
    """Write a line for each experiment of a sweep, with the studies that are about to run.

    Args:
        jobs: The jobs of the sweep.
        configs: The configs of their studies.
        telling: The keys in which the jobs differ.
    """
    names = [config.study_name or relabeled(job, telling).labels[0] for job, config in zip(jobs, configs, strict=True)]
    for name in dict.fromkeys(config.experiment_name for config in configs):
        studies = [config for config in configs if config.experiment_name == name]
        ours = [title for title, config in zip(names, configs, strict=True) if config.experiment_name == name]
        titles = [*dict.fromkeys(ours)]  # values of a budget make one study
        more = f" and {len(titles) - _MOST_NAMES} more" if len(titles) > _MOST_NAMES else ""
        n = "1 study" if len(titles) == 1 else f"{len(titles)} studies"
        listed = ", ".join(titles[:_MOST_NAMES])
        write_paragraphs([f"{name}: {n}: {listed}{more}{_sizes(studies)}"], stream=sys.stderr, hanging="  ")


def in_its_place(
    config: StudyConfig, jobs: Sequence[tuple[str, ...]], overrides: tuple[str, ...], *, shares_screen: bool
) -> StudyConfig:
    """Return a study's config with its place among the jobs of its command.

    Args:
        config: The study's config.
        jobs: The overrides of the jobs, in their order.
        overrides: The overrides of the study's job.
        shares_screen: Several processes write to the terminal at once, where only lines do not disturb one another.
    """
    place = (jobs.index(overrides) + 1, len(jobs)) if overrides in jobs else (1, 1)
    live = False if shares_screen and config.live == "auto" else config.live
    return replace(config, place=place, live=live)


def _sizes(configs: Sequence[StudyConfig]) -> str:
    """Return the numbers of trials and confirmations, if they are the same in all studies."""
    sizes = {(config.n_trials, config.budget.n_confirmations) for config in configs}
    if len(sizes) > 1:
        return ""
    ((n_trials, n_confirmations),) = sizes
    trials = f"{n_trials} {'trial' if n_trials == 1 else 'trials'}"
    if not n_confirmations:
        return f"; {trials} each"
    up_to = "up to " if configs[0].budget.confirm == "sequential" else ""
    confirmations = f"{n_confirmations} {'confirmation' if n_confirmations == 1 else 'confirmations'}"
    return f"; {trials} each, and {up_to}{confirmations} of the best"
