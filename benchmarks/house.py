"""Show the structure of study/: its entries, its floors, and the arrows between its folders, read from the imports.

An entry is a folder or a module directly in study/. An arrow leads from an entry to another entry that one of its
modules imports. The floors are the entries of the longest chain of arrows.

    python -m benchmarks.house [COMMIT ...]

The output shows the commits one after the other, and then the files of this checkout.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.same_numbers import ROOT, extract

Graph = Mapping[str, frozenset[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="shown before the files of this checkout")
    for commit in parser.parse_args().commits:
        with tempfile.TemporaryDirectory() as folder:
            extract(commit, Path(folder) / "tree")
            show(Path(folder) / "tree", commit)
    show(ROOT, "here")


def show(root: Path, title: str) -> None:
    """Print the entries, floors and arrows of a checkout."""
    names = entries(root)
    between = arrows_between_entries(root)
    chain = longest_chain(between)
    print(f"{title}: {len(names)} entries in study/, {len(modules(root))} modules")
    print(f"  entries: {', '.join(names)}")
    print(f"  floors: {len(chain)} ({' -> '.join(chain)})")
    print(f"  arrows: {sum(map(len, between.values()))}")
    for entry in sorted(between):
        if between[entry]:
            print(f"    {entry} -> {', '.join(sorted(between[entry]))}")


def entries(root: Path) -> list[str]:
    """Return the names of the entries in study/."""
    return sorted(path.name for path in (root / "study").iterdir() if path.name != "__pycache__")


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of study/ by their dotted names, without those behind symbolic links."""
    package = root / "study"
    found = {}
    for path in package.rglob("*.py"):
        if not any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(package)):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def arrows(root: Path) -> Graph:
    """Return the modules of study/ that each module imports."""
    files = modules(root)
    return {
        name: frozenset(
            {module for _, module in imported(ast.parse(path.read_text()))} & files.keys() - {name, "study"}
        )
        for name, path in files.items()
    }


def arrows_between_entries(root: Path) -> Graph:
    """Return the entries of study/ that each entry imports."""
    between: dict[str, set[str]] = {}
    for name, targets in arrows(root).items():
        own = between.setdefault(entry_of(name), set())
        own |= {entry_of(target) for target in targets} - {entry_of(name)}
    return {entry: frozenset(targets) for entry, targets in between.items()}


def entry_of(module: str) -> str:
    """Return the entry of study/ that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def longest_chain(graph: Graph) -> list[str]:
    """Return the nodes of the longest chain, from its top.

    Raises:
        ValueError: The graph has a circle; the message names it.
    """
    found: dict[str, list[str]] = {}

    def chain(node: str, above: tuple[str, ...]) -> list[str]:
        if node in above:
            raise ValueError(f"a circle: {' -> '.join((*above[above.index(node) :], node))}")
        if node not in found:
            below = [chain(target, (*above, node)) for target in sorted(graph.get(node, ()))]
            found[node] = [node, *max(below, key=len, default=[])]
        return found[node]

    return max((chain(node, ()) for node in sorted(graph)), key=len, default=[])


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a module imports; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                yield node.lineno, base
                yield from ((node.lineno, f"{base}.{name.name}") for name in names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield node.lineno, module


if __name__ == "__main__":
    main()
