"""Put off the import of modules that a library imports at its start and that hardly any program uses."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def deferred(names: Collection[str]) -> Iterator[None]:
    """Let the first use of a module run its code, for modules that are imported in the block.

    Until then, the module is in `sys.modules`, without its members. `import package.module` and
    `from package import module` do not use it; `package.module.member` and `from package.module import member` do. A
    module that was imported before the block, or does not exist, is as usual.

    Args:
        names: Full names of the modules.
    """
    with _asked_first(_Finder(names)):
        yield


def is_installed(package: str, version: str) -> bool:
    """Return whether a package is installed in a version, without importing it.

    Args:
        package: Name of its distribution.
        version: The first parts of the version, such as `3.15`.
    """
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    parts = version.split(".")
    return found.split(".")[: len(parts)] == parts


@contextlib.contextmanager
def _asked_first(finder: importlib.abc.MetaPathFinder) -> Iterator[None]:
    """Ask a finder before all others in the block."""
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    """Finder of the named modules, by all other finders."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a named module with a loader that waits; None for any other module."""
        if fullname not in self._names:
            return None
        for finder in [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _WaitingLoader(spec.loader)
                return spec
        return None


class _WaitingLoader(importlib.abc.Loader):
    """Loader whose module runs its code once a member is asked for that it does not have yet."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Return the module that the loader behind this one makes."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Prepare the module; its code runs later."""
        lock = threading.RLock()
        members: dict[str, Any] = vars(module)
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader

        def load() -> None:
            with lock:  # other threads wait here until the code has run
                if not waiting:
                    return
                waiting.clear()  # the code itself can ask for members that it does not have yet
                try:
                    self._loader.exec_module(module)
                except BaseException:
                    waiting.append(True)
                    raise
                for name, function in (("__getattr__", member), ("__dir__", names)):
                    if members.get(name) is function:
                        del members[name]

        def member(name: str) -> Any:
            # Libraries ask every module for such names. A module has its own before its code runs.
            if not name.startswith("__") or name == "__all__":
                load()
                if name in members:
                    return members[name]
                if members.get("__getattr__", member) is not member:  # the module's own
                    return members["__getattr__"](name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        def names() -> list[str]:
            load()
            return sorted(members)

        waiting = [True]
        members.update(__getattr__=member, __dir__=names)
