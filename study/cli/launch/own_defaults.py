"""Defaults of a user's own, from conf/study.yaml: merged over those of this project; everything typed wins over them.

Hydra's store gets them as an option of a group that no command line names. So every job and launcher finds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from study.cli.launch.words import option_groups
from study.cli.working_directory import own_conf, packaged_conf
from study.core.errors import StudyError
from study.reproduction.exported_file import GROUPS

# The group and the option that conf/config.yaml names.
_GROUP, _OPTION = "own_defaults", "study"
_FILE = "study.yaml"
_PARAMS = "hydra.sweeper.params."


def read_own_defaults() -> dict[str, Any]:
    """Return the content of conf/study.yaml, with dotted keys as sections; empty without the file.

    Raises:
        StudyError: The file cannot be read, or is no mapping of keys to values.
    """
    folder = own_conf()
    if folder is None or not (folder / _FILE).is_file():
        return {}
    expected = f"conf/{_FILE}: expected keys and values, such as optimizer: sgd or budget.n_trials: 30."
    try:
        text = (folder / _FILE).read_text("utf-8")
        loaded = OmegaConf.to_container(OmegaConf.create(text), resolve=False) if text.strip() else {}
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise StudyError(f"{expected} {' '.join(str(error).split())}") from error
    if isinstance(loaded, dict) and {"experiment", "best", "enqueue"} & set(loaded):
        raise StudyError(f"{expected} An experiment, best and enqueue are typed: study run experiment=NAME.")
    if not isinstance(loaded, dict) or "defaults" in loaded:
        raise StudyError(f"{expected} Choices are written as GROUP: NAME, without a list of defaults.")
    content: dict[str, Any] = {}
    for key, value in ((str(key), value) for key, value in loaded.items()):
        *parents, last = key.split(".")
        node = content
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise StudyError(f"{expected} {key} is below a single value.")
        if isinstance(value, dict) and isinstance(node.get(last), dict):
            node[last] |= value
        else:
            node[last] = value
    return content


def used_defaults(words: Sequence[str]) -> dict[str, Any]:
    """Return the content of conf/study.yaml without the groups that a command line chooses.

    The values of one choice do not fit another. So a section is left out if a word chooses its group, or an experiment
    among the words does, or if a file of `best` brings it.

    Args:
        words: The words of the command line.

    Raises:
        StudyError: The file cannot be read.
    """
    content = read_own_defaults()
    chosen = _chosen(words) if content else set()
    return {key: value for key, value in content.items() if key not in chosen}


def keys_of_defaults(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of own defaults; a choice of a group is one key.

    Args:
        content: The content of the file, or a section of it.
        prefix: The prefix of the keys. Default: the empty text.
    """
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from keys_of_defaults(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def merge_own_defaults(words: Sequence[str]) -> None:
    """Offer the own defaults to Hydra.

    Args:
        words: The words of the command line.

    Raises:
        StudyError: conf/study.yaml cannot be read.
    """
    content = used_defaults(words)
    store = ConfigStore.instance()
    store.repo.pop(_GROUP, None)
    if not content:
        return
    groups = option_groups()
    named = [{f"override /{key}": value} for key, value in content.items() if key in groups and isinstance(value, str)]
    kept = {key: value for key, value in content.items() if not (key in groups and isinstance(value, str))}
    store.store(group=_GROUP, name=_OPTION, node={"defaults": named, **kept}, package="_global_")


def _chosen(words: Sequence[str]) -> set[str]:
    """Return the groups that a command line chooses, by itself or by an experiment."""
    chosen = set()
    for word in words:
        key, sign, value = word.lstrip("+").partition("=")
        if sign and key in option_groups():
            chosen.add(key)
        if key == "experiment":
            for name in value.split(","):
                chosen |= _chosen_by(name)
        if key == "best":
            chosen |= {*GROUPS}
    return chosen


def swept_keys(words: Sequence[str]) -> set[str]:
    """Return the keys that the experiments of a command line sweep, or that it sweeps as `hydra.sweeper.params.KEY`.

    A typed value replaces such a sweep only if Hydra takes both for one key. So it gets no `++`.

    Args:
        words: The words of the command line.
    """
    swept = set()
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if key.startswith(_PARAMS):
            swept.add(key.removeprefix(_PARAMS))
        for name in value.split(",") if key == "experiment" else ():
            swept |= _swept(experiment_content(name))
    return swept


def experiment_content(name: str) -> Mapping[str, Any]:
    """Return the content of an experiment's file; empty for a faulty file, which is refused later.

    Args:
        name: The name of the experiment.
    """
    for folder in (own_conf(), packaged_conf()):
        if folder is not None and (file := folder / "experiment" / f"{name}.yaml").is_file():
            try:
                content = yaml.safe_load(file.read_text("utf-8"))
            except (OSError, ValueError, yaml.YAMLError):
                return {}
            return content if isinstance(content, Mapping) else {}
    return {}


def _chosen_by(experiment: str) -> set[str]:
    """Return the groups that an experiment overrides or sweeps."""
    content = experiment_content(experiment)
    listed = content.get("defaults")
    keys = [key for item in listed if isinstance(item, Mapping) for key in item] if isinstance(listed, list) else []
    return {str(key).removeprefix("override").strip().removeprefix("/") for key in keys} | _swept(content)


def _swept(content: Mapping[str, Any]) -> set[str]:
    node: Any = content
    for key in ("hydra", "sweeper", "params"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return {str(key) for key in node} if isinstance(node, Mapping) else set()
