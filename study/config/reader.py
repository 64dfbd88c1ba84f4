"""Read a resolved config key by key, and collect every fault instead of stopping at the first."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from study.config.known_keys import dotted_keys
from study.core.errors import Fault, written
from study.core.names import name_fault

_MISSING = object()


class Reader:
    """Reader of dotted keys of a nested mapping; a fault is added to `faults`, and reading goes on.

    Args:
        raw: The resolved config.

    Attributes:
        faults: The faults found so far.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.faults: list[Fault] = []

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The dotted keys that a message may suggest."""
        return dotted_keys(self._raw)

    def fault(self, key: str, value: object, *, allowed: str, advice: str) -> None:
        """Record one fault.

        Args:
            key: The dotted key.
            value: The value received.
            allowed: The allowed values, in words.
            advice: The next step, as a sentence.
        """
        self.faults.append(Fault(key=key, value=value, allowed=allowed, advice=advice))

    def value(self, key: str, default: Any = _MISSING) -> Any:
        """Return the value of a key; a missing key without a default is a fault.

        Args:
            key: The dotted key.
            default: The value for a missing key. By default, a missing key is a fault.
        """
        node: Any = self._raw
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                if default is _MISSING:
                    self.fault(key, "(missing)", allowed="a value", advice=f"Set {key}.")
                    return None
                return default
            node = node[part]
        return node

    def section(self, key: str, *, optional: bool = False) -> dict[str, Any]:
        """Return a copy of the mapping under a key; empty if the key is missing.

        Args:
            key: The dotted key.
            optional: Accept a missing key. Default False.
        """
        found = self.value(key, default=None if optional else _MISSING)
        if isinstance(found, Mapping):
            return dict(found)
        if found is not None:
            advice = f"Write {key}.KEY=VALUE." if "." in key else f"Choose one of conf/{key}/."
            self.fault(key, found, allowed="a section of keys", advice=advice)
        return {}

    def text(self, key: str, *, optional: bool = False) -> str:
        """Return a non-empty string; the empty string for a missing or null key.

        Args:
            key: The dotted key.
            optional: Accept a missing or null key. Default False.
        """
        before = len(self.faults)
        found = self.value(key, default=None if optional else _MISSING)
        if isinstance(found, str) and found:
            return found
        if len(self.faults) == before and not (found is None and optional):
            self.fault(key, found, allowed="a name", advice=f"Give {key} as text.")
        return ""

    def name(self, key: str, *, optional: bool = False, parts: bool = True) -> str:
        """Return a string that can be a name, and a part of a file name.

        Args:
            key: The dotted key.
            optional: Accept a missing or null key. Default False.
            parts: Accept several names with `/` between them. Default True.
        """
        found = self.text(key, optional=optional)
        if found and (allowed := name_fault(found, parts=parts)):
            self.fault(key, found, allowed=allowed, advice=f"Shorten or correct {key}.")
            return ""
        return found

    def address(self, key: str) -> str:
        """Return a string that can be an address; the empty string for a missing or null key.

        Args:
            key: The dotted key.
        """
        found = self.text(key, optional=True)
        if not found.isprintable():
            self.fault(key, found, allowed="an address of printable characters", advice=f"Correct {key}.")
            return ""
        return found

    def path(self, key: str, *, optional: bool = False) -> str:
        """Return a string that can be a path.

        Args:
            key: The dotted key.
            optional: Accept a missing or null key. Default False.
        """
        found = self.text(key, optional=optional)
        try:
            Path(found).expanduser().stat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return found  # reported by the code that needs the file
        except (OSError, ValueError, RuntimeError) as error:
            self.fault(key, found, allowed=f"a path ({error})", advice=f"Correct {key}.")
            return ""
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings as a tuple; empty for a missing or null key.

        Args:
            key: The dotted key.
        """
        found = self.value(key, default=None)
        if found is None:
            return ()
        if not isinstance(found, list | tuple) or not all(isinstance(item, str) and item for item in found):
            self.fault(key, found, allowed="a list of names", advice=f"Write {key}=[one,two].")
            return ()
        return tuple(found)

    def one_of(self, key: str, allowed: Collection[Any], default: Any = _MISSING) -> Any:
        """Return a value that must be one of a few.

        Args:
            key: The dotted key.
            allowed: The allowed values; the first one replaces a faulty value.
            default: The value for a missing key. By default, a missing key is a fault.
        """
        before = len(self.faults)
        found = self.value(key, default)
        if len(self.faults) > before:
            return next(iter(allowed))
        if found not in allowed:
            choices = [written(each) for each in allowed]
            advice = did_you_mean(written(found), choices)
            self.fault(key, found, allowed=f"one of {', '.join(choices)}", advice=advice)
            return next(iter(allowed))
        return found

    def boolean(self, key: str, default: Any = _MISSING) -> bool:
        """Return true or false.

        Args:
            key: The dotted key.
            default: The value for a missing key. By default, a missing key is a fault.
        """
        return bool(self.one_of(key, (True, False), default))

    def integer(self, key: str, *, minimum: int, optional: bool = False) -> int | None:
        """Return a whole number, or None for an optional null.

        Args:
            key: The dotted key.
            minimum: The lowest allowed number; it also replaces a faulty value.
            optional: Accept a missing or null key. Default False.
        """
        before = len(self.faults)
        found = self.value(key, default=None if optional else _MISSING)
        if len(self.faults) > before:
            return minimum
        if found is None and optional:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < minimum:
            advice = f"Set {key} to {minimum} or more."
            self.fault(key, found, allowed=f"a whole number of at least {minimum}", advice=advice)
            return minimum
        return found

    def number(self, key: str, *, optional: bool = False, above: float = -math.inf) -> float | None:
        """Return a finite number, or None for an optional null.

        Args:
            key: The dotted key.
            optional: Accept a missing or null key. Default False.
            above: The number must be greater than this one. Default -inf: any finite number is allowed.
        """
        before = len(self.faults)
        found = self.value(key, default=None if optional else _MISSING)
        if len(self.faults) > before or (found is None and optional):
            return None
        if not is_number(found) or found <= above:
            allowed = "a finite number" if above == -math.inf else f"a finite number above {above:g}"
            self.fault(key, found, allowed=allowed, advice=f"Correct {key}.")
            return None
        return float(found)


def is_number(value: object) -> bool:
    """Return whether a value is a finite number and no boolean."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def did_you_mean(name: str, known: Any) -> str:
    """Return advice that names the nearest known names.

    Args:
        name: The unknown name.
        known: The known names.
    """
    near = difflib.get_close_matches(name, list(known), n=2)
    return f"Did you mean {' or '.join(near)}?" if near else "Choose one of them."
