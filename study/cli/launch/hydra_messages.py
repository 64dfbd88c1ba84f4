"""Put Hydra's messages into words of this project, with the nearest spelling and without advice to add `+`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from importlib.util import find_spec

from hydra.conf import HydraConf
from hydra.core.plugins import Plugins
from hydra.errors import MissingConfigException, OverrideParseException

from study.cli.launch.words import as_typed, option_groups
from study.config.known_keys import correction, dotted_keys
from study.config.reader import did_you_mean
from study.core.errors import Fault

_HYDRA_GROUPS = ("hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra/hydra_logging")
# Plugins that users of Hydra know, by group and choice, with the packages that have them.
_PLUGINS = {
    ("hydra/launcher", "rq"): "hydra-rq-launcher",
    ("hydra/sweeper", "ax"): "hydra-ax-sweeper",
    ("hydra/sweeper", "nevergrad"): "hydra-nevergrad-sweeper",
    ("hydra/sweeper", "optuna"): "hydra-optuna-sweeper",
    ("hydra/job_logging", "colorlog"): "hydra-colorlog",
    ("hydra/hydra_logging", "colorlog"): "hydra-colorlog",
}
_NEEDED = {"ray": "ray"}  # modules that our own plugin imports when it launches
_EXTRA = "pip install 'optimizer-study[distributed]'"
_CHOICE = re.compile(r"(?:In '(?P<where>[^']*)': )?Could not find '(?P<path>[^']+)'")
_OPTIONS = re.compile(r"Available options in '(?P<group>[^']+)'")
_NO_KEY = re.compile(r"Could not override '(?P<key>[^']+)'\.\nTo append to your config use \+(?P<word>.+)", re.DOTALL)
_NO_DELETION = re.compile(r"Could not delete from config\. '(?P<key>[^']*)' does not exist")
_NO_SWEEP = re.compile(r"Sweep parameters '(?P<word>[^'=]+=[^']*)' requires --multirun")
_AMBIGUOUS = re.compile(r"Ambiguous value for argument '(?P<word>[^'=]+=.*?)'\n", re.DOTALL)
_NO_GROUP = re.compile(r"(?:In '(?P<where>[^']*)': )?Could not override '(?P<key>[^']+)'\. No match in the defaults")


def missing_choice(error: MissingConfigException) -> tuple[str, Fault] | None:
    """Return the group and the fault of a choice that no file has, such as `optimizer=adm`; None for another error.

    Args:
        error: Hydra's error.
    """
    found = _CHOICE.search(str(error))
    if found is None:
        return None
    listed = _OPTIONS.search(str(error))
    group = listed["group"] if listed else found["path"].rpartition("/")[0]
    choice = found["path"].removeprefix(f"{group}/")
    options = sorted(map(str, error.options or ()))
    allowed = f"one of {', '.join(options)}" if options else f"a file conf/{found['path']}.yaml"
    advice = did_you_mean(choice, options) if options else "Correct the name."
    if group == "experiment":
        named = f"To give your own comparison this name, type experiment_name={choice}."
        advice = f"{advice} {named}" if "mean" in advice else named
    if package := _PLUGINS.get((group, choice)):
        advice = f"It is a plugin of Hydra: pip install {package}."
    if found["where"] not in (None, "config", "hydra/config"):
        advice += f" The name is in conf/{found['where']}.yaml."
    return group, Fault(key=group, value=choice, allowed=allowed, advice=advice)


def plugin_faults(config: HydraConf) -> list[Fault]:
    """Return a fault for the launcher and for the sweeper of a multirun if its plugin is not installed.

    Args:
        config: Hydra's own part of the composed config.
    """
    found = []
    for part in ("launcher", "sweeper"):
        group = f"hydra/{part}"
        target, choice = str(getattr(config, part)["_target_"]), str(config.runtime.choices.get(group, "none"))
        plugins = Plugins.instance()
        is_known = plugins.is_in_toplevel_plugins_module(target) and target in plugins.class_name_to_class
        if is_known and find_spec(_NEEDED.get(choice, "hydra")) is not None:
            continue
        package = "the package that has it" if target.startswith("hydra_plugins.") else "a plugin of Hydra"
        install = _EXTRA if choice in ("joblib", "ray", "submitit_slurm") else f"install {package}"
        advice = f"Install it ({install}), or leave out {group}."
        allowed = f"a {part} that is installed, and {target} is not"
        found.append(Fault(key=group, value=choice, allowed=allowed, advice=advice))
    return found


def in_our_words(error: Exception, words: Sequence[str] = ()) -> str:
    """Return the message of another error of Hydra.

    Args:
        error: Hydra's error.
        words: The overrides of the command line, of which a message may show the right form. Default: none.
    """
    text = as_typed(str(error).strip())
    if isinstance(error, OverrideParseException) and error.override:
        word = error.override.removeprefix("++")
        advice = "Put a value with other signs into quotes, and the word into those of the shell: \"KEY='VALUE'\"."
        return f"{word}: expected KEY=VALUE in Hydra's grammar. {advice} ({' '.join(text.split())})"
    if found := _NO_KEY.match(text):
        value = found["word"].partition("=")[2]
        if found["key"].startswith("hydra."):
            return f"{found['key']}={value}: expected a key of Hydra. `study run --cfg hydra` shows them."
        if "/" in found["key"]:
            advice = did_you_mean(found["key"], _HYDRA_GROUPS)
            return f"{found['key']}={value}: expected one of {', '.join(_HYDRA_GROUPS)}. {advice}"
        return f"{found['key']}={value}: expected a known key. {correction(found['key'], dotted_keys({}))}"
    if found := _NO_SWEEP.match(text):
        key, _, values = found["word"].partition("=")
        listed = values if values.endswith(")") else f"choice({values})"
        return (
            f"{found['word']}: expected one value of {key}, or -m for a study of each. To search these values in one "
            f"study, write {key}='tag(search,{listed})'."
        )
    if found := _AMBIGUOUS.match(text):
        return _without_multirun(found["word"], words)
    if found := _NO_DELETION.match(text):
        return f"~{found['key']}: expected a key that the config has. {correction(found['key'], dotted_keys({}))}"
    if found := _NO_GROUP.match(text):
        groups = sorted(option_groups())
        place = f" The name is in conf/{found['where']}.yaml." if found["where"] else ""
        advice = did_you_mean(found["key"], groups)
        return f"{found['key']}: expected one of the groups {', '.join(groups)}. {advice}{place}"
    return text.partition("\nTo append to your ")[0]


def _without_multirun(word: str, words: Sequence[str]) -> str:
    """Return the message on several values of a key in a command without `-m`."""
    key, _, values = word.partition("=")
    command = shlex.join(["study", "run", "-m", *(each.removeprefix("++") for each in words or [word])])
    told = f"{word}: expected one value of {key}, or -m for a study of each:\n  {command}"
    if key in option_groups():
        return told
    # On a terminal a line is broken between words, so the commands have lines of their own.
    return f"{told}\nTo search these values in one study:\n  {key}='tag(search,choice({values}))'"
