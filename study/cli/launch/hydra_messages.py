"""Put Hydra's messages into words of this project, with the nearest spelling and without advice to add `+`."""

from __future__ import annotations

import re

from hydra.errors import MissingConfigException, OverrideParseException

from study.cli.launch.words import as_typed, option_groups
from study.config.known_keys import correction, dotted_keys
from study.config.reader import did_you_mean
from study.core.errors import Fault

_HYDRA_GROUPS = ("hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra/hydra_logging")
_CHOICE = re.compile(r"(?:In '(?P<where>[^']*)': )?Could not find '(?P<path>[^']+)'")
_OPTIONS = re.compile(r"Available options in '(?P<group>[^']+)'")
_NO_KEY = re.compile(r"Could not override '(?P<key>[^']+)'\.\nTo append to your config use \+(?P<word>.+)", re.DOTALL)
_NO_DELETION = re.compile(r"Could not delete from config\. '(?P<key>[^']*)' does not exist")
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
    if found["where"] not in (None, "config"):
        advice += f" The name is in conf/{found['where']}.yaml."
    return group, Fault(key=group, value=choice, allowed=allowed, advice=advice)


def in_our_words(error: Exception) -> str:
    """Return the message of another error of Hydra.

    Args:
        error: Hydra's error.
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
    if found := _NO_DELETION.match(text):
        return f"~{found['key']}: expected a key that the config has. {correction(found['key'], dotted_keys({}))}"
    if found := _NO_GROUP.match(text):
        groups = sorted(option_groups())
        place = f" The name is in conf/{found['where']}.yaml." if found["where"] else ""
        advice = did_you_mean(found["key"], groups)
        return f"{found['key']}: expected one of the groups {', '.join(groups)}. {advice}{place}"
    return text.partition("\nTo append to your ")[0]
