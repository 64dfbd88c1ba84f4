"""The keys that a config may have, and the nearest one to a key that it may not have.

Keys of sections with a `_target_` are arguments, which `study.config.arguments` compares with the target's
signature. This module has all other keys.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from study.config.schema import Budget, TrackingConfig
from study.config.task import Task
from study.core.errors import Fault
from study.core.redaction import redacted

# Sections of the config, in the order in which a key without its section is looked for.
SECTIONS = (
    "budget",
    "trainer",
    "optimizer",
    "model",
    "objective",
    "tracking",
    "dataset",
    "schedule",
    "sampler",
    "pruner",
    "storage",
    "settings",
    "enqueue",
    "search",
)
_SINGLE = (
    *("experiment_name", "study_name", "study_seed", "order_seed", "split_seed", "setting", "deterministic"),
    *("tracking_uri", "live", "worker", "max_failed_trials", "accept_changes", "retry_failed", "allow_targets"),
    *("shutdown_grace_s", "only_trial"),
    "advice",  # of a resolved config: the reason for the choice of trainer=auto
)
_OBJECTIVE = ("metric", "direction", "target", "margin")
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "budget": ("name", *(each.name for each in fields(Budget))),
    "budget.until": ("target",),
    "tracking": tuple(each.name for each in fields(TrackingConfig)),
    "objective": _OBJECTIVE,
    "dataset.task": ("objective", "batch_size", *(each.name for each in fields(Task))),
    "dataset.task.objective": _OBJECTIVE,
}
_REFERENCE = re.compile(r"\$\{[^}]*")
_RELATIVE = re.compile(r"\$\{[.]+(?P<path>[^.\[${}][^\[${}]*)")
_LOCAL = ("name", "optuna_journal", "mlflow_database", "artifacts")
_SERVER = ("name", "host", "optuna_url", "mlflow_server", "artifacts", "stale_after_s", "server_patience_s")
# Usual names in other libraries that no spelling leads to.
_USUAL = {"seed": "study_seed", "lr": "optimizer.learning_rate", "timeout": "budget.time_limit_s"}
_LONGEST_SHOWN = 40
_NEARLY = 0.8
# Keys of many sections: alone, they name nothing.
_ANYWHERE = ("name", "_target_", "requires")


def unknown_keys(raw: Mapping[str, Any], *, helpers: Collection[str] | None = None) -> list[Fault]:
    """Return a fault for every key that no part of the project reads, outside sections with a `_target_`.

    A resolved config does not show the keys that only its references read, such as `rates` in `${rates.${rate}}`.

    Args:
        raw: The resolved config.
        helpers: The dotted keys that references read. None (the default): they are not known, so a section at the root
            passes unless its name is nearly a known one, and so does a value that is a key of such a section.
    """
    names = dotted_keys(raw)
    accepted = _probable_helpers(raw) if helpers is None else helpers
    faults = []
    for section, known in _known_here(raw).items():
        node = _node(raw, section)
        for key in node if isinstance(node, Mapping) else ():
            dotted = f"{section}.{key}" if section else str(key)
            if key not in known and dotted not in accepted:
                allowed = f"one of {', '.join(known)}" if section else "a key of the config"
                advice = _next_step(dotted, node[key], names, known)
                faults.append(Fault(key=dotted, value=node[key], allowed=allowed, advice=advice))
    return faults


def helper_keys(raw: Mapping[str, Any], texts: Iterable[str]) -> frozenset[str]:
    """Return the dotted keys that have no meaning of their own and are read by references.

    Args:
        raw: The resolved config.
        texts: All texts of the config before it was resolved.
    """
    references = [found for text in texts for found in _REFERENCE.findall(text)]
    unknown = [fault.key for fault in unknown_keys(raw, helpers=())]
    return frozenset(key for key in unknown if any(_reads(reference, key) for reference in references))


def _reads(reference: str, key: str) -> bool:
    """Return whether a reference such as `${a.b}`, `${..b}`, `${a.${c}}` or `${oc.select:a.b}` reads a dotted key.

    A reference to another key of the same last name does not: `${dataset.task.batch_size}` does not read `batch_size`.
    """
    if found := _RELATIVE.match(reference):
        ends = [key.split(".", n)[-1] for n in range(key.count(".") + 1)]
        return any(found["path"] == end or found["path"].startswith(f"{end}.") for end in ends)
    parts = [re.escape(part) for part in key.split(".")]
    absolute = rf"(?<![\w.]){'[.]'.join(parts)}(?!\w)"
    # The rest of the key is chosen by another reference, or stands in brackets.
    chosen = [rf"(?<![\w.]){'[.]'.join(parts[:n])}([.]\$\{{|\[)" for n in range(1, len(parts))]
    return any(re.search(pattern, reference) for pattern in (absolute, *chosen))


def _probable_helpers(raw: Mapping[str, Any]) -> set[str]:
    root = (*_SINGLE, *SECTIONS)
    sections = {
        key: value
        for key, value in raw.items()
        if key not in root and isinstance(value, Mapping) and not difflib.get_close_matches(str(key), root, n=1)
    }
    choices = {str(choice) for section in sections.values() for choice in section}
    return {*sections, *(key for key, value in raw.items() if isinstance(value, str) and value in choices)}


def dotted_keys(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys to suggest: those of a config and those that its sections may have, in the order of `SECTIONS`.

    Args:
        raw: The resolved config.
    """
    known = {section: names for section, names in _known_here(raw).items() if section}
    listed = [*_SINGLE, *SECTIONS]
    listed += [f"{section}.{name}" for section in known for name in known[section]]
    listed += [key for section in SECTIONS if section not in known for key in _leaves(raw.get(section), section)]
    order = {section: position for position, section in enumerate(SECTIONS)}
    return tuple(sorted(dict.fromkeys(listed), key=lambda key: order.get(key.partition(".")[0], -1)))


