"""Digests of a user's own source: of the definitions that the `_target_`s of a config reach, without comments.

The source is read as a syntax tree and never run. A definition is a function, a class, or an assignment at the top of
a module. A definition reaches every definition whose name it mentions, in its own module or in another module of the
user. Other statements of a module, such as loops and calls, run when the module is imported, so each module that is
reached includes them.

Code that is found only at run time, such as a module that `importlib` imports by a computed name, is not included.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from study.config.syntax_trees import DEFINITIONS, mentioned_names, tree_text, without_docstrings
from study.core.session_objects import is_of_session, session_object

_INSTALLED = frozenset({"site-packages", "dist-packages"})
# The name under which the statements of a module stand that are neither definitions nor imports.
_STATEMENTS = "(statements)"


@dataclass(frozen=True, kw_only=True)
class _Module:
    """A module of the user's.

    Attributes:
        name: Its dotted name.
        is_package: Whether its file is an `__init__.py`.
        definitions: Functions, classes and assignments at its top, by name; several where a name is bound again.
        imports: The module, or the module and member, that a name stands for.
        stars: Modules from which everything is imported.
        statements: Everything else that runs on import.
    """

    name: str
    is_package: bool
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    statements: list[ast.stmt] = field(default_factory=list)


def source_digests(targets: Iterable[str]) -> dict[str, str]:
    """Return a digest of each of the user's own definitions that dotted paths reach, by `module.name`, sorted.

    A module is the user's own unless it is part of this project, of Python, or of an installed package. Formatting,
    comments and docstrings do not change a digest.

    Args:
        targets: Dotted paths such as `mynet.build`.
    """
    reader = _SourceReader()
    for target in targets:
        module, _, member = target.rpartition(".")
        if is_of_session(target):
            reader.digests[target] = session_object(target).digest
        else:
            reader.reach(module, member)
    return dict(sorted(reader.digests.items()))


def find_module(name: str, *, folders: Sequence[Path] = ()) -> ModuleSpec | None:
    """Return where Python finds a module, without importing it or its parents; None if Python does not find it.

    Args:
        name: The module's dotted name.
        folders: Folders that Python would search after those of `sys.path`. Default: none.
    """
    top, *parts = name.split(".")
    found: ModuleSpec | None = getattr(sys.modules.get(top), "__spec__", None)
    places = [*sys.path, *map(str, folders)]
    for finder in () if found is not None else sys.meta_path:
        found = finder.find_spec(top, places if finder is PathFinder else None)
        if found is not None:
            break
    return _below(found, parts)


def find_in_folder(name: str, folder: Path) -> ModuleSpec | None:
    """Return a module that a folder has, wherever else Python finds one of this name; None if the folder has none.

    Args:
        name: The module's dotted name.
        folder: Path of the folder.
    """
    top, *parts = name.split(".")
    return _below(PathFinder.find_spec(top, [str(folder)]), parts)


def hidden_by(name: str, folder: Path) -> str | None:
    """Return the place of the module that Python takes in place of a folder's own one; None if it takes the own one.

    Python searches the folder last, unless it is on `sys.path` already.

    Args:
        name: The module's top-level name.
        folder: Path of the folder.
    """
    taken = find_module(name, folders=[folder])
    strange = [] if taken is None else strange_places(name, taken, folder)
    if not strange:
        return None
    return strange[0] if Path(strange[0]).is_absolute() else "Python itself"


def strange_places(name: str, spec: ModuleSpec, folder: Path) -> list[str]:
    """Return the places of a top-level module that are not the folder's own file or package of its name.

    Args:
        name: The module's top-level name.
        spec: The module.
        folder: Path of the folder.
    """
    own = {place.resolve() for place in (folder / name, folder / f"{name}.py")}
    places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return [place for place in places if Path(place).resolve() not in own]


def imported_files(module: str, folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the modules of a folder that are imported with one of its modules, by dotted name, itself included.

    Every import statement counts, also those inside functions, and those of the modules that are imported. A module
    in place of which Python takes another one is included, and not followed.

    Args:
        module: Dotted name of the module that is imported first.
        folder: Path of the folder.

    Returns:
        By dotted name: the file, and the file with the import statement, which for the first module is the folder.
    """
    files: dict[str, tuple[Path, Path]] = {}
    left, seen = [(module, folder)], set()
    while left:
        name, importer = left.pop()
        parts = name.split(".")
        for prefix in (".".join(parts[: n + 1]) for n in range(len(parts))):  # a package is imported with its module
            spec = None if prefix in seen else find_in_folder(prefix, folder)
            seen.add(prefix)
            if spec is None or spec.origin is None:
                continue
            files[prefix] = (Path(spec.origin), importer)
            if spec.origin.endswith(".py") and hidden_by(parts[0], folder) is None:
                file = Path(spec.origin)
                left += [(imported, file) for imported in imported_names(prefix, file)]
    return files


