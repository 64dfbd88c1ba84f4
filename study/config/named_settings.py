"""Named settings of a comparison: values of an optimizer's arguments, such as a published rate beside a tuned one.

A published comparison fixes rates, ours searches them, and one page shows both. So an experiment names settings, and a
study takes one of them before its config is read. The section `optimizer` then has the setting's values. The study is
the same as one with these values typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from study.config.instantiate import is_too_deep
from study.config.reader import Reader, did_you_mean
from study.config.schema import NOT_ARGUMENTS
from study.core.errors import ConfigError, Fault

# The key of the arguments for all optimizers that a setting does not name.
ANY = "any"
_SEARCH = "optimizer.search."


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A config with its setting applied.

    Attributes:
        raw: The config. Its `settings` have only the name of the applied setting, with no arguments.
        origins: By key of the section `optimizer`, the key of `settings` that gave the value. Default: empty.
    """

    raw: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)


def resolve_setting(raw: Mapping[str, Any]) -> Resolved:
    """Apply the setting that a config names: fix the arguments that the setting gives for the config's optimizer.

    If a setting fixes any argument, nothing is searched. An empty setting, or null, leaves the optimizer as it is. A
    resolved config resolves to itself.

    Args:
        raw: The config, composed but not yet read.

    Raises:
        ConfigError: There is no such setting, it has no arguments for the optimizer, or it is not a section of
            arguments.
    """
    chosen, settings = raw.get("setting"), raw.get("settings")
    if is_too_deep(raw):  # refused when the config is read
        return Resolved(raw=raw)
    if chosen is None:
        return Resolved(raw={**raw, "settings": {}} if "settings" in raw else raw)
    faults: list[Fault] = []
    given = _chosen(chosen, settings, faults)
    key, arguments = _arguments(given, raw, key=f"settings.{chosen}", faults=faults)
    if faults:
        raise ConfigError(faults)
    left = {**raw, "settings": {chosen: {}}}
    if arguments is None:
        return Resolved(raw=left)
    optimizer = {**raw["optimizer"], **arguments, "search_only": []}
    origins = {f"optimizer.{name}": f"{key}.{name}" for name in arguments}
    return Resolved(raw={**left, "optimizer": optimizer}, origins=origins)


