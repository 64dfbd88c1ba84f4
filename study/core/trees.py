"""Trees of arrays: one array, or dicts and tuples of arrays, as a model of several inputs or outputs takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optree

# An array, or dicts and tuples of arrays.
Tree = Any


def leaves(tree: Tree) -> list[Any]:
    """Return the arrays of a tree, those of a dict in the order of its sorted keys.

    Args:
        tree: The tree.

    Example:
        >>> leaves({"b": 1, "a": (2, 3)})
        [2, 3, 1]
    """
    return list(optree.tree_leaves(tree, is_leaf=_is_list))


def flattened(tree: Tree) -> tuple[list[Any], Callable[[Sequence[Any]], Tree]]:
    """Return the arrays of a tree, and a function that makes the same tree of as many other values.

    Args:
        tree: The tree.
    """
    found, structure = optree.tree_flatten(tree, is_leaf=_is_list)
    return list(found), lambda values: optree.tree_unflatten(structure, values)


def mapped(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Return the tree of a function's results for each array.

    Args:
        function: Takes an array of the tree, and those of the others in the same place.
        tree: The tree.
        *others: Trees of the same structure.

    Raises:
        ValueError: The structures differ.
    """
    return optree.tree_map(function, tree, *others, is_leaf=_is_list)


def named_leaves(tree: Tree, name: str) -> list[tuple[str, Any]]:
    """Return each array of a tree with its place, such as `train.x.image`, `train.y.0` or, for one array, `train.x`.

    Args:
        tree: The tree.
        name: The place of the tree.
    """
    paths, found, _ = optree.tree_flatten_with_path(tree, is_leaf=_is_list)
    return [(".".join((name, *map(str, path))), leaf) for path, leaf in zip(paths, found, strict=True)]


def mapped_by_place(function: Callable[[str, Any], Any], tree: Tree, name: str) -> Tree:
    """Return the tree of a function's results for the place of each array and the array.

    Args:
        function: Takes a place, as `named_leaves` gives it, and the array there.
        tree: The tree.
        name: The place of the tree.
    """
    _, rebuild = flattened(tree)
    return rebuild([function(place, array) for place, array in named_leaves(tree, name)])


def same_structure(tree: Tree, other: Tree) -> bool:
    """Return whether two trees have the same dicts and tuples; their arrays may differ in any way.

    Args:
        tree: The first tree.
        other: The second tree.
    """
    return bool(optree.tree_structure(tree, is_leaf=_is_list) == optree.tree_structure(other, is_leaf=_is_list))


def _is_list(node: Any) -> bool:
    """Return whether a node is a list, which stands for an array and is not a tree."""
    return isinstance(node, list)
