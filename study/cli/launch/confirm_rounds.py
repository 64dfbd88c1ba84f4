"""Further confirmations after all studies of a command, in the place where they were trained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from study.cli.launch.compose import Job, differing_keys, relabeled
from study.cli.launch.one_trial import typed_words
from study.cli.paragraphs import write_paragraphs

if TYPE_CHECKING:
    from study.config.schema import StudyConfig
    from study.pipeline.preflight import CheckedStudy

# Numbers of confirmations that jobs train in a round, by their overrides.
UpTo: TypeAlias = "Mapping[tuple[str, ...], int]"


def confirm_jobs_in_rounds(
    jobs: Sequence[Job], studies: Sequence[CheckedStudy], *, launch: Callable[[UpTo], None] | None
) -> None:
    """Train further confirmations of a command's jobs until their comparisons are decided.

    Args:
        jobs: The jobs of the command, which have run.
        studies: Their checked studies.
        launch: Lets a launcher run the jobs again, each up to its number of confirmations. None: this process does.

    Raises:
        StudyError: A store cannot be read, or a study failed.
    """
    overrides = {study.config.typed_digest: job.overrides for job, study in zip(jobs, studies, strict=True)}

    def launch_again(configs: Sequence[StudyConfig]) -> None:
        if launch is not None:
            launch({overrides[config.typed_digest]: config.confirm_up_to or 0 for config in configs})

    telling = differing_keys(jobs)
    typed = [
        replace(
            study,
            config=replace(study.config, typed_words=typed_words(job), labels=relabeled(job, telling).labels),
        )
        for job, study in zip(jobs, studies, strict=True)
    ]
    confirm_in_rounds(typed, train=None if launch is None else launch_again, tell=_tell)


def confirm_in_rounds(
    studies: Sequence[CheckedStudy],
    *,
    tell: Callable[[str], None],
    train: Callable[[Sequence[StudyConfig]], None] | None = None,
) -> None:
    """Train further confirmations of studies until their comparisons are decided.

    Args:
        studies: The studies, which have run.
        tell: Shows a line.
        train: Trains studies up to the number `confirm_up_to` of each. None (the default): this process does, one
            study after the other.

    Raises:
        StudyError: A store cannot be read, or a study failed.
    """
    if all(study.config.budget.confirm == "fixed" for study in studies):
        return
    from study.cli.launch.child_process import run_anywhere
    from study.pipeline.preflight import check_stores
    from study.rounds import confirm_until_decided

    of_settings = {study.config.typed_digest: study for study in studies}

    def train_here(configs: Sequence[StudyConfig]) -> None:
        for number, config in enumerate(configs, start=1):
            check_stores(config)  # studies before this one have written to them
            study = of_settings[config.typed_digest]
            placed = replace(config, place=(number, len(configs)))
            run_anywhere(placed, dataset=study.dataset, kept=study.kept)

    confirm_until_decided([study.config for study in studies], train=train or train_here, tell=tell)


def _tell(line: str) -> None:
    write_paragraphs([line], stream=sys.stderr, hanging="  ")
