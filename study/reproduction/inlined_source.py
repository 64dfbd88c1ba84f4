"""The source of functions and classes that a config names, with all that they use, for a script of its own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_PROJECT = "study"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# Checks of the version of Keras, which a script leaves to its header.
_CHECKS = ("require_hooks",)
_REMARKS = re.compile(r"#\s*(type:\s*ignore|noqa)\b")
_FUTURE = "__future__"


class NotInlinableError(Exception):
    """The source cannot stand alone. The message is the reason, as a clause such as `it imports sounds.wav`."""


@dataclass(frozen=True, kw_only=True)
class InlinedSource:
    """Source that stands alone.

    Attributes:
        imports: Lines that import libraries, sorted.
        code: Definitions, each after those that it needs to be defined.
        libraries: Names of the imported libraries that are not Python's own, sorted.
    """

    imports: tuple[str, ...]
    code: str
    libraries: tuple[str, ...]


def inline_source(targets: Sequence[str], *, taken: Mapping[str, str]) -> InlinedSource:
    """Return the source of some targets, with the definitions of this project that they use.

    Args:
        targets: Dotted paths of functions and classes, in modules of this project or of the user.
        taken: Names that the script itself has: each with the line that imports it, or with other words.

    Raises:
        NotInlinableError: A target uses other code of the user's or of this project that cannot be copied, or two
            definitions have the same name.
    """
    collected = _Collected(owners=dict(taken))
    for target in targets:
        module, _, name = target.rpartition(".")
        collected.add(module, name)
    return InlinedSource(
        imports=tuple(sorted(collected.imports)),
        code="\n\n\n".join(collected.definitions()),
        libraries=tuple(sorted(collected.libraries - set(sys.stdlib_module_names))),
    )


def is_library(target: str) -> bool:
    """Return whether a dotted path is below Python's own library or an installed package, this project not included.

    Args:
        target: The dotted path.
    """
    root = target.partition(".")[0]
    if root == _PROJECT:
        return False
    if root in sys.stdlib_module_names:
        return True
    spec = importlib.util.find_spec(root)
    places = [] if spec is None else [*(spec.submodule_search_locations or [spec.origin or ""])]
    return any(_INSTALLED & set(Path(place).parts) for place in places)


@dataclass
class _Collected:
    """Definitions that are needed, by module, in the order in which a script must have them."""

    owners: dict[str, str]  # the module, or the line of import, of each name
    imports: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    _modules: dict[str, _SourceFile] = field(default_factory=dict)
    _uses: dict[str, set[str]] = field(default_factory=dict)  # the modules that each module imports from
    _wanted: dict[str, set[str]] = field(default_factory=dict)

    def add(self, module_name: str, name: str) -> None:
        """Add a definition and all that it uses."""
        if name in self._wanted.setdefault(module_name, set()):
            return
        self._wanted[module_name].add(name)
        module = self._modules.get(module_name) or _SourceFile(module_name)
        self._modules[module_name] = module
        if name in module.imports:
            self._add_import(module, name)
        elif name in module.definitions:
            self._own(name, module_name)
            for node in module.definitions[name]:
                self._check_inner_imports(node)
                for used in sorted(module.names_in(node)):
                    self.add(module_name, used)
        else:
            raise NotInlinableError(f"{module_name} has no definition of {name}")

    def definitions(self) -> Iterator[str]:
        """Yield the text of each needed definition."""
        order: dict[str, None] = {}
        for name in self._modules:
            self._put(name, order, above=())
        for name in order:
            module = self._modules[name]
            nodes = {id(node): node for found in self._wanted[name] for node in module.definitions.get(found, ())}
            yield from module.texts(sorted(nodes.values(), key=lambda node: node.lineno))

    def _put(self, name: str, order: dict[str, None], *, above: tuple[str, ...]) -> None:
        """Put a module into an order, after the modules that it uses."""
        for used in sorted(self._uses.get(name, ())):
            if used not in (*above, name):
                self._put(used, order, above=(*above, name))
        order.setdefault(name)

    def _add_import(self, module: _SourceFile, name: str) -> None:
        source, member = module.imports[name]
        if is_library(source):
            line = _import_line(source, member, name)
            is_whole = member is None and name == source.partition(".")[0]
            self._own(name, f"import {name}" if is_whole else line)
            self.imports.add(line)
            self.libraries.add(source.partition(".")[0])
        elif source.partition(".")[0] != _PROJECT:
            raise NotInlinableError(f"it imports {source}")
        elif member is None or member != name or _is_module(f"{source}.{member}"):
            raise NotInlinableError(f"it imports {_import_line(source, member, name).partition(' ')[2]}")
        else:
            self._uses.setdefault(module.name, set()).add(source)
            self.add(source, member)

    def _check_inner_imports(self, node: ast.stmt) -> None:
        """Refuse a definition that imports code of this project or of the user's when it is called."""
        for each in ast.walk(node):
            sources: list[str] = []
            if isinstance(each, ast.Import):
                sources = [alias.name for alias in each.names]
            elif isinstance(each, ast.ImportFrom):
                sources = ["." * each.level + (each.module or "")]
            for source in sources:
                if source.startswith(".") or not is_library(source):
                    raise NotInlinableError(f"it imports {source}")
                self.libraries.add(source.partition(".")[0])

    def _own(self, name: str, owner: str) -> None:
        if self.owners.setdefault(name, owner) != owner:
            raise NotInlinableError(f"{owner} and {self.owners[name]} both define {name}")


