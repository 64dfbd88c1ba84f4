"""Refuse settings of Hydra that would run code unseen.

A folder's own conf/ can hold them, and Hydra calls what they name without the check of `_target_`s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from study.core.errors import ConfigError, Fault

_SECTIONS = ("callbacks", "job_logging", "hydra_logging")
# Keys whose values Hydra and Python's logging import and call.
_CALLED = ("_target_", "()", "class")
_OBJECT = "ext://"
_LOGGING = re.compile(r"(logging|logging\.handlers|colorlog)\.[A-Z]\w*|sys\.(stdout|stderr)")
# By section: the objects that may be called, and their description.
_ALLOWED = {
    "callbacks": (re.compile(r"hydra\.experimental\.callbacks\.[A-Z]\w*"), "a class of hydra.experimental.callbacks"),
    "job_logging": (_LOGGING, "a class of logging, logging.handlers or colorlog"),
    "hydra_logging": (_LOGGING, "a class of logging, logging.handlers or colorlog"),
}
# Environment variables by which Python or the loader of the system finds other code.
_LOADING = ("PYTHON", "LD_", "DYLD_")


def refuse_code(settings: DictConfig) -> None:
    """Refuse callbacks, handlers of logs and environment variables that would run other code than this project's.

    Args:
        settings: The section `hydra` of a composed config.

    Raises:
        ConfigError: There are such settings.
    """
    faults = [fault for section in _SECTIONS for fault in _section_faults(section, settings.get(section))]
    job = settings.get("job")
    for name in (job.get("env_set") if isinstance(job, DictConfig) else None) or ():
        if str(name).upper().startswith(_LOADING):
            advice = "Set it in your shell."
            allowed = f"a variable that does not begin with {', '.join(_LOADING)}, by which other code is loaded"
            faults.append(Fault(key=f"hydra.job.env_set.{name}", value="(set)", allowed=allowed, advice=advice))
    if faults:
        raise ConfigError(faults)


def _section_faults(section: str, node: Any) -> Iterator[Fault]:
    for key, value in _leaves(node, f"hydra.{section}"):
        text = str(value)
        if key.rpartition(".")[2] not in _CALLED and not text.startswith(_OBJECT):
            continue
        pattern, allowed = _ALLOWED[section]
        if not pattern.fullmatch(text.removeprefix(_OBJECT)):
            advice = "Remove it: what runs besides a study's parts is not read from a config."
            yield Fault(key=key, value=text, allowed=allowed, advice=advice)


def _leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the single values below a node with their dotted keys; as written, where they cannot be resolved yet."""
    if not isinstance(node, DictConfig | ListConfig):
        yield from () if node is None else ((key, node),)
        return
    names: Iterable[Any] = node.keys() if isinstance(node, DictConfig) else range(len(node))
    for name in () if node._is_none() else list(names):
        try:
            inner = node[name]
        except OmegaConfBaseException:
            inner = node._get_node(name)
        yield from _leaves(inner, f"{key}.{name}")
