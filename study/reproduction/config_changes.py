"""Change single values of a recorded config, to train the same run with another setting."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from study.core.errors import StudyError
from study.core.search_space import Value, frozen, text_of

# Sections and keys that a training depends on.
_SECTIONS = (
    "dataset",
    "model",
    "optimizer",
    "schedule",
    "trainer",
    "budget.n_epochs",
    "budget.n_steps",
    "deterministic",
)
# Keys in these sections that only the search or the composition reads.
_UNREAD = (
    "dataset.task.batch_size",
    "dataset.task.objective",
    "optimizer.search",
    "optimizer.search_only",
    "optimizer.untuned",
    "trainer.capacity",
    "trainer.checkpoint_every_n_epochs",
)
_NAMES = ("name", "_target_")


def apply_changes(
    raw: Mapping[str, Any], changes: Mapping[str, Any], *, searched: Collection[str] = ()
) -> dict[str, Any]:
    """Return the config with changed values, whose optimizer searches nothing.

    Ranges of other keys stay: the program that trains a trial depends on them. Values of such keys are the trial's.

    Args:
        raw: The recorded config.
        changes: New values, by dotted key.
        searched: Dotted keys that were searched, whose new values are left to `apply_to_point`. Default: none.

    Raises:
        StudyError: A key does not exist, is a whole section, or has no effect on training.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    known = {**dict(leaves(raw)), **dict.fromkeys(searched)}
    for key, value in changes.items():
        is_argument = _is_argument(key)
        if not depends(key) or (key not in known and not is_argument) or isinstance(value, Mapping):
            near = difflib.get_close_matches(key, [name for name in known if depends(name)], n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Choose a key in {', '.join(_SECTIONS)}."
            raise StudyError(f"{key}={text_of(value)}: expected a single value that training depends on. {hint}")
        if key in searched:
            continue
        *parents, last = key.split(".")
        node = changed
        for parent in parents:
            node = node[parent]
        node[last] = value
    changed.pop("enqueue", None)  # only the search reads it
    if isinstance(changed.get("search"), dict):
        changed["search"].pop("optimizer", None)
    if isinstance(changed.get("optimizer"), dict):
        changed["optimizer"]["search_only"] = []
    return changed


def apply_to_point(point: Mapping[str, Value], changes: Mapping[str, Any]) -> dict[str, Value]:
    """Return a run's hyperparameters with the changes applied; null removes an argument of the optimizer.

    Args:
        point: The recorded arguments of the optimizer by name, and values of other searched keys by dotted key.
        changes: New values, by dotted key; keys that are neither are ignored.
    """
    arguments = {key.removeprefix("optimizer."): value for key, value in changes.items() if _is_argument(key)}
    values = {key: value for key, value in changes.items() if key in point and "." in key}
    # A list, such as that of augmenting layers, is changed as a whole, also where one of its numbers was searched.
    parts = {key: _part(whole, key, at) for key in point for at, whole in changes.items() if key.startswith(f"{at}.")}
    merged = {**point, **arguments, **parts, **values}
    return {key: frozen(value) for key, value in merged.items() if key not in arguments or value is not None}


def _part(whole: Any, key: str, at: str) -> Any:
    """Return the value of a key in the new value of the key above it.

    Raises:
        StudyError: The new value has no such part.
    """
    part = whole
    try:
        for name in key.removeprefix(f"{at}.").split("."):
            part = part[int(name)] if isinstance(part, list | tuple) else part[name]
    except (LookupError, TypeError, ValueError) as error:
        advice = f"Keep this part, or change another key: {key} was searched."
        raise StudyError(f"{at}={text_of(whole)}: expected a value with a part {key}. {advice}") from error
    return part


def pin_trainer(raw: Mapping[str, Any], *, compiled_batch_size: float | None) -> None:
    """Let a trainer begin without the study's checkpoints, in a program of the size that the study compiled.

    Args:
        raw: The resolved config, which is changed.
        compiled_batch_size: Number of lanes of the recorded program; None: the trainer has no such number.
    """
    trainer = raw.get("trainer", {})
    if "checkpoint_every_n_epochs" in trainer:
        trainer["checkpoint_every_n_epochs"] = None
    if "capacity" in trainer and compiled_batch_size is not None:
        trainer["capacity"] = int(compiled_batch_size)


def changes_between(
    raw: Mapping[str, Any], edited: Mapping[str, Any], *, arguments: Mapping[str, Value]
) -> dict[str, Any]:
    """Return the values of an exported, perhaps edited, configuration that differ from the recorded one.

    Args:
        raw: The recorded config, at the run's point.
        edited: The sections of the exported file.
        arguments: The recorded arguments of the optimizer, which a search drew.
    """
    recorded = dict(leaves(raw)) | {f"optimizer.{key}": value for key, value in arguments.items()}
    return {
        key: value for key, value in leaves(edited) if depends(key) and text_of(value) != text_of(recorded.get(key))
    }


def recorded_value(raw: Mapping[str, Any], key: str, *, arguments: Mapping[str, Value]) -> str:
    """Return the recorded value of a key as text; an argument that was left out had Keras's own value.

    Args:
        raw: The recorded config, at the run's point.
        key: The dotted key.
        arguments: The recorded arguments of the optimizer, by name.
    """
    argument = key.removeprefix("optimizer.")
    if _is_argument(key):
        return text_of(arguments[argument]) if argument in arguments else "Keras's default"
    return text_of(dict(leaves(raw)).get(key))


def depends(key: str) -> bool:
    """Return whether the training of one point depends on a key."""
    below = any(key == section or key.startswith(f"{section}.") for section in _SECTIONS)
    unread = any(key == name or key.startswith(f"{name}.") for name in _UNREAD)
    return below and not unread and key.rpartition(".")[2] != "name"


def leaves(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single values of nested mappings under their dotted keys.

    Args:
        section: The nested mappings.
        prefix: The prefix of the keys. Default: the empty text.
    """
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_argument(key: str) -> bool:
    section, _, argument = key.partition(".")
    return section == "optimizer" and "." not in argument and argument not in _NAMES and depends(key)