def refuse_given(raw: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Refuse `optimizer.learning_rate=0.1` together with a setting that fixes the rate: only one of them can be meant.

    Args:
        raw: The resolved config.
        given: The values that a user gave, as text, by dotted key, without nulls.

    Raises:
        ConfigError: Such an argument was given.
    """
    faults = []
    for key, origin in resolve_setting(raw).origins.items():
        if key in given:
            advice = f"Remove {key} from the command, or choose another setting, or setting=null."
            faults.append(Fault(key=key, value=given[key], allowed=f"no value together with {origin}", advice=advice))
    if faults:
        raise ConfigError(faults)


def refuse_unused_ranges(raw: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Refuse a typed range such as `optimizer.search.momentum.low=0.5` that nothing would use.

    Args:
        raw: The resolved config.
        given: The values that a user gave, as text, by dotted key, without nulls.

    Raises:
        ConfigError: The argument is fixed by a file or a setting, or it is not among those that are searched.
    """
    resolved = resolve_setting(raw)
    optimizer = Reader(resolved.raw).section("optimizer", optional=True)
    typed = {key.removeprefix(_SEARCH).split(".")[0]: key for key in reversed(list(given)) if key.startswith(_SEARCH)}
    faults = []
    for argument, key in typed.items():
        told = _unused(
            argument, optimizer, origin=resolved.origins.get(f"optimizer.{argument}"), setting=raw.get("setting")
        )
        if told is not None:
            faults.append(Fault(key=key, value=given[key], allowed=told[0], advice=told[1]))
    if faults:
        raise ConfigError(faults)


def _unused(
    argument: str, optimizer: Mapping[str, Any], *, origin: str | None, setting: object
) -> tuple[str, str] | None:
    """Return the reason why a range is not used and the next step; None if it is used."""
    fixed, only, search = optimizer.get(argument), optimizer.get("search_only"), optimizer.get("search")
    entry = search.get(argument) if isinstance(search, Mapping) else None
    key, name = f"optimizer.{argument}", optimizer.get("name")
    if fixed is not None:
        where = origin or f"conf/optimizer/{name}.yaml"
        advice = f"Remove the range, or set {origin or key}=null to search the argument."
        return f"an argument that is searched, and {where} fixes {argument}={fixed}", advice
    if isinstance(only, list) and argument not in only:
        if setting is not None:
            return f"no range, since setting={setting} fixes its arguments and searches nothing", "Set setting=null."
        listed = ",".join(map(str, [*only, argument]))
        return f"one of the arguments of optimizer.search_only={only}", f"Set optimizer.search_only=[{listed}]."
    if only is None and isinstance(entry, Mapping) and entry.get("optional"):
        advice = f"Add optimizer.search.{argument}.optional=false, or name all arguments in optimizer.search_only."
        return "the range of an argument that is searched, and this one is optional", advice
    return None


def told_by_origin(error: ConfigError, origins: Mapping[str, str]) -> ConfigError:
    """Return an error whose faults name the keys that the values come from.

    Args:
        error: The error, with keys of the section `optimizer`.
        origins: By such a key, the key of `settings` that gave the value.
    """
    told = [
        replace(fault, key=origins[fault.key], advice=fault.advice.replace(fault.key, origins[fault.key]))
        if fault.key in origins
        else fault
        for fault in error.faults
    ]
    return ConfigError(told)


def _chosen(chosen: Any, settings: Any, faults: list[Fault]) -> Mapping[str, Any]:
    """Return the arguments of a setting, by optimizer."""
    known = list(settings) if isinstance(settings, Mapping) else []
    if not isinstance(settings, Mapping | None):
        advice = "Write settings: {shared: {any: {learning_rate: 0.001}}, tuned: {}}."
        faults.append(Fault(key="settings", value=settings, allowed="a section of named settings", advice=advice))
    elif chosen not in known:
        allowed = f"one of {', '.join(map(str, known))}" if known else "null, since settings is empty"
        advice = did_you_mean(str(chosen), map(str, known)) if known else "Leave it out, or add it to settings."
        faults.append(Fault(key="setting", value=chosen, allowed=allowed, advice=advice))
    found = settings.get(chosen) if not faults and isinstance(settings, Mapping) else {}
    if not isinstance(found, Mapping | None):
        advice = f"Write {{any: {{learning_rate: 0.001}}}}, or {{}} where setting={chosen} fixes nothing."
        faults.append(Fault(key=f"settings.{chosen}", value=found, allowed="arguments by optimizer", advice=advice))
        return {}
    return found or {}


def _arguments(
    given: Mapping[str, Any], raw: Mapping[str, Any], *, key: str, faults: list[Fault]
) -> tuple[str, Mapping[str, Any] | None]:
    """Return the key and the arguments of a setting for the config's optimizer; None if it has none."""
    if faults or not given:
        return key, None
    optimizer = Reader(raw).value("optimizer.name", default=None)
    if not isinstance(optimizer, str):
        return key, None  # refused when the optimizer is read
    if optimizer not in given and ANY not in given:
        allowed = f"an optimizer that {key} names: {', '.join(map(str, given))}"
        advice = f"Set {key}.{optimizer} or {key}.{ANY}, or choose another setting; an empty setting allows a search."
        faults.append(Fault(key="optimizer", value=optimizer, allowed=allowed, advice=advice))
        return key, None
    key = f"{key}.{optimizer if optimizer in given else ANY}"
    arguments = given[optimizer] if optimizer in given else given[ANY]
    if not isinstance(arguments, Mapping | None):
        advice = f"Write {key}.learning_rate=0.001."
        faults.append(Fault(key=key, value=arguments, allowed="a section of arguments", advice=advice))
        return key, None
    for name in (name for name in arguments or {} if name in NOT_ARGUMENTS):
        advice = f"Remove it; a setting fixes arguments such as {key}.learning_rate."
        faults.append(Fault(key=f"{key}.{name}", value=(arguments or {})[name], allowed="an argument", advice=advice))
    return key, arguments or {}
