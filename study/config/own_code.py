"""Code that a stored model needs beside Keras: classes and functions that its file names, and their modules."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

from study.config.own_source import find_module, imported_names, own_file
from study.core.packages import installed_version

_PROJECT = "study"
# A stored model requires these anyway.
_GIVEN = ("keras", "mlflow", "numpy", "tensorflow")


@dataclass(frozen=True, kw_only=True)
class CustomObject:
    """A class or function of a model that Keras does not have.

    Attributes:
        key: The name by which Keras looks it up: the registered one, or its own.
        module: Dotted name of its module.
        name: Its name in the module.
        is_class: Whether it is a class, not a function.
        is_registered: Whether it is registered with Keras, so that importing its module is enough.
    """

    key: str
    module: str
    name: str
    is_class: bool
    is_registered: bool

    @property
    def place(self) -> str:
        """Its module and its name, such as `nets.parts:Scale`."""
        return f"{self.module}:{self.name}"

    @property
    def described(self) -> str:
        """The object in words, such as `the class Scale of mynet`."""
        return f"the {'class' if self.is_class else 'function'} {self.name} of {self.module}"


@dataclass(frozen=True, kw_only=True)
class ModelCode:
    """The code that a model needs beside Keras; empty for a model of Keras's own classes.

    Attributes:
        objects: Classes and functions that the model's file names. Default: none.
        files: The user's own modules that define them, and those that these import, by their path below a folder of
            modules, such as `nets/parts.py`. Default: none.
        packages: Installed packages that these modules import, as requirements with versions. Default: none.
        project_modules: Modules of this project that are needed. Default: none.
    """

    objects: tuple[CustomObject, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    project_modules: tuple[str, ...] = ()


# The code of a model of Keras's own classes.
NO_CODE = ModelCode()


def model_code(objects: Iterable[CustomObject]) -> ModelCode:
    """Return the modules and the packages that define some classes and functions, without importing any.

    A module's import statements are followed, also those inside functions. Files other than Python's are left out.

    Args:
        objects: The classes and functions.
    """
    given = tuple(objects)
    files: dict[str, Path] = {}
    left, seen, others = [each.module for each in given], set[str](), set[str]()
    while left:
        name = left.pop()
        for prefix in _with_parents(name):
            if prefix in seen:
                continue
            seen.add(prefix)
            file = own_file(prefix)
            if file is None:
                others.add(prefix)
                continue
            files[_path_of(prefix, file)] = file
            left += imported_names(prefix, file)
    return ModelCode(
        objects=given,
        files=dict(sorted(files.items())),
        packages=tuple(sorted(_requirements(name for name in others if "." not in name))),
        project_modules=tuple(sorted(_modules_of_project(others))),
    )


def _with_parents(name: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` of `a.b.c`: Python imports a module's packages before it."""
    parts = name.split(".")
    yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


def _path_of(name: str, file: Path) -> str:
    """Return the path of a module below the folder that Python searches."""
    path = PurePosixPath(*name.split("."))
    return str(path / file.name if file.name == "__init__.py" else path.with_name(f"{path.name}.py"))


def _modules_of_project(names: Iterable[str]) -> list[str]:
    found = [name for name in names if name.startswith(f"{_PROJECT}.") and find_module(name) is not None]
    return [name for name in found if not any(other.startswith(f"{name}.") for other in found)]


def _requirements(names: Iterable[str]) -> set[str]:
    """Return the distributions of top-level modules, with their versions."""
    wanted = {name for name in names if name not in (*sys.stdlib_module_names, *_GIVEN, _PROJECT)}
    if not wanted:
        return set()
    known = packages_distributions()
    found = {package for name in wanted for package in known.get(name, ())}
    return {f"{package}=={installed_version(package)}" for package in found}
