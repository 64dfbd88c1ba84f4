"""Compose the configs of all jobs of a command line, as Hydra will, and check them before the first job starts."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra import initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from study.cli.launch.exported_choices import translate
from study.cli.launch.hydra_messages import in_our_words, missing_choice
from study.cli.launch.hydra_settings import refuse_code
from study.cli.launch.overrides import TypedValue, given_texts, read_overrides
from study.cli.launch.own_conf import OwnFile, find_own_conf, missing_keys, own_files, unreadable_files, with_files
from study.cli.launch.own_defaults import merge_own_defaults, swept_keys, used_defaults
from study.cli.launch.search_words import fixed_and_searched, without_fixed_ranges
from study.cli.launch.study_labels import label, searched_label
from study.cli.launch.words import allow_new_keys, flags_first
from study.config.known_keys import helper_keys
from study.config.named_settings import refuse_given, refuse_unused_ranges
from study.core.errors import ConfigError, Fault, StudyError
from study.core.redaction import texts, written_out

# Libraries that compose a config.
_LIBRARIES = ("hydra", "omegaconf", "yaml", "antlr4")
_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# Choices that may set any section.
_WHOLE = ("experiment", "best")


class CompositionError(StudyError):
    """Hydra could not compose the config; the message is Hydra's."""


class MisreadError(ConfigError):
    """Words that are no overrides, or choices that no file has.

    Args:
        faults: The faults.
        jobs: The jobs without these words, to look for further faults.
        left_out: Sections of the jobs that these words concern.
    """

    def __init__(self, faults: Sequence[Fault], *, jobs: Sequence[Job], left_out: frozenset[str]) -> None:
        super().__init__(faults)
        self.jobs, self.left_out = jobs, left_out


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a command line.

    Attributes:
        overrides: The job's overrides, as words.
        values: The job's overrides, parsed.
        raw: The job's resolved config.
        helpers: Dotted keys that only references of the config read.
        files: The user's own files that the config was composed from. Default: none, or not known.
        labels: Names for the job's study: first a name of the values in which the jobs differ, then a name of all
            values that names contain.
    """

    overrides: tuple[str, ...]
    values: tuple[TypedValue, ...]
    raw: dict[str, Any]
    helpers: frozenset[str]
    labels: tuple[str, ...]
    files: tuple[OwnFile, ...] = ()


def prepare(arguments: Sequence[str]) -> list[str]:
    """Let every key be set without `+`, and find the working directory's own conf/.

    A file cannot list all arguments that a user may set. So missing keys are appended. They are compared with the
    constructors' arguments later, together with everything else.

    Args:
        arguments: The words after `study run`.

    Returns:
        The words for Hydra.

    Raises:
        StudyError: `best` or `enqueue` names a file that is not an exported configuration.
    """
    find_own_conf(arguments)
    merge_own_defaults(arguments)
    # Hydra only warns about schemas with the names of our files, but does so in every process of a launcher.
    schemas = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for name in ("joblib.yaml", "submitit_slurm.yaml"):
        schemas.pop(name, None)
    return translate(allow_new_keys(flags_first(arguments), swept=swept_keys(arguments)))


def compose_jobs(
    overrides: Sequence[str], *, multirun: bool, faults: Sequence[Fault] = (), unread: Collection[str] = ()
) -> list[Job]:
    """Compose every job.

    Args:
        overrides: The overrides of the command line.
        multirun: The command line has `-m`.
        faults: Faults of the command line that were found before. Default: none.
        unread: Sections that those faults concern. Default: none.

    Raises:
        CompositionError: Hydra refuses one of the jobs.
        MisreadError: A group has no such choice, or `faults` were given.
        ConfigError: An argument is both fixed and searched.
    """
    words, found, left_out = list(overrides), list(faults), set(unread)
    jobs: list[Job] = []
    while True:
        try:
            with initialize_config_module("study.conf", version_base=None):
                jobs = _compose_jobs(words, multirun=multirun)
            break
        except MissingConfigException as error:
            missing = missing_choice(error)
            if missing is None:
                raise CompositionError(in_our_words(error, overrides)) from error
            group, fault = missing
            if used_defaults(words).get(group) == fault.value:
                fault = replace(fault, advice=f"{fault.advice} The name is in conf/study.yaml.")
            found.append(fault)
            kept = [word for word in words if word.lstrip("+").partition("=")[0] != group]
            left_out.add(group)
            if kept == words:  # a file names the choice
                break
            words = kept
        except (HydraException, OmegaConfBaseException, OSError, ValueError, YAMLError) as error:
            if unreadable := unreadable_files():
                raise ConfigError([*found, *unreadable]) from error
            if not isinstance(error, HydraException | OmegaConfBaseException) and not _is_of_hydra(error):
                raise
            if found:
                break
            raise CompositionError(in_our_words(error, overrides)) from error
    if found:
        readable = [] if left_out & {*_WHOLE} else jobs
        raise MisreadError(found, jobs=readable, left_out=frozenset(left_out))
    return jobs


def _is_of_hydra(error: BaseException) -> bool:
    """Return whether Hydra or OmegaConf raised an error, some of which are plain errors of Python."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    return str(last.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES


