"""Build everything at the ends and in the middle of each range of `search`, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from study.config.at_point import at
from study.config.schema import StudyConfig
from study.core.errors import ConfigError, Fault, StudyError
from study.core.search_space import Range, Value, text_of

# Largest number of choices that are tried.
_MAX_CHOICES = 32

# Builds the parts of a config without computing, and raises a `StudyError` if they do not fit.
Build = Callable[[StudyConfig], Any]


def point_faults(config: StudyConfig, build: Build) -> list[Fault]:
    """Return the faults of ranges at whose ends or in whose middle the parts of a study cannot be built.

    Args:
        config: The study's config, which can be built at its own values.
        build: Builds the parts of a config.
    """
    faults = []
    for key, searched in config.searched.items():
        for value in searched.examples[:_MAX_CHOICES]:
            if (allowed := _refused(config, key, value, build)) is not None:
                faults.append(_fault(key, searched, value, allowed))
    return faults


def _refused(config: StudyConfig, key: str, value: Value, build: Build) -> str | None:
    """Return what is allowed instead of a value, in words; None if everything can be built with it."""
    try:
        build(at(config, {key: value}))
    except ConfigError as error:
        return "; ".join(_told(error.faults, key))
    except StudyError as error:
        return f"values with which the study can be built; with {text_of(value)}: {error}".rstrip(".")
    return None


def _told(faults: Any, key: str) -> Iterator[str]:
    for fault in faults:
        yield fault.allowed if fault.key == key else f"values with which {fault.key} is {fault.allowed}"


def _fault(key: str, searched: Range, value: Value, allowed: str) -> Fault:
    if searched.choices is not None:
        return Fault(key=f"search.{key}.choices", value=value, allowed=allowed, advice="Leave this choice out.")
    end = "low" if value == searched.low else "high" if value == searched.high else ""
    advice = f"Correct search.{key}.{end}." if end else f"Narrow search.{key}."
    return Fault(key=f"search.{key}.{end}".rstrip("."), value=value, allowed=allowed, advice=advice)
