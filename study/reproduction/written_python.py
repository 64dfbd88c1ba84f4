"""Values and calls as the text of a Python program."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Longest line of a call; a longer call has a line for each argument.
_LONGEST = 100


class NotWritableError(Exception):
    """A value or a name has no form in Python text. The message says which one."""


def written_value(value: Any) -> str:
    """Return a value as Python text from which exactly this value is read.

    Args:
        value: A number, a text, a truth value, None, or mappings, lists and tuples of them.

    Raises:
        NotWritableError: The value is of another type.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written_value(key)}: {written_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(written_value, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(written_value, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    raise NotWritableError(f"a value of the type {type(value).__name__}")


def written_call(function: str, arguments: Mapping[str, str], *, indent: int = 0) -> str:
    """Return a call as Python text, with a line for each argument if it is long.

    Args:
        function: The function, as Python text.
        arguments: The arguments by name, as Python text.
        indent: Number of spaces before the line in which the call stands. Default 0.

    Raises:
        NotWritableError: An argument's name is not one that Python code can have.
    """
    if wrong := [name for name in arguments if not name.isidentifier() or keyword.iskeyword(name)]:
        raise NotWritableError(f"an argument {wrong[0]!r}")
    words = [f"{name}={value}" for name, value in arguments.items()]
    line = f"{function}({', '.join(words)})"
    if len(line) + indent <= _LONGEST and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{word},\n" for word in words)
    return f"{function}(\n{inner}{' ' * indent})"


def written_tree(tree: Any, places: Sequence[str], *, of: str) -> str:
    """Return a tree of arrays as Python text that takes each array by its place from a mapping.

    Args:
        tree: Dicts and tuples; anything else stands for an array.
        places: The place of each array, in the order of `study.core.trees.leaves`.
        of: The mapping, as Python text.

    Raises:
        NotWritableError: The tree has nodes of other types.
    """
    return _written_node(tree, iter(places), of)


def _written_node(node: Any, places: Iterator[str], of: str) -> str:
    if type(node) is dict:  # trees visit a dict in the order of its sorted keys
        found = {key: _written_node(node[key], places, of) for key in sorted(node)}
        return "{" + ", ".join(f"{written_value(key)}: {text}" for key, text in found.items()) + "}"
    if type(node) is tuple:
        texts = [_written_node(each, places, of) for each in node]
        return "(" + ", ".join(texts) + ("," if len(texts) == 1 else "") + ")"
    if isinstance(node, Mapping | list | tuple):
        raise NotWritableError(f"a {type(node).__name__} among the arrays")
    return f"{of}[{written_value(next(places))}]"


def _quoted(text: str) -> str:
    """Return a text in double quotes where that needs no escapes, as formatted code has it."""
    plain = repr(text)
    return f'"{text}"' if plain == f"'{text}'" and '"' not in text else plain