def _below(found: ModuleSpec | None, parts: Iterable[str]) -> ModuleSpec | None:
    """Return the module below a package that the parts of a dotted name lead to."""
    for part in parts:
        if found is None:
            return None
        # By the last part alone: with the whole name, Python asks for the imported parent of a namespace package.
        found = PathFinder.find_spec(part, list(found.submodule_search_locations or ()))
    return found


def imported_names(name: str, file: Path) -> Iterator[str]:
    """Yield the dotted names that the import statements of a module's file may import."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    module = _Module(name=name, is_package=file.name == "__init__.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names if alias.name != "*")


class _SourceReader:
    """Follows names from definition to definition.

    Attributes:
        digests: The digest of each definition reached so far.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self._whole: set[str] = set()  # modules of which everything was reached
        self._modules: dict[str, _Module | None] = {}

    def reach(self, module_name: str, member: str | None) -> None:
        """Follow a member of a module, or all of the module if `member` is None or cannot be found in it."""
        module = self._module(module_name)
        if module is None:
            return
        self._add(module, _STATEMENTS, module.statements)
        if member is not None and (member in module.definitions or member in module.imports):
            self._follow(module, member)
        elif member is not None and self._module(f"{module_name}.{member}") is not None:
            self.reach(f"{module_name}.{member}", None)
        elif module_name not in self._whole:  # also for a name that nothing binds in sight, as of a star import
            self._whole.add(module_name)
            for name in module.definitions:
                self._follow(module, name)
            for imported in [*module.imports.values(), *((star, None) for star in module.stars)]:
                self._follow_import(imported)

    def _follow(self, module: _Module, name: str) -> None:
        if name in module.definitions:
            self._add(module, name, module.definitions[name])
        if name in module.imports:
            self._follow_import(module.imports[name])

    def _follow_import(self, imported: tuple[str, str | None]) -> None:
        module_name, member = imported
        if member is None or self._module(f"{module_name}.{member}") is None:
            self.reach(module_name, member)
        else:
            self.reach(f"{module_name}.{member}", None)

    def _add(self, module: _Module, name: str, statements: list[ast.stmt]) -> None:
        """Add a definition and everything that it mentions."""
        key = f"{module.name}.{name}"
        if key in self.digests or not statements:
            return
        trees = [without_docstrings(statement) for statement in statements]
        self.digests[key] = hashlib.sha256("\n".join(map(tree_text, trees)).encode()).hexdigest()[:12]
        for tree in trees:
            for used, attributes in mentioned_names(tree):
                self._mention(module, used, attributes)
            for imported in _imports(tree, module):
                self._follow_import(imported)

    def _mention(self, module: _Module, name: str, attributes: list[str]) -> None:
        """Follow a mentioned name; of a module's name, only the member that is mentioned of it."""
        if name in module.definitions:
            self._follow(module, name)
        elif name in module.imports:
            target, member = module.imports[name]
            path = target if member is None else f"{target}.{member}"
            if member is not None and self._module(path) is None:
                self._follow_import((target, member))
                return
            while attributes and self._module(f"{path}.{attributes[0]}") is not None:
                path, attributes = f"{path}.{attributes[0]}", attributes[1:]
            self.reach(path, attributes[0] if attributes else None)
        else:
            for star in module.stars:
                if (found := self._module(star)) is not None and name in {**found.definitions, **found.imports}:
                    self.reach(star, name)

    def _module(self, name: str) -> _Module | None:
        """Return a module of the user's; None for others."""
        if name not in self._modules:
            path = own_file(name)
            self._modules[name] = None if path is None else _read(name, path)
        return self._modules[name]


