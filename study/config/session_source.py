"""Identify functions that no module has: by their source, and by all values that they read from outside of it.

A function of a notebook's cell reads global names of the session, and one in another function closes over its
variables. Both are values that can differ between two calls of one source. So they are a part of its digest.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import enum
import functools
import hashlib
import inspect
import io
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from study.config.loaded_source import code_text
from study.config.own_source import own_file, source_digests
from study.config.syntax_trees import mentioned_names, tree_text, without_docstrings
from study.core.errors import Fault
from study.core.session_objects import SessionObject

_LONGEST_SHOWN = 60
# Kinds of Keras objects that all trainings of a study would share and change, by the name of the class.
_SHARED = ("Layer", "Variable", "Optimizer", "Metric", "Loss")
_READS_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), range, slice)


def identify(called: Callable[..., Any], *, key: str) -> tuple[SessionObject, list[Fault]]:
    """Return an object of the session with its digest and its source, and a fault for each value without identity.

    Args:
        called: A function, a class, or a `functools.partial`.
        key: The name of the argument that it was given as, for faults.
    """
    reader = _Identifier(key)
    reader.add("it", called)
    found = SessionObject(
        called=called,
        digest=reader.digest,
        source="\n\n".join(reader.sources),
        imported=tuple(dict.fromkeys(reader.imported)),
    )
    return found, reader.faults


class _Identifier:
    """Follows functions to all that they read, and adds it to one digest.

    Attributes:
        faults: The faults found so far.
        sources: The source of each function and class that was read, the first one first; values as comments.
        imported: Dotted paths of what was read of modules.
    """

    def __init__(self, key: str) -> None:
        self.faults: list[Fault] = []
        self.sources: list[str] = []
        self.imported: list[str] = []
        self._key = key
        self._sha = hashlib.sha256()
        self._numbers: dict[int, int] = {}  # of functions, classes and containers, in the order in which they were met
        self._kept: list[Any] = []  # so that no identity is used twice

    @property
    def digest(self) -> str:
        """Digest of all that was added: twelve hexadecimal digits."""
        return self._sha.hexdigest()[:12]

    def add(self, path: str, value: Any) -> None:
        """Add a value.

        Args:
            path: The names that lead to it, for faults.
            value: The value.
        """
        if isinstance(value, _PLAIN):
            self._write(f"{type(value).__name__} {value!r}")
            return
        if isinstance(value, np.ndarray | np.generic):
            self._add_array(path, np.asarray(value))
            return
        if not isinstance(value, tuple | frozenset) and self._is_known(value):
            return
        if isinstance(value, types.ModuleType):
            self._write(f"module {value.__name__}")
        elif isinstance(value, functools.partial | functools.partialmethod):
            self._write("partial")
            for part, inner in (("function", value.func), ("args", value.args), ("keywords", value.keywords)):
                self.add(f"{path}.{part}", inner)
        elif isinstance(value, types.MethodType):
            self.add(f"{path}.__func__", value.__func__)
            self.add(f"{path}.__self__", value.__self__)
        elif isinstance(value, type | types.FunctionType):
            self._add_definition(path, value)
        elif isinstance(value, enum.Enum):
            self._write(f"member {value.name}")
            self.add(f"{path}.class", type(value))
        elif is_importable(value) or isinstance(value, np.dtype):
            self._write(f"named {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}")
        else:
            self._add_object(path, value)

    def _is_known(self, value: Any) -> bool:
        """Note a value that was met before, or that another name of this process leads to."""
        if (number := self._numbers.get(id(value))) is not None:
            self._write(f"again {number}")
            return True
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        return False

    def _add_definition(self, path: str, value: Any) -> None:
        """Add a function or a class: one of the user's by its source, another one by its name."""
        name = f"{value.__module__}.{value.__qualname__}"
        if is_importable(value):
            self._write(f"named {name}")
            self._add_imported([name])
            return
        trees = _trees(value)
        self._write(f"definition {tree_text(trees)}" if trees else f"code {_code_text(value)}")
        self.sources.append(_source(value) or f"# {name} has no source")
        for base in (*value.__bases__, type(value)) if isinstance(value, type) else ():
            self.add(f"{path}.{base.__name__}", base)
        self._add_imported(imported_targets(trees))
        for name, inner in sorted(vars(value).items()):
            if _is_data(inner) and not name.startswith("__") and not isinstance(value, enum.EnumType):
                self._write(f"attribute {name}")
                self.add(f"{path}.{name}", inner)
        if isinstance(value, type) and issubclass(value, enum.Enum):
            self.add(path, {name: each.value for name, each in dict(value.__members__).items()})
        for function in _functions(value):
            self._add_outer_values(path, function)

    def _add_outer_values(self, path: str, function: types.FunctionType) -> None:
        """Add the defaults of a function, and the values of all names that its body reads and does not bind."""
        self.add(f"{path}.defaults", function.__defaults__)
        self.add(f"{path}.defaults", function.__kwdefaults__)
        for name, value in sorted(_outer_values(function).items()):
            self._write(f"name {name}")
            if isinstance(value, types.ModuleType) and own_file(value.__name__) is not None:
                self._add_module(value, function, name)
                continue
            if not isinstance(value, types.ModuleType | type | types.FunctionType):
                self.sources.append(f"# {name} = {_shown(value)}")
            self.add(name if path == "it" else f"{path}.{name}", value)

    def _add_module(self, module: types.ModuleType, function: types.FunctionType, name: str) -> None:
        """Add what a function reads of a module of the user's own."""
        used = [
            attributes for tree in _trees(function) for known, attributes in mentioned_names(tree) if known == name
        ]
        targets = [f"{module.__name__}.{attributes[0]}" for attributes in used if attributes]
        self._add_imported(targets)

    def _add_imported(self, targets: list[str]) -> None:
        """Add what is read of modules: of the user's own by its source."""
        self.imported += targets
        self._write(f"imported {sorted(source_digests(targets).items())}")

    def _add_array(self, path: str, value: Any) -> None:
        if value.dtype.hasobject:
            self.add(path, value.tolist())
            return
        self._write(f"array {value.shape} {value.dtype.str}")
        self._sha.update(np.ascontiguousarray(value).tobytes())

    def _add_object(self, path: str, value: Any) -> None:
        """Add an object by its parts; one that is neither plain nor has known parts is pickled, or refused."""
        kind = type(value)
        if isinstance(value, Mapping):
            self._write(f"{kind.__name__} of {len(value)}")
            for key, inner in value.items():
                self.add(f"{path}[{key!r}]", key)
                self.add(f"{path}[{key!r}]", inner)
        elif isinstance(value, list | tuple):
            self._write(f"{kind.__name__} of {len(value)}")
            for index, inner in enumerate(value):
                self.add(f"{path}[{index}]", inner)
        elif isinstance(value, set | frozenset):
            self._write(f"{kind.__name__} {sorted(_digest_alone(inner) for inner in value)}")
        elif shared := _shared_kind(value):
            advice = f"Make it inside {self._key}, so that each training gets its own."
            self._refuse(path, value, f"no {shared} of Keras, which all trainings would share and change", advice)
        elif isinstance(value, functools._lru_cache_wrapper):
            advice = "Leave the cache out, or put the function into a module."
            self._refuse(path, value, "no cached function of this session, which has a state of its own", advice)
        elif hasattr(value, "__dict__") and (_is_of_user(kind) or isinstance(value, types.SimpleNamespace)):
            self.add(f"{path}.class", kind)
            self.add(path, dict(vars(value)))
        else:
            self._add_pickled(path, value)

    def _add_pickled(self, path: str, value: Any) -> None:
        import cloudpickle  # most sessions have no such values

        try:
            if isinstance(value, io.IOBase):  # cloudpickle would copy what is left in the file
                raise TypeError("an open file")
            pickled = cloudpickle.dumps(value)
        except Exception as error:  # any object can refuse in any way
            advice = f"Open or make it inside {self._key}, or pass what it is made from, such as a path."
            reason = str(error).partition("\n")[0]
            self._refuse(path, value, f"a value that can be identified and copied ({reason})", advice)
            return
        self._write(f"pickled {type(value).__module__}.{type(value).__qualname__}")
        self._sha.update(pickled)

    def _refuse(self, path: str, value: Any, allowed: str, advice: str) -> None:
        reads = f"{self._key} reads {path}" if path != "it" else self._key
        self.faults.append(Fault(key=reads, value=_shown(value), allowed=allowed, advice=advice))

    def _write(self, text: str) -> None:
        self._sha.update(f"{len(text)} {text}\n".encode())


