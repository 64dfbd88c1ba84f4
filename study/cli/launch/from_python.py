"""Compose jobs for `study.compare`, as `study run` composes those of a command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from study.cli.launch.command_words import read_command_words
from study.cli.launch.compose import Job, MisreadError, compose_jobs, differing_keys, prepare, relabeled
from study.cli.launch.hydra_app import read_arguments, with_further_faults
from study.cli.launch.own_conf import texts_of
from study.cli.working_directory import own_conf, packaged_conf
from study.core.errors import ConfigError, Fault, StudyError

# The folder of sections without a file in a group's name: `model=given/build`.
GIVEN = "given"


def offer(group: str, section: Mapping[str, Any]) -> str:
    """Offer a section without a file to Hydra, and return the word that chooses it.

    Args:
        group: The group, such as `model`.
        section: The section, with a `name`.
    """
    name = str(section["name"])
    ConfigStore.instance().store(group=f"{group}/{GIVEN}", name=name, node=dict(section), package=group)
    return f"{group}={GIVEN}/{name}"


def choice_with(group: str, target: str) -> str | None:
    """Return the name of the only file of a group that names a `_target_`; None if none or several do.

    Args:
        group: The group, such as `model`.
        target: The `_target_`.
    """
    folders = [folder / group for folder in (own_conf(), packaged_conf()) if folder is not None]
    found = [file.stem for folder in folders for file in folder.glob("*.yaml") if _target_of(file) == target]
    return found[0] if len(found) == 1 else None


def compose_for_python(entries: Sequence[Sequence[str]]) -> list[list[Job]]:
    """Compose the jobs of each of several command lines, named as those of one command.

    Args:
        entries: The words of each, without flags.

    Raises:
        EntryError: Words of an entry have faults.
        StudyError: Hydra cannot compose the config.
    """
    faults: list[tuple[int, Fault]] = []
    composed: list[list[Job]] = []
    with _hydra_as_before():
        for index, words in enumerate(entries):
            try:
                composed.append(_compose(words))
            except ConfigError as error:
                faults += [(index, fault) for fault in error.faults]
    if faults:
        raise EntryError(faults)
    telling = differing_keys([job for jobs in composed for job in jobs])
    return [[relabeled(job, telling) for job in jobs] for jobs in composed]


class EntryError(StudyError):
    """Faults of several command lines.

    Args:
        faults: The faults, each with the index of its command line. Also an attribute.
    """

    def __init__(self, faults: Sequence[tuple[int, Fault]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for _, fault in faults))


def hidden_files(jobs: Sequence[Job]) -> list[str]:
    """Return a line for each file of the user's own that was taken instead of a built-in one.

    Args:
        jobs: The composed jobs.
    """
    return [*texts_of([file for job in jobs for file in job.files])]


def _compose(words: Sequence[str]) -> list[Job]:
    read = read_command_words(words)
    overrides = read_arguments(prepare(read.kept)).overrides
    try:
        return compose_jobs(overrides, multirun=True, faults=read.faults, unread=read.groups)
    except MisreadError as error:
        raise with_further_faults(error) from None


@contextlib.contextmanager
def _hydra_as_before() -> Iterator[None]:
    """Leave Hydra's own config as it was, of a program that Hydra has started."""
    config, program = HydraConfig.instance().cfg, GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        HydraConfig.instance().cfg, GlobalHydra.instance().hydra = config, program


def _target_of(file: Path) -> object:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content.get("_target_") if isinstance(content, Mapping) else None
