"""The argument `search` of `compare`: ranges of any keys, as words of a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from study.api.parts import described
from study.cli.launch.overrides import value_text
from study.cli.launch.search_words import PARTS, SEARCH
from study.config.reader import did_you_mean
from study.core.errors import Fault
from study.core.search_space import SCALES

_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_EXAMPLE = (
    '{"model.dropout": (0.0, 0.5), "optimizer.learning_rate": (1e-5, 1e-1, "log"), "trainer.batch_size": [32, 64]}'
)
_ALLOWED = "(low, high), (low, high, scale), a list of choices, or a mapping of {}"


def search_words(search: Any, faults: list[Fault]) -> Iterator[str]:
    """Yield the words of `search`, such as `search.model.dropout.low=0.0`.

    Args:
        search: By key of the config: `(low, high)`, `(low, high, scale)`, a list of choices, or a mapping of the parts
            of a range, as in YAML. Sections may be nested too. None: nothing.
        faults: Faults, to which those of `search` are added.
    """
    if search is None:
        return
    if not isinstance(search, Mapping):
        allowed, advice = "a mapping of keys of the config to ranges", f"Write search={_EXAMPLE}."
        faults.append(Fault(key="search", value=_shown(search), allowed=allowed, advice=advice))
        return
    seen: set[str] = set()
    for key, given in _entries(search, ""):
        if not _KEY.fullmatch(key):
            allowed = "keys of the config, such as model.dropout"
            faults.append(Fault(key="search", value=key, allowed=allowed, advice="Correct the key."))
        elif key in seen:
            advice = "Remove one of them."
            faults.append(Fault(key=in_python(key), value=_shown(given), allowed="one range of a key", advice=advice))
        else:
            seen.add(key)
            parts = _parts(key, given, faults)
            yield from (f"{SEARCH}.{key}.{part}={value_text(value)}" for part, value in parts.items())


def in_python(key: str) -> str:
    """Return the place of a key in the argument `search`.

    Args:
        key: The dotted key.
    """
    return f'{SEARCH}["{key}"]'


def told_in_python(text: str, keys: frozenset[str]) -> str:
    """Return a text of a fault with `search["model.dropout"]` in place of `search.model.dropout`.

    Args:
        text: The text.
        keys: The dotted keys in the argument `search`.
    """
    for key in sorted(keys, key=len, reverse=True):
        group, _, argument = key.partition(".")
        # Ranges of the optimizer's arguments are in its own section once the config is read.
        places = [key.replace(".", f".{SEARCH}.", 1)] if group == "optimizer" and argument else []
        for place in (*places, f"{SEARCH}.{key}"):
            text = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w-])", in_python(key), text)
    return text


def _entries(node: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their ranges; a mapping without parts of a range is a section."""
    for name, given in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        is_section = isinstance(given, Mapping) and given and not PARTS.keys() & given.keys()
        if is_section and any(isinstance(inner, Mapping | list | tuple) for inner in given.values()):
            yield from _entries(given, key)
        else:
            yield key, given


def _parts(key: str, given: Any, faults: list[Fault]) -> dict[str, Any]:
    """Return the parts of a range; none if it has a fault."""
    where = in_python(key)
    if isinstance(given, Mapping) and given:
        unknown = [name for name in given if name not in PARTS]
        for name in unknown:
            allowed, advice = f"one of {', '.join(PARTS)}", did_you_mean(str(name), list(PARTS))
            faults.append(Fault(key=f"{where}[{name!r}]", value=_shown(given[name]), allowed=allowed, advice=advice))
        return {} if unknown else dict(given)
    if isinstance(given, list) and given:
        return {"choices": given}
    if isinstance(given, tuple) and len(given) in (2, 3) and all(map(_is_number, given[:2])):
        scale = given[2:]
        if scale and scale[0] not in SCALES:
            advice = did_you_mean(str(scale[0]), SCALES)
            allowed = f"the scale {' or '.join(SCALES)} after the two ends"
            faults.append(Fault(key=where, value=_shown(given), allowed=allowed, advice=advice))
            return {}
        return {"low": given[0], "high": given[1], **({"scale": scale[0]} if scale else {})}
    advice = f'Write {where}: (0.0, 0.5), (1e-5, 1e-1, "log"), [32, 64] or {{"low": 1, "high": 9, "step": 2}}.'
    allowed = _ALLOWED.format(", ".join(PARTS))
    faults.append(Fault(key=where, value=_shown(given), allowed=allowed, advice=advice))
    return {}


def _shown(value: Any) -> Any:
    return repr(value) if isinstance(value, tuple | list | Mapping) else described(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