def is_importable(value: Any) -> bool:
    """Return whether another process finds a function or a class by its module and name.

    Args:
        value: The function or class.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "<locals>")
    if module is None or module == "__main__" or "<" in name:
        return False
    found: Any = sys.modules.get(module)
    if found is None or getattr(found, "__spec__", None) is None:
        return False
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _shared_kind(value: Any) -> str:
    """Return the kind of an object of Keras that trainings would share; empty for others."""
    if "keras" not in sys.modules:
        return ""
    names = [each.__name__ for each in type(value).__mro__ if each.__module__.partition(".")[0] == "keras"]
    if "Model" in names:
        return "model"
    return next((kind.lower() for kind in _SHARED if kind in names), "")


def _functions(value: Any) -> list[types.FunctionType]:
    """Return a function itself, or the functions of a class, those of its properties and class methods included."""
    if isinstance(value, types.FunctionType):
        return [value]
    found = []
    for inner in vars(value).values():
        parts = [getattr(inner, name, None) for name in ("fget", "fset", "func", "__func__")]
        found += [part for part in (*parts, inner) if isinstance(part, types.FunctionType)]
    return found


def _is_data(value: Any) -> bool:
    """Return whether an attribute of a class or a function is a value, a nested class, or a method with values."""
    kinds = (*_PLAIN, list, tuple, Mapping, set, frozenset, np.ndarray, np.generic, type, functools.partialmethod)
    return isinstance(value, kinds)


def _is_of_user(kind: type) -> bool:
    """Return whether a class is defined in this session, or in a module of the user's own."""
    return not is_importable(kind) or own_file(kind.__module__) is not None