def own_file(name: str) -> Path | None:
    """Return the file of a module that is neither of this project, nor of Python, nor installed."""
    top = name.partition(".")[0]
    if top == "study" or top in sys.stdlib_module_names or not all(part.isidentifier() for part in name.split(".")):
        return None
    found = find_module(name)
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    path = Path(found.origin).resolve()
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    if _INSTALLED & set(path.parts) or path.is_relative_to(standard) or _is_recorded(name, Path(found.origin)):
        return None
    return path


def _is_recorded(name: str, file: Path) -> bool:
    """Return whether an installer has recorded a module's file, as `pip install --target` does in any folder."""
    depth = name.count(".") + (file.name == "__init__.py")
    if depth >= len(file.parents):
        return False
    folder = file.parents[depth]
    line = f"\n{file.relative_to(folder).as_posix()},"
    for record in folder.glob("*.dist-info/RECORD"):
        with contextlib.suppress(OSError):
            if line in "\n" + record.read_text("utf-8", errors="replace"):
                return True
    return False


def _read(name: str, path: Path) -> _Module | None:
    """Read a module's source; None if it cannot be read, which its import reports in better words."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    module = _Module(name=name, is_package=path.name == "__init__.py")
    for statement in tree.body:
        _place(module, statement)
    return module


def _place(module: _Module, statement: ast.stmt) -> None:
    """Put a statement of a module's top where it belongs."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            module.imports[alias.asname or top] = (alias.name if alias.asname else top, None)
    elif isinstance(statement, ast.ImportFrom):
        source = _source(module, statement)
        for alias in statement.names:
            if alias.name == "*":
                module.stars.append(source)
            else:
                module.imports[alias.asname or alias.name] = (source, alias.name)
    elif isinstance(statement, DEFINITIONS):
        module.definitions.setdefault(statement.name, []).append(statement)
    elif names := _assigned(statement):
        for name in names:
            module.definitions.setdefault(name, []).append(statement)
    elif not _is_inert(statement):
        module.statements.append(statement)


def _source(module: _Module, statement: ast.ImportFrom) -> str:
    """Return the absolute name of the module that a statement imports from."""
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    package = parts[: len(parts) - statement.level + module.is_package]
    return ".".join([*package, *filter(None, [statement.module])])


def _assigned(statement: ast.stmt) -> list[str]:
    """Return the names that a plain assignment binds; empty for other statements."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [target.id for target in flat if isinstance(target, ast.Name)] if _all_names(flat) else []


def _all_names(targets: Iterable[ast.expr]) -> bool:
    return all(isinstance(target, ast.Name) for target in targets)


def _is_inert(statement: ast.stmt) -> bool:
    """Return whether a statement does nothing on import: a docstring, `pass`, or the block of a main program."""
    if isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    ):
        return True
    return isinstance(statement, ast.If) and ast.unparse(statement.test).replace('"', "'") == "__name__ == '__main__'"


def _imports(tree: ast.AST, module: _Module) -> Iterator[tuple[str, str | None]]:
    """Yield what a definition imports in its body."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            yield from ((source, None if alias.name == "*" else alias.name) for alias in node.names)
