"""Checks of the arguments of `load`, which several data sets share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from study.core.errors import ConfigError, DataError, Fault


def refuse(*found: Fault | None) -> None:
    """Raise the faults that there are, all at once.

    Args:
        *found: Faults; None stands for an argument without a fault.

    Raises:
        ConfigError: There is a fault.
    """
    faults = [fault for fault in found if fault is not None]
    if faults:
        raise ConfigError(faults)


def integer_fault(key: str, value: Any, *, minimum: int) -> Fault | None:
    """Return the fault of a value that is not a whole number of at least a minimum; None if it is one.

    Args:
        key: The dotted key.
        value: The value.
        minimum: The lowest allowed value.
    """
    if is_whole(value) and value >= minimum:
        return None
    advice = f"Set {key} to {minimum} or more."
    return Fault(key=key, value=value, allowed=f"a whole number of at least {minimum}", advice=advice)


def choice_fault(key: str, value: Any, choices: Sequence[str]) -> Fault | None:
    """Return the fault of a value that is not among the choices; None if it is one.

    Args:
        key: The dotted key.
        value: The value.
        choices: The allowed values.
    """
    if value in choices:
        return None
    return Fault(key=key, value=value, allowed=f"one of {', '.join(choices)}", advice="Choose one of them.")


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, and neither true nor false.

    Args:
        value: The value.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def existing_path(path: str | None, *, expected: str, is_folder: bool = False, key: str = "dataset.path") -> Path:
    """Return the path of the user's own file or folder, if it is there.

    Args:
        path: The value of the key.
        expected: The thing that should be there, in words, such as `a CSV file`.
        is_folder: It should be a folder, and not a file. Default False.
        key: The dotted key. Default `dataset.path`.

    Raises:
        ConfigError: No path is given.
        DataError: The path names nothing, or a folder in place of a file or the reverse.
    """
    if not path:
        kind = "FOLDER" if is_folder else "FILE"
        advice = f"Set {key}={kind}; a relative path starts at the folder where the command is started."
        raise ConfigError([Fault(key=key, value=path, allowed=f"the path of {expected}", advice=advice)])
    place = Path(path).expanduser()
    if not (place.is_dir() if is_folder else place.is_file()):
        found = "nothing there" if not place.exists() else "a file" if is_folder else "a folder"
        raise DataError(
            f"{key}={path}: found {found}, expected {expected}. Correct {key}; a relative path starts at the folder "
            f"{'where the command is started' if key == 'dataset.path' else 'of dataset.path'}."
        )
    return place