def nearest(key: str, names: Collection[str], siblings: Iterable[str] = ()) -> str | None:
    """Return the dotted key that a mistyped one probably stands for; None if there is no similar one.

    Args:
        key: The mistyped dotted key.
        names: The dotted keys of the whole config.
        siblings: The last parts of further keys in the same section. Default: none.
    """
    section, _, last = key.rpartition(".")
    by_last: dict[str, str] = {}
    for name in names:
        if name.rpartition(".")[2] not in _ANYWHERE:
            by_last.setdefault(name.rpartition(".")[2], name)
    if not section and last not in _USUAL and by_last.get(last, key) != key:  # rather than only_trial for n_trials
        return by_last[last]
    prefix = f"{section}." if section else ""
    beside = [*siblings, *(name.removeprefix(prefix) for name in names if name.rpartition(".")[0] == section)]
    if near := difflib.get_close_matches(last, [name for name in beside if name != last], n=1):
        return f"{prefix}{near[0]}"
    if last in _USUAL:
        return _USUAL[last]
    if last in by_last and by_last[last] != key:
        return by_last[last]
    near = difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.75)
    return by_last[near[0]] if near and by_last[near[0]] != key else None


def correction(key: str, names: Collection[str], siblings: Iterable[str] = ()) -> str:
    """Return the next step for a mistyped key: the nearest known key, or its removal.

    Args:
        key: The mistyped dotted key.
        names: The dotted keys of the whole config.
        siblings: The last parts of further keys in the same section. Default: none.
    """
    if near := nearest(key, names, siblings):
        return f"Did you mean {near}?"
    if "." not in key:
        return f"Remove {key}, or read it somewhere as ${{{key}}}."
    return f"Remove {key} or correct its name."


def _next_step(key: str, value: Any, names: Collection[str], siblings: Iterable[str]) -> str:
    near = nearest(key, names, siblings)
    if near and "." not in key and _is_short(value):  # the word to type instead
        return f"Did you mean {near}={redacted(value, key=near)}?"
    return correction(key, names, siblings)


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) and len(str(value)) <= _LONGEST_SHOWN


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """Return whether a name is nearly a known one, and not merely a longer or a shorter name.

    Args:
        name: The name.
        known: The known names.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=_NEARLY)
    return bool(near) and near[0] not in name and name not in near[0]


def _known_here(raw: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the known keys of each section; the empty text is the config itself."""
    storage = _node(raw, "storage")
    has_server = isinstance(storage, Mapping) and any(storage.get(key) for key in ("optuna_url", "mlflow_server"))
    return {
        "": (*_SINGLE, *SECTIONS),
        **_KNOWN,
        "storage": tuple(dict.fromkeys((*_SERVER, *_LOCAL))) if has_server else _LOCAL,
    }


def _node(raw: Mapping[str, Any], section: str) -> Any:
    node: Any = raw
    for part in section.split(".") if section else ():
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _leaves(node: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted keys below a section, without those of ranges, settings and candidates."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield f"{prefix}.{key}"
            if prefix == "dataset" and key == "task":
                yield from _leaves(value, f"{prefix}.{key}")