class _SourceFile:
    """The text of a module, as definitions and imports by their names.

    Attributes:
        name: Its dotted name.
        imports: The module and the member that each imported name stands for; without a member, the module itself.
        definitions: The statements that define each name, in their order.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            text = inspect.getsource(importlib.import_module(name))
        except (ImportError, OSError, TypeError) as error:
            raise NotInlinableError(f"the source of {name} is not there") from error
        self._lines = _without_remarks(text)
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.definitions: dict[str, list[ast.stmt]] = {}
        for node in ast.parse(text).body:
            self._read(node)

    @cached_property
    def _known(self) -> set[str]:
        return {*self.imports, *self.definitions}

    def names_in(self, node: ast.AST) -> set[str]:
        """Return the names of this module that a statement uses."""
        return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} & self._known

    def texts(self, nodes: Sequence[ast.stmt]) -> Iterator[str]:
        """Yield the text of each statement with the comments above it; assignments in a row are one text."""
        block: list[str] = []
        for node in nodes:
            is_long = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if is_long and block:
                yield "\n".join(block)
                block = []
            text = self._text(node)
            if is_long:
                yield text
            else:
                block.append(text)
        if block:
            yield "\n".join(block)

    def _text(self, node: ast.stmt) -> str:
        decorators = getattr(node, "decorator_list", [])
        first = min(each.lineno for each in (node, *decorators)) - 1
        while first and self._lines[first - 1].startswith("#"):
            first -= 1
        return "\n".join(self._lines[first : node.end_lineno])

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            self.imports |= {each.asname or each.name.partition(".")[0]: (each.name, None) for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.module != _FUTURE:
                source = self._absolute(node)
                self.imports |= {each.asname or each.name: (source, each.name) for each in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for each in (each for target in targets for each in ast.walk(target)):
                if isinstance(each, ast.Name):
                    self.definitions.setdefault(each.id, []).append(node)
        elif not _is_idle(node):
            raise NotInlinableError(f"{self.name} has other statements than definitions, in line {node.lineno}")

    def _absolute(self, node: ast.ImportFrom) -> str:
        package = self.name if hasattr(sys.modules.get(self.name), "__path__") else self.name.rpartition(".")[0]
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


def _is_idle(node: ast.stmt) -> bool:
    """Return whether a statement does nothing that a script needs: a docstring, or a check of the version of Keras."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    return isinstance(value, ast.Constant) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _CHECKS
    )


def _import_line(source: str, member: str | None, name: str) -> str:
    line = f"import {source}" if member is None else f"from {source} import {member}"
    usual = source.partition(".")[0] if member is None else member
    return line if name == usual else f"{line} as {name}"


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is no package
        return False


def _without_remarks(text: str) -> list[str]:
    """Return the lines of a module without remarks for its checkers, such as `# noqa`."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _REMARKS.match(token.string):
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return lines
