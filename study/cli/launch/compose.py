"""Compose the configs of all jobs of a command line, as Hydra will, and check them before the first job starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra import initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from study.cli.launch.exported_choices import translate
from study.cli.launch.overrides import TypedValue, given_texts, read_overrides
from study.cli.working_directory import own_conf
from study.config.named_settings import refuse_given
from study.core.errors import ConfigError, Fault, StudyError
from study.core.names import in_label, shortened
from study.core.redaction import written_out

_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# Overrides that names of studies leave out: all studies of an experiment share them, or they change no result.
_NOT_TELLING = (
    "dataset",
    "model",
    "optimizer",
    "experiment",
    "experiment_name",
    "study_name",
    "storage",
    "tracking_uri",
    "live",
    "worker",
    "budget",
    "allow_targets",
    "max_failed_trials",
    "retry_failed",
    "accept_changes",
    "settings",
)
# Sections whose keys no file lists; without `++`, Hydra would ask for a plus before each key.
_OPEN = ("optimizer.", "settings.", "settings=")
_NOT_TELLING_SECTIONS = (
    "settings.",
    "budget.",
    "storage.",
    "tracking.",
    "hydra.",
    "hydra/",
    "dataset.path",
    "trainer.capacity",
)


class _OwnConf(SearchPathPlugin):
    """Plugin that adds the working directory's conf/; `glob(*)` and completion ignore `hydra.searchpath`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder if it exists and is not the package's own."""
        if (own := own_conf()) is not None:
            search_path.append(provider="working directory", path=f"file://{own}")


class CompositionError(StudyError):
    """Hydra could not compose the config; the message is Hydra's."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a command line.

    Attributes:
        overrides: The job's overrides, as words.
        values: The job's overrides, parsed.
        raw: The job's resolved config.
        labels: Names for the job's study: first a name of the values in which the jobs differ, then a name of all
            values that names contain.
    """

    overrides: tuple[str, ...]
    values: tuple[TypedValue, ...]
    raw: dict[str, Any]
    labels: tuple[str, ...]


def prepare(arguments: Sequence[str]) -> list[str]:
    """Let arguments of an optimizer and settings be set without `+`, and find the working directory's own conf/.

    An optimizer's file cannot list all arguments that a user may search. So missing `optimizer.` keys are appended.
    They are checked against the constructor later, together with everything else.

    Args:
        arguments: The words after `study run`.

    Returns:
        The words for Hydra.

    Raises:
        StudyError: `best` or `enqueue` names a file that is not an exported configuration.
    """
    # Hydra's parser needs the flags first; users type them anywhere.
    words = sorted(arguments, key=lambda word: "=" in word and not word.startswith("-"))
    appended = [f"++{word}" if word.startswith(_OPEN) and "=" in word else word for word in words]
    Plugins.instance().register(_OwnConf)
    # Hydra only warns about schemas with the names of our files, but does so in every process of a launcher.
    schemas = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for name in ("joblib.yaml", "submitit_slurm.yaml"):
        schemas.pop(name, None)
    return translate(appended)


def compose_jobs(overrides: Sequence[str], *, multirun: bool) -> list[Job]:
    """Compose every job.

    Args:
        overrides: The overrides of the command line.
        multirun: The command line has `-m`.

    Raises:
        CompositionError: Hydra refuses one of the jobs.
        ConfigError: An argument is both fixed and searched.
    """
    try:
        with initialize_config_module("study.conf", version_base=None):
            return _compose_jobs(list(overrides), multirun=multirun)
    except (HydraException, OmegaConfBaseException) as error:
        raise CompositionError(str(error).strip()) from error


def _compose_jobs(overrides: list[str], *, multirun: bool) -> list[Job]:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    loader = hydra.config_loader
    single = None if multirun else _single(loader, overrides)
    if single is not None and single.hydra.mode != RunMode.MULTIRUN:
        return [_split(single)]
    master = loader.load_configuration(
        config_name="config", overrides=overrides, run_mode=RunMode.MULTIRUN, validate_sweep_overrides=False
    )
    if not multirun and master.hydra.mode != RunMode.MULTIRUN:  # neither one job nor a sweep: Hydra's error says why
        return [_split(loader.load_configuration(config_name="config", overrides=overrides, run_mode=RunMode.RUN))]
    if master.hydra.sweeper._target_ != _BASIC_SWEEPER:
        return []  # another sweeper makes its jobs one by one; each is checked at its start
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=loader)
    parsed = parser.parse_overrides([*params, *master.hydra.overrides.task])
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [_split(loader.load_sweep_config(master, list(job))) for job in batch]


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
        ConfigError: An argument is both fixed and searched on the command line, or a password is written out.
    """
    words = tuple(map(str, overrides))
    values = read_overrides(words)
    _refuse_passwords(OmegaConf.to_container(own, resolve=False))
    resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    raw = {str(key): value for key, value in resolved.items()}
    _refuse_fixed_and_searched(values)
    refuse_given(raw, given_texts(values))
    everything = _label(values, raw)
    labels = (_label(values, raw, only=telling), everything) if telling else (everything,)
    return Job(overrides=words, values=values, raw=raw, labels=labels)


def differing_keys(jobs: Sequence[Job]) -> frozenset[str]:
    """Return the keys whose values differ between the jobs of a command line."""
    pairs = {(typed.key, typed.text) for job in jobs for typed in job.values}
    keys = [key for key, _ in pairs]
    return frozenset(key for key in keys if keys.count(key) > 1)


def _split(composed: DictConfig) -> Job:
    """Read a config that still has Hydra's node, which its own interpolations may refer to."""
    HydraConfig.instance().set_config(composed)
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    return read_job(own, composed.hydra.overrides.task)


def _refuse_fixed_and_searched(values: Sequence[TypedValue]) -> None:
    """Refuse `optimizer.x=1 optimizer.search.x.low=0`: only one of the two can be meant."""
    given = given_texts(values)
    faults = []
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


def _label(values: Sequence[TypedValue], raw: Any, *, only: Collection[str] | None = None) -> str:
    """Return the optimizer's name and the overrides that set a study apart, such as `adam-schedule=cosine`."""
    parts = []
    for typed in values:
        key = typed.key
        if key in _NOT_TELLING or key.startswith(_NOT_TELLING_SECTIONS) or (only is not None and key not in only):
            continue
        short = key.removeprefix("optimizer.").removeprefix("trainer.").removeprefix("model.")
        parts.append(in_label(f"{short}={typed.text}"))
    return shortened("-".join([in_label(str(raw["optimizer"]["name"])), *sorted(parts)]))
