"""Syntax trees of a user's code: as text, and the names that they read."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def without_docstrings(statement: ast.AST) -> ast.AST:
    """Return a copy of a tree without its docstrings.

    Args:
        statement: The tree.
    """
    copied = copy.deepcopy(statement)
    for node in ast.walk(copied):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return copied


def tree_text(node: object) -> str:
    """Return a tree as text, the same under every version of Python that can read it: empty fields are left out.

    Args:
        node: The tree, or a value in it.
    """
    if isinstance(node, ast.AST):
        fields = ",".join(
            f"{name}={tree_text(value)}" for name, value in ast.iter_fields(node) if value not in (None, [])
        )
        return f"{type(node).__name__}({fields})"
    return f"[{','.join(map(tree_text, node))}]" if isinstance(node, list) else repr(node)


def mentioned_names(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield each name that a tree reads, with the attributes that follow it: `a.b.c` is `a` and `[b, c]`.

    Args:
        tree: The tree.
    """
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            attributes: list[str] = []
            base: ast.expr = node
            while isinstance(base, ast.Attribute):
                attributes.insert(0, base.attr)
                inner.add(id(base))
                base = base.value
            if isinstance(base, ast.Name):
                inner.add(id(base))
                yield base.id, attributes
        elif isinstance(node, ast.Name) and id(node) not in inner and isinstance(node.ctx, ast.Load):
            yield node.id, []
