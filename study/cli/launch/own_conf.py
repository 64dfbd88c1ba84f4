"""A user's own conf/: its files are taken before the built-in ones of the same name, and a line says so.

Only files of groups are taken, such as `conf/optimizer/adam.yaml`. A `conf/config.yaml` belongs to the application for
which it was written, and is not read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from study.cli.launch.words import option_groups
from study.cli.working_directory import own_conf, packaged_conf
from study.core.errors import NO_VALUE, Fault
from study.core.redaction import texts

# The folder of built-in files in a group's name: `optimizer=builtin/adam`.
BUILT_IN = "builtin"
_NAMED = re.compile(rf"^(?P<group>\w+)=.*\b{BUILT_IN}/")
# A misspelt name is so similar to the right one, and differs in length by so many letters at most.
_NEARLY = 0.75
_LONGER = 2
_NOT_FOUND = re.compile(r"Interpolation key '(?P<key>[^']+)' not found")
# A line of an own file that is missing, by key; the text NAME stands for the file's name.
_EXAMPLES = {
    "name": "name: NAME",
    "optimizer._target_": "_target_: keras.optimizers.SGD",
    "model._target_": "_target_: mynet.build",
    "dataset._target_": "_target_: mydata.load",
    "schedule._target_": "_target_: null",
    "sampler._target_": "_target_: optuna.samplers.RandomSampler",
    "pruner._target_": "_target_: optuna.pruners.NopPruner",
    "trainer._target_": "_target_: study.training.fit.FitTrainer",
    "trainer.backend": "backend: tensorflow",
    "trainer.batch_size": "batch_size: ${dataset.task.batch_size}",
    "dataset.task": "task: {loss: {_target_: keras.losses.MeanSquaredError}, metrics: [], batch_size: 32, "
    "objective: {metric: val_loss, direction: auto, target: null}}",
    "dataset.task.loss": "loss: {_target_: keras.losses.MeanSquaredError}",
    "dataset.task.batch_size": "batch_size: 32",
    "dataset.task.objective": "objective: {metric: val_loss, direction: auto, target: null}",
    "dataset.task.objective.metric": "metric: val_loss",
    "dataset.task.objective.direction": "direction: auto",
    "dataset.task.objective.target": "target: null",
    "budget.n_trials": "n_trials: 10",
    "budget.n_epochs": "n_epochs: 5",
    "budget.n_steps": "n_steps: null",
    "budget.n_confirmations": "n_confirmations: 5",
    "budget.time_limit_s": "time_limit_s: null",
}


class OwnConfSource(FileConfigSource):
    """The files of a user's own conf/, without those outside groups."""

    @staticmethod
    def scheme() -> str:
        """Return the first part of the addresses of this source."""
        return "own"

    def is_config(self, config_path: str) -> bool:
        """Return whether there is such a file in a group."""
        return "/" in config_path and super().is_config(config_path)