def _digest_alone(value: Any) -> str:
    """Return the digest of an element of a set, which has no place."""
    reader = _Identifier("it")
    reader.add("it", value)
    return reader.digest


def imported_targets(trees: Sequence[ast.AST]) -> list[str]:
    """Return the dotted paths that import statements in some trees name; `module.*` for a whole module.

    Args:
        trees: The trees.
    """
    found = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            found += [f"{alias.name}.*" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _outer_values(function: types.FunctionType) -> dict[str, Any]:
    """Return the values that a function closes over, and those of the global names that it reads, by name."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not bound yet
            values[name] = cell.cell_contents
    for code in _codes(function.__code__):
        read = {each.argval for each in dis.get_instructions(code) if each.opname in _READS_GLOBAL}
        values |= {name: function.__globals__[name] for name in read if name in function.__globals__}
    return values


def _trees(value: Any) -> list[ast.AST]:
    """Return the syntax tree of a function or a class, without docstrings; empty if its source is not known."""
    text = _source(value)
    try:
        body: Sequence[ast.stmt] = ast.parse(text).body if text else ()
    except SyntaxError:  # a lambda in the middle of a call
        return []
    if getattr(value, "__name__", "") != "<lambda>":
        return [without_docstrings(statement) for statement in body]
    lambdas = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Lambda)]
    return [lambdas[0]] if len(lambdas) == 1 else []  # of several on one line, the source does not tell them apart


def _source(value: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(getattr(value, "__code__", value)))  # not of what it wraps
    except (OSError, TypeError):  # as of `python -c`, or of a class of a notebook that was defined again
        return ""


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of a function and of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _code_text(value: Any) -> str:
    """Return the compiled code of a function or a class as text, the same for the same release of Python."""
    return f"{sys.version_info[:2]} {[code_text(function.__code__) for function in _functions(value)]}"


def _shown(value: Any) -> str:
    """Return a short text of a value in one line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a user's class can fail in any way
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
