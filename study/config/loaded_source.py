"""Modules of the user's whose definitions in this process differ from their files, as after an edit without a reload.

A study's identity is made of the files. A process that goes on for hours, such as a notebook's kernel, may hold other
definitions of them. A new process would then take its results for those of the files.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from study.config.own_source import own_file, source_digests

_MISSING = object()


def changed_since_import(targets: Iterable[str]) -> list[str]:
    """Return the definitions that dotted paths reach and that are not as in their files, as `module.name`.

    Functions and methods are compared by their compiled code. Assigned values are compared if they are written out,
    cannot grow, and no other statement of the module assigns them.

    Args:
        targets: The dotted paths.
    """
    found = []
    for key in source_digests(targets):
        module_name, _, name = key.rpartition(".")
        module, file = sys.modules.get(module_name), own_file(module_name)
        if module is None or file is None or not name.isidentifier():
            continue
        try:
            source = file.read_bytes()
            tree, code = ast.parse(source), compile(source, str(file), "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError):
            continue  # said by the next import
        statements = [each for each in tree.body if name in _bound(each)]
        if (
            statements
            and not _may_change(tree, name)
            and _differs(statements[-1], getattr(module, name, _MISSING), _named(code, name))
        ):
            found.append(key)
    return found


def code_text(code: types.CodeType) -> str:
    """Return what a code and those in it do as text, without their places in the file; the same for one Python.

    Args:
        code: The code of a function or a class.
    """
    return "".join(_parts(code))


def _bound(statement: ast.stmt) -> list[str]:
    """Return the names that a statement binds at the top of a module."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _may_change(tree: ast.Module, name: str) -> bool:
    """Return whether the code of a module itself may give a name another value later, as that of a cache."""
    outside = [each for each in tree.body if not isinstance(each, ast.FunctionDef | ast.ClassDef)]
    stored = [node for each in outside for node in ast.walk(each) if isinstance(node, ast.Name) and node.id == name]
    n_stored = sum(isinstance(node.ctx, ast.Store) for node in stored)
    return n_stored > 1 or any(isinstance(node, ast.Global) and name in node.names for node in ast.walk(tree))


def _differs(statement: ast.stmt, value: Any, codes: list[types.CodeType]) -> bool:
    """Return whether a value of this process is not what a statement of a file makes; False if that is not known."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        try:
            written = ast.literal_eval(statement.value) if statement.value is not None else _MISSING
        except (ValueError, TypeError, SyntaxError):
            return False
        is_fixed = isinstance(
            written, bool | int | float | complex | str | bytes | tuple | type(None)
        )  # no list grows
        return is_fixed and (type(written) is not type(value) or bool(written != value))
    if value is _MISSING:
        return True
    if not codes:
        return False
    unwrapped = inspect.unwrap(value) if callable(value) else value
    if isinstance(unwrapped, types.FunctionType):
        return code_text(unwrapped.__code__) != code_text(codes[-1])
    if not isinstance(unwrapped, type):
        return False
    methods = {each.co_name: each for each in codes[-1].co_consts if isinstance(each, types.CodeType)}
    here = {name: each for name, each in vars(unwrapped).items() if isinstance(each, types.FunctionType)}
    return any(name in methods and code_text(each.__code__) != code_text(methods[name]) for name, each in here.items())


def _named(code: types.CodeType, name: str) -> list[types.CodeType]:
    return [each for each in code.co_consts if isinstance(each, types.CodeType) and each.co_name == name]


def _parts(code: types.CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)
        else:
            told = sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
            yield f"{type(constant).__name__} {told}"
