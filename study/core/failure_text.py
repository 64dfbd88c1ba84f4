"""The text of an exception in a training: its traceback, and one line with the layer, the shapes and the place."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from study.core.keras_errors import read_keras_error, without_colors
from study.core.readable_output import in_one_line

IN_SHORT = "In short: "
_LONGEST_CAUSE, _MOST_ARGUMENTS = 240, 6
# Parts of the paths of this package's modules, and of those that users add models and data sets to.
_OURS = str(Path(__file__).parents[1]) + os.sep
_FOR_USERS = tuple(f"{_OURS}{folder}{os.sep}" for folder in ("models", "datasets", "optimizers"))
_FRAME = re.compile(r'  File "(?P<file>.*?)", line \d+, in ')
_QUOTED = re.compile(r"""(KeyError: )(["'].*\\n.*["'])""")
# A node of TensorFlow's graph, alone and with its whole operation, and the name of a graph.
_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
_OPERATION = re.compile(r"'\{\{node ([^}]+)\}\} = .*?'(?= with |$)")
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\} ?")
_NOTE_OF_JAX = re.compile(r"\n-{5,}\nFor simplicity, JAX has removed .*?\n(?=\n|\Z)", re.DOTALL)


def failure_text(error: BaseException) -> str:
    """Return the traceback of an exception that ended a training, and a last line that says in short what happened.

    The last line begins with `IN_SHORT`. It has the exception, the layer, the shapes of its inputs and the innermost
    place in the user's files, as far as they are known.

    Args:
        error: The exception, with its traceback.
    """
    full = "".join(traceback.format_exception(error)).rstrip()
    return f"{full}\n\n{IN_SHORT}{_short(error)}\n"


def users_part(text: str) -> str:
    """Return a traceback with the frames of the user's files alone; the whole one if it has none of these.

    Args:
        text: The traceback, perhaps of several exceptions that followed one another.
    """
    text = without_colors(_NOTE_OF_JAX.sub("\n", f"{text.rstrip()}\n"))
    kept, is_kept, n_own = [], True, 0
    for line in text.splitlines():
        if found := _FRAME.match(line):
            is_kept = _is_own(found["file"])
            n_own += is_kept
        elif not line.startswith("  "):
            is_kept = True
        if is_kept:
            kept.append(line)
    return "\n".join(map(_unquoted, kept if n_own else text.splitlines())).rstrip()


def _unquoted(line: str) -> str:
    """Return the message of a KeyError in lines, where Keras has made several of it and Python quotes them."""
    found = _QUOTED.fullmatch(line)
    if found is None:
        return line
    return f"{found[1]}{without_colors(ast.literal_eval(found[2]))}"


def _short(error: BaseException) -> str:
    told = read_keras_error(error)
    walked = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in walked if _is_own(frame.f_code.co_filename)]
    cause = _cause(told.cause, str(error))
    parts = [f"{type(error).__name__}{': ' if cause else ''}{cause}"]
    if layer := _layer([frame for frame, _ in walked], told.layer) or told.layer:
        parts.append(f"in {layer}")
    if own:
        frame, line = own[-1]
        parts.append(f"in {frame.f_code.co_name} of {Path(frame.f_code.co_filename).name}, line {line}")
    if arguments := told.arguments or (tuple(_shapes(own[-1][0])) if own else ()):
        parts.append(f"with {', '.join(arguments[:_MOST_ARGUMENTS])}")
    return in_one_line("; ".join(parts))


def _cause(first_line: str, message: str) -> str:
    """Return what is wrong in one line of limited length, with the node of TensorFlow's graph if there is one."""
    cause = _OPERATION.sub(r"node \1", _FUNCTION.sub("", first_line)).rstrip(".")
    if len(cause) > _LONGEST_CAUSE:
        cause = f"{cause[:_LONGEST_CAUSE]}..."
    if (node := _NODE.search(message)) and node[1] not in cause:
        cause += f", at node {node[1]}"
    return cause


def _is_own(file: str) -> bool:
    """Return whether a file is the user's: in no installed package, and no module of this one besides models."""
    if "site-packages" in file or file.startswith("<") or f"{os.sep}lib{os.sep}python" in file:
        return False
    return not file.startswith(_OURS) or file.startswith(_FOR_USERS)


def _layer(frames: list[FrameType], class_name: str) -> str:
    """Return the innermost layer of the frames in words, that of the given class first; empty without any."""
    found = [each for frame in reversed(frames) if _is_layer(each := frame.f_locals.get("self"))]
    named = [each for each in found if type(each).__name__ == class_name]
    if class_name and not named:  # Keras leaves the frames of its own layers out
        return ""
    chosen = next(iter(named or found), None)
    if chosen is None:
        return ""
    kind = "model" if "Model" in {base.__name__ for base in type(chosen).__mro__} else "layer"
    return f"{kind} {chosen.name} ({type(chosen).__name__})"


def _is_layer(value: Any) -> bool:
    return any(
        base.__name__ == "Layer" and base.__module__.partition(".")[0] == "keras" for base in type(value).__mro__
    )


def _shapes(frame: FrameType) -> Iterator[str]:
    """Yield the arguments of a frame that are tensors, or tuples of these, such as `y=int32 of shape (32,)`."""
    code = frame.f_code
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        with contextlib.suppress(Exception):  # an object of the user's can fail in any way
            value = frame.f_locals[name]
            told = f"({', '.join(map(_shape, value))})" if isinstance(value, tuple) else _shape(value)
            yield f"{name}={told}"


def _shape(value: Any) -> str:
    kind = getattr(value.dtype, "name", str(value.dtype)).removeprefix("torch.")
    return f"{kind} of shape {tuple(value.shape)}"