def _compose_jobs(overrides: list[str], *, multirun: bool) -> list[Job]:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    loader = hydra.config_loader
    single = None if multirun else _single(loader, overrides)
    if single is not None and single.hydra.mode != RunMode.MULTIRUN:
        refuse_code(single.hydra)
        return [_split(single)]
    master = loader.load_configuration(
        config_name="config", overrides=overrides, run_mode=RunMode.MULTIRUN, validate_sweep_overrides=False
    )
    refuse_code(master.hydra)
    if not multirun and master.hydra.mode != RunMode.MULTIRUN:  # neither one job nor a sweep: Hydra's error says why
        return [_split(loader.load_configuration(config_name="config", overrides=overrides, run_mode=RunMode.RUN))]
    if master.hydra.sweeper._target_ != _BASIC_SWEEPER:
        HydraConfig.instance().set_config(master)
        return []  # another sweeper makes its jobs one by one; each is checked at its start
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=loader)
    parsed = parser.parse_overrides([*params, *master.hydra.overrides.task])
    _refuse_intervals(parsed)
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [_split(loader.load_sweep_config(master, list(job))) for job in batch]


def _refuse_intervals(parsed: Sequence[Override]) -> None:
    """Refuse intervals among the values of a sweep in a file, which are a study each."""
    faults = []
    for override in parsed:
        if override.is_interval_sweep():
            key = override.key_or_group
            advice = f"Write search: and the range of {key} below it, at the root of the file."
            allowed = "values for a study each: A,B or choice(A,B) or range(START,STOP)"
            faults.append(Fault(key=key, value=override.get_value_string(), allowed=allowed, advice=advice))
    if faults:
        raise ConfigError(faults)


def _single(loader: ConfigLoader, overrides: list[str]) -> DictConfig | None:
    """Compose the only job; None where the words make several or none, as those of a sweep do."""
    try:
        return loader.load_configuration(config_name="config", overrides=overrides, run_mode=RunMode.RUN)
    except HydraException:
        return None


def read_job(own: DictConfig, overrides: Iterable[str], *, telling: Collection[str] = ()) -> Job:
    """Resolve a job's config and name its study.

    Args:
        own: The composed config, without Hydra's node.
        overrides: The job's overrides.
        telling: The keys in which the jobs of the command line differ. Default: none.

    Raises:
        ConfigError: An argument is both fixed and searched on the command line, a range on it would not be used, or a
            password is written out.
    """
    words = tuple(map(str, overrides))
    values = read_overrides(words)
    unresolved = OmegaConf.to_container(own, resolve=False)
    _refuse_passwords(unresolved)
    resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    raw = {str(key): value for key, value in resolved.items()}
    _refuse_fixed_and_searched(values)
    raw = without_fixed_ranges(raw, values)
    refuse_given(raw, given_texts(values))
    refuse_unused_ranges(raw, given_texts(values))
    helpers = helper_keys(raw, (text for _, text in texts(unresolved)))
    return relabeled(Job(overrides=words, values=values, raw=raw, helpers=helpers, labels=()), telling)


def relabeled(job: Job, telling: Collection[str]) -> Job:
    """Return a job with the names that its study gets among other jobs.

    Args:
        job: The job.
        telling: The keys in which the jobs differ.
    """
    everything = label(job.values, job.raw)
    first = (label(job.values, job.raw, only=telling),) if telling else ()
    return replace(job, labels=(*first, *searched_label(job.values, job.raw), everything))


def differing_keys(jobs: Sequence[Job]) -> frozenset[str]:
    """Return the keys whose values differ between the jobs of a command line."""
    given = [{typed.key: typed.text for typed in job.values} for job in jobs]  # the last text of a key counts
    return frozenset(key for words in given for key in words if len({other.get(key) for other in given}) > 1)


def _split(composed: DictConfig) -> Job:
    """Read a config that still has Hydra's node, which its own interpolations may refer to."""
    HydraConfig.instance().set_config(composed)
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    words, files = composed.hydra.overrides.task, own_files(composed.hydra.runtime.choices)
    if missing := missing_keys(own, files):
        typed = {value.key for value in read_overrides(map(str, words))}
        raise ConfigError(with_files(missing, files, typed=typed))
    return replace(read_job(own, words), files=tuple(files))


def _refuse_fixed_and_searched(values: Sequence[TypedValue]) -> None:
    """Refuse a value and a range of one key, as in `model.dropout=0 search.model.dropout.low=0`."""
    given = given_texts(values)
    faults = fixed_and_searched(values)
    for key in dict.fromkeys(typed.key for typed in values if not typed.deletes):
        _, _, argument = key.partition("optimizer.search.")
        fixed = f"optimizer.{argument.split('.')[0]}"
        if argument and fixed in given:
            advice = f"Remove {fixed} or {key} from the command."
            faults.append(Fault(key=fixed, value=given[fixed], allowed=f"no value together with {key}", advice=advice))
    if faults:
        raise ConfigError(faults)


def _refuse_passwords(unresolved: Any) -> None:
    """Refuse passwords that are written out, since every user of the machine can see command lines."""
    advice = (
        "Keep it in an environment variable, such as DB_PASSWORD, and write '${oc.env:DB_PASSWORD}' in its place; "
        "PostgreSQL also reads PGPASSWORD and ~/.pgpass, MLflow's client MLFLOW_TRACKING_PASSWORD."
    )
    allowed = "no password in plain text"
    found = written_out(unresolved)
    if found:
        raise ConfigError([Fault(key=key, value=shown, allowed=allowed, advice=advice) for key, shown in found])