class OwnConf(SearchPathPlugin):
    """Plugin that puts the working directory's conf/ before the package's, behind Hydra's own files.

    `glob(*)` and completion ignore `hydra.searchpath`.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder if it exists and is not the package's own."""
        if (own := own_conf()) is not None:
            search_path.prepend("working directory", f"own://{own}", anchor=SearchPathQuery(provider="main"))


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A file of the user's own conf/ that a config was composed from.

    Attributes:
        group: The group.
        name: The choice.
        hides: True if there is a built-in file of this name.
    """

    group: str
    name: str
    hides: bool

    @property
    def path(self) -> str:
        """The path, as a user types it in the folder."""
        return f"conf/{self.group}/{self.name}.yaml"

    def __str__(self) -> str:
        return f"{self.path} is taken instead of the built-in one ({self.group}={BUILT_IN}/{self.name} takes that one)"


def find_own_conf(words: Sequence[str]) -> None:
    """Let Hydra find the own conf/, and the built-in files that words name as `optimizer=builtin/adam`.

    Args:
        words: The words of a command line.
    """
    Plugins.instance().register(OwnConfSource)
    Plugins.instance().register(OwnConf)
    for word in words:
        if match := _NAMED.match(word.lstrip("+")):
            folder = packaged_conf() / match["group"]
            for file in folder.rglob("*.yaml"):
                name = file.relative_to(folder).with_suffix("").as_posix()
                group, _, last = f"{match['group']}/{BUILT_IN}/{name}".rpartition("/")
                package = "_global_" if "@package _global_" in file.read_text("utf-8")[:200] else match["group"]
                ConfigStore.instance().store(group=group, name=last, node=_built_in(file), package=package)


def own_files(choices: Mapping[str, Any]) -> list[OwnFile]:
    """Return the own files among the choices of a composed config.

    Args:
        choices: The name chosen in each group, as Hydra records it.
    """
    folder = own_conf()
    found = {}
    for key, name in choices.items() if folder is not None else ():
        group = key.partition("@")[0]
        if folder is not None and isinstance(name, str) and (folder / group / f"{name}.yaml").is_file():
            hides = (packaged_conf() / group / f"{name}.yaml").is_file()
            found[group, name] = OwnFile(group=group, name=name, hides=hides)
    return list(found.values())


def unreadable_files() -> list[Fault]:
    """Return a fault for every file of the own conf/ that is no YAML, or no section of keys."""
    folder = own_conf()
    faults = []
    for file in sorted(folder.rglob("*.yaml")) if folder is not None else ():
        if folder is None or file.parent == folder:
            continue
        shown = f"conf/{file.relative_to(folder)}"
        try:
            content = _content(file)
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            allowed = f"a file that can be read as YAML ({reason})"
            faults.append(Fault(key=shown, value=NO_VALUE, allowed=allowed, advice=_way_out(file)))
            continue
        if not isinstance(content, dict):
            kind = "a list" if isinstance(content, list) else "empty" if content is None else "a text"
            allowed = f"keys and values, and it is {kind}"
            faults.append(Fault(key=shown, value=NO_VALUE, allowed=allowed, advice=_way_out(file)))
    return faults


def missing_keys(config: DictConfig, files: Sequence[OwnFile]) -> list[Fault]:
    """Return a fault for every key that a config refers to and that is missing; none if all can be resolved.

    Other keys that own files must have are added, since such a config cannot be checked further.

    Args:
        config: The composed config, not yet resolved.
        files: The own files that it was composed from.
    """
    found = {}
    raw = OmegaConf.to_container(config, resolve=False)
    for key, text in texts(raw):
        try:
            OmegaConf.select(config, key, throw_on_missing=True)
        except InterpolationKeyError as error:
            named = _NOT_FOUND.search(str(error))
            missing = named["key"] if named else key
            allowed = f"a value, which {key}={text} reads"
            found[missing] = Fault(key=missing, value="(missing)", allowed=allowed, advice=f"Set {missing}.")
        except MissingMandatoryValue:
            found[key] = Fault(key=key, value="(missing)", allowed="a value in place of ???", advice=f"Set {key}.")
        except OmegaConfBaseException:
            continue  # such as a missing environment variable, which OmegaConf names when it resolves the config
    groups = {file.group for file in files} if found else set()
    for key in _EXAMPLES:
        group, _, _ = key.partition(".")
        for dotted in (f"{group}.name", key) if group in groups else ():
            present = dotted in found or any(name.startswith(f"{dotted}.") for name in found) or _has(raw, dotted)
            if not present and not any(dotted.startswith(f"{name}.") for name in found):
                found[dotted] = Fault(key=dotted, value="(missing)", allowed="a value", advice=f"Set {dotted}.")
    return _misspelt_instead(raw, found)


def _misspelt_instead(raw: Any, missing: Mapping[str, Fault]) -> list[Fault]:
    """Replace faults of missing keys by one of the key that was probably written in their place."""
    found = {}
    for key, fault in missing.items():
        near = _misspelt(raw, key)
        if near is None:
            found[key] = fault
            continue
        written, meant = near
        section = meant.rpartition(".")[0]
        allowed = f"a key of {section}, and {meant} is missing"
        found[written] = Fault(key=written, value=NO_VALUE, allowed=allowed, advice=f"Did you mean {meant}?")
    return list(found.values())


def _misspelt(raw: Any, key: str) -> tuple[str, str] | None:
    """Return the key beside the first missing part of a dotted key that is nearly its name, and the key meant."""
    node, parts = raw, key.split(".")
    for n, part in enumerate(parts):
        if not isinstance(node, dict):
            return None
        if part not in node:
            prefix = ".".join(parts[:n])
            beside = [str(name) for name in node if f"{prefix}.{name}" not in _EXAMPLES and name != "name"]
            similar = [name for name in beside if abs(len(name) - len(part)) <= _LONGER]
            near = difflib.get_close_matches(part, similar, n=1, cutoff=_NEARLY) if prefix else []
            return (f"{prefix}.{near[0]}", f"{prefix}.{part}") if near else None
        node = node[part]
    return None


def _has(content: Any, key: str) -> bool:
    """Return whether nested mappings have a dotted key."""
    for part in key.split("."):
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True


def with_files(
    faults: Sequence[Fault], files: Sequence[OwnFile], *, typed: Collection[str], defaults: Collection[str] = ()
) -> list[Fault]:
    """Add to each fault of a section the own file that the section is from, and the way to the built-in one.

    Args:
        faults: The faults of a config.
        files: The own files that the config was composed from.
        typed: The keys of the command line, which are not from files.
        defaults: The keys of conf/study.yaml. Default: none.
    """
    values, settings = ({key for key in keys if key not in option_groups()} for keys in (typed, defaults))
    by_group = {file.group: file for file in files}
    told = []
    for fault in faults:
        file = by_group.get(fault.key.partition(".")[0])
        if _is_below(fault.key, values):
            told.append(fault)
            continue
        if fault.key in defaults or _is_below(fault.key, settings):  # below a group, keys are from the group's file
            told.append(replace(fault, advice=f"{fault.advice} This key is from conf/study.yaml."))
            continue
        if file is None:
            experiment = by_group.get("experiment")
            gives = experiment is not None and _gives(experiment, fault.key)
            place = f" This key is from {experiment.path}." if experiment is not None and gives else ""
            told.append(replace(fault, advice=f"{fault.advice}{place}"))
            continue
        advice = fault.advice
        if fault.value == "(missing)":
            relative = fault.key.partition(".")[2]
            line = _EXAMPLES.get(fault.key) or _EXAMPLES.get(relative, f"{relative.rpartition('.')[2]}: VALUE")
            advice = f"Write it, for example {line.replace('NAME', file.name.rpartition('/')[2])}."
        advice += f" This section is from {file.path}."
        if file.hides:
            advice += f" To take the built-in one, rename that file or write {file.group}={BUILT_IN}/{file.name}."
        told.append(replace(fault, advice=advice))
    return told


def _built_in(file: Path) -> Any:
    """Return the content of a built-in file, whose defaults are the built-in ones of its group."""
    content = _content(file)
    if isinstance(content, dict) and "defaults" in content:
        content["defaults"] = [
            f"{BUILT_IN}/{item}"
            if isinstance(item, str) and (file.parent / f"{item.partition('@')[0]}.yaml").is_file()
            else item
            for item in content["defaults"]
        ]
    return content


def _gives(file: OwnFile, key: str) -> bool:
    """Return whether an own file gives a key."""
    folder = own_conf()
    return folder is not None and _has(_content(folder / file.group / f"{file.name}.yaml"), key)


def _is_below(key: str, others: Collection[str]) -> bool:
    return any(f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.") for other in others)


def _content(file: Path) -> Any:
    if not file.read_text("utf-8").strip():
        return None
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False)


def _way_out(file: Path) -> str:
    folder = own_conf()
    if folder is None:
        return "Correct it."
    relative = file.relative_to(folder)
    if not (packaged_conf() / relative).is_file():
        return "Correct it."
    name = relative.with_suffix("").relative_to(relative.parts[0]).as_posix()
    return f"Correct it. To take the built-in one, rename the file or write {relative.parts[0]}={BUILT_IN}/{name}."


def texts_of(files: Sequence[OwnFile]) -> Iterator[str]:
    """Yield a line for each own file that hides a built-in one.

    Args:
        files: The own files that configs were composed from.
    """
    yield from dict.fromkeys(str(file) for file in files if file.hides)
